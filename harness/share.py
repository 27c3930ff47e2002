"""Objectives that say how many turns, or sessions, may be bad: each record judged as it comes."""

from collections.abc import Callable, Iterable

import msgspec

from harness.metrics import TURN_METRICS
from harness.records import Flag, Outcome, Session, SessionOutcome, Turn
from harness.slo import COMPARE, LATENCIES, Filter, Objective

__all__ = ["Share", "concerns", "is_counted", "share_of"]

Bad = Callable[[Turn | Session], Iterable[bool]]
"""Of a record that an objective is about: a value for each thing that counts, often one or none."""

_METRICS = {metric.name: metric for metric in TURN_METRICS}
_COLUMNS = ("scenario", "model", "kind")


class Share(msgspec.Struct, frozen=True):
    """An objective, said as a share: a p95 below a bound is at most 5 % of turns above it."""

    objective: Objective
    limit: float  # the share of bad ones allowed, between 0 and 1
    bad: Bad

    def judge(self, record: Turn | Session) -> tuple[bool, ...]:
        """Whether what ``record`` brings is bad; empty if the objective is not about it."""
        return tuple(self.bad(record)) if concerns(self.objective, record) else ()


def concerns(objective: Objective, record: Turn | Session) -> bool:
    """Whether an objective is about such a record, by its kind and the objective's filters."""
    of_sessions = objective.metric == "sessions"
    if of_sessions != isinstance(record, Session) or record.outcome is None:
        return False
    return all((_label(record, each) == each.value) == each.equal for each in objective.where)


def _label(record: Turn | Session, where: Filter) -> str:
    if where.label in _COLUMNS:
        return str(getattr(record, where.label, ""))
    return record.tags.get(where.label, "")


def share_of(objective: Objective) -> Share | None:
    """
    What ``objective`` says of single records.

    Returns:
        ``None`` if it says nothing of them (a mean, a largest value, gaps a minute, a plain count),
        or would forgive none or all of them.

    """
    if objective.percentile is not None:
        bad, limit = _beyond(objective), 1 - objective.percentile
    elif objective.share:
        bad, limit = _counted(objective), objective.bound
    else:
        return None
    if objective.compare.startswith(">"):  # so many are to be so: those that are not are bad
        limit = 1 - limit
    return Share(objective, round(limit, 12), bad) if 0 < limit < 1 else None


def _beyond(objective: Objective) -> Bad:
    """Whether a latency is on the wrong side of its bound; unanswered turns are above all."""
    within, bound, name = COMPARE[objective.compare], objective.bound, objective.metric
    above_is_bad = objective.compare.startswith("<")
    metric = _METRICS.get(name)

    def bad(record: Turn | Session) -> Iterable[bool]:
        assert isinstance(record, Turn)
        if metric is None:
            return (not within(gap, bound) for gap in record.gaps)
        if metric.unanswered(record):
            return (above_is_bad,)
        value = record.metrics.get(name)
        return () if value is None or record.censored else (not within(value, bound),)

    assert name in LATENCIES
    return bad


def _counted(objective: Objective) -> Bad:
    """Whether a record is what an objective counts; of one that wants many, whether it is not."""
    few, statistic = objective.compare.startswith("<"), objective.statistic
    return lambda record: (is_counted(record, statistic) == few,)


def is_counted(record: Turn | Session, statistic: str) -> bool:
    """Whether a record is one that ``turns:statistic``, or ``sessions:statistic``, counts."""
    if statistic == "failed":
        if isinstance(record, Session):
            return record.outcome is not SessionOutcome.ENDED
        return record.failed
    if isinstance(record, Turn):
        if statistic == "unanswered":
            return record.unanswered
        if statistic == "suspect":
            return Flag.SUSPECT in record.flags
        return record.outcome == Outcome(statistic)
    return record.outcome == SessionOutcome(statistic)
