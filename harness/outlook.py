"""
How a run stands to its objectives while it lasts, and whether one can still be met.

A count that may not grow, or a largest value, is lost once it is over its bound. A percentile or a
share is lost when a sequential test has found it bad with a chance of one in a thousand to be
wrong, however often it was looked at, and there are turns enough to carry the percentile: what
remains of the run would have to be of another kind. A mean or a rate is never given up.
"""

from collections.abc import Sequence
from typing import Protocol
from zlib import crc32

import msgspec

from harness.metrics import TURN_METRICS
from harness.percentiles import percentile_too_thin
from harness.records import Session, Turn
from harness.sequential import ShareTest
from harness.share import concerns, is_counted, share_of
from harness.slo import COMPARE, Objective

__all__ = ["Outlook", "Outlooks"]

ERROR = 0.001
SPAN = 5.0  # seconds of turns that share their fate
GROUPS = 1000  # of calls, so that a long run needs no more memory


class Outlook(msgspec.Struct, frozen=True):
    """One objective as it stands."""

    objective: str
    met: bool | None  # so far; None: too little to say
    lost: bool  # it can no longer be met
    why: str  # what it stands at

    @property
    def state(self) -> str:
        """In words."""
        if self.lost:
            return "can no longer be met"
        return {None: "too few so far", True: "met so far", False: "missed so far"}[self.met]


class _Watch(Protocol):
    """Follows one objective, record by record."""

    def add(self, record: Turn | Session, at: float) -> None: ...

    def look(self) -> Outlook: ...


class Outlooks:
    """All objectives of a run, told of each record as it comes."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._watches = [_watch(objective) for objective in objectives]

    def on_record(self, record: Turn | Session, at: float) -> None:
        """A turn or a session has ended; ``at``: when it began, in seconds."""
        for watch in self._watches:
            watch.add(record, at)

    def look(self) -> list[Outlook]:
        """How each stands."""
        return [watch.look() for watch in self._watches]


def _watch(objective: Objective) -> _Watch:
    if share_of(objective) is not None:
        return _ShareWatch(objective)
    if objective.metric in ("turns", "sessions"):
        return _CountWatch(objective)
    if objective.metric == "audio_gaps":
        return _GapWatch(objective)
    return _LatencyWatch(objective)


class _ShareWatch:
    """A percentile, or a share of turns or sessions."""

    def __init__(self, objective: Objective) -> None:
        share = share_of(objective)
        assert share is not None
        self._share, self._test = share, ShareTest(share.limit, error=ERROR, strict=True)

    def add(self, record: Turn | Session, at: float) -> None:
        call = crc32(f"{record.worker}/{record.caller}/{record.call}".encode()) % GROUPS
        for bad in self._share.judge(record):
            self._test.add(bad, call, int(at / SPAN))

    def look(self) -> Outlook:
        objective, test, limit = self._share.objective, self._test, self._share.limit
        p = objective.percentile
        thin = not test.count or (p is not None and percentile_too_thin(p, test.count))
        share = test.share or 0.0
        return Outlook(
            objective=objective.text,
            met=None if thin else share < limit,
            lost=not thin and test.holds is False,
            why=f"{share:.1%} of {test.count} fall short of it, {limit:.3g} of all may"
            if limit < 0.001
            else f"{share:.1%} of {test.count} fall short of it, {limit:.1%} may",
        )


class _Plain:
    """An objective about one value that is made of all records."""

    final = True  # a value that is over its bound stays there

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self.value: float | None = None

    def look(self) -> Outlook:
        objective, value = self._objective, self.value
        met = None if value is None else bool(COMPARE[objective.compare](value, objective.bound))
        lost = self.final and met is False and objective.compare.startswith("<")
        return Outlook(objective.text, met, lost, "" if value is None else f"now {value:.3g}")


class _CountWatch(_Plain):
    """A number of turns or sessions, or a share of none or all of them."""

    def __init__(self, objective: Objective) -> None:
        super().__init__(objective)
        self.final = not objective.share or objective.bound == 0  # else a share may fall again
        self._count = self._all = 0

    def add(self, record: Turn | Session, at: float) -> None:
        if not concerns(self._objective, record):
            return
        self._all += 1
        self._count += is_counted(record, self._objective.statistic)
        self.value = self._count / (self._all if self._objective.share else 1)


class _GapWatch(_Plain):
    """Gaps per minute heard."""

    final = False

    def __init__(self, objective: Objective) -> None:
        super().__init__(objective)
        self._gaps, self._heard = 0, 0.0

    def add(self, record: Turn | Session, at: float) -> None:
        if not isinstance(record, Turn) or not concerns(self._objective, record):
            return
        self._gaps += len(record.gaps)
        self._heard += record.audio_heard_s
        self.value = self._gaps / (self._heard / 60) if self._heard else None


class _LatencyWatch(_Plain):
    """The mean of the answered, or the largest value."""

    def __init__(self, objective: Objective) -> None:
        super().__init__(objective)
        self.final = objective.statistic == "max"
        self._metric = next((m for m in TURN_METRICS if m.name == objective.metric), None)
        self._sum, self._count = 0.0, 0

    def add(self, record: Turn | Session, at: float) -> None:
        if not isinstance(record, Turn) or not concerns(self._objective, record):
            return
        for value in self._values(record):
            self._sum += value
            self._count += 1
            largest = max(value, self.value or 0.0)
            self.value = largest if self.final else self._sum / self._count

    def _values(self, turn: Turn) -> Sequence[float]:
        if self._metric is None:
            return turn.gaps
        if self._metric.unanswered(turn):  # it waited that long at least
            return [self._metric.limit_of(turn)] if self.final else []
        value = turn.metrics.get(self._metric.name)
        return [] if value is None or turn.censored else [value]
