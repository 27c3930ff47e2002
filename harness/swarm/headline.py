"""A run's headline figures while it lasts, of the whole swarm: rows for the tab *Voice*."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from harness.metrics import TURN_METRICS, Metric
from harness.percentiles import percentile_too_thin
from harness.records import LAG_BUCKETS, LagHistogram, Outcome, SessionOutcome
from harness.report.words import objective_value
from harness.sinks.tally import Labels, Tally
from harness.verdict import Facts, reach_verdict

__all__ = ["MISSING", "PERCENTILES", "Row", "headline", "judgement"]

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}

MISSING = "–"
NO_ANSWER = "no answer"
MET = {True: "met", False: "missed", None: "undecidable"}
FIRST_LABELS = 2  # scenario and model come before a metric's own labels

_BY_LABEL = {
    "timeouts": "limits reached while waiting for it",
    "errors": "errors of the endpoint by code",
    "tool_calls": "function calls by tool and by what became of them",
    "interrupts": "answers talked over",
}


class Row(msgspec.Struct, kw_only=True):
    """One figure, or the percentiles of one latency."""

    what: str
    value: str  # of a latency: how many turns it counts
    p50: str = ""
    p90: str = ""
    p95: str = ""
    p99: str = ""
    meaning: str = ""  # of a latency: from what to what


def headline(
    tally: Tally, *, over_target_s: float, exact: Mapping[str, Callable[[float], str]]
) -> list[Row]:
    """
    The rows, the verdict first.

    Args:
        tally: Of the whole swarm.
        over_target_s: Seconds with more users than asked for.
        exact: By latency, what gives a percentile better than a histogram can.

    """
    return [
        _verdict(tally, over_target_s),
        *_arrivals(tally),
        *_load(tally),
        *_latencies(tally, exact),
        *_outcomes(tally, "turns", Outcome.COMPLETED, "turns by outcome"),
        *_outcomes(tally, "sessions", SessionOutcome.ENDED, "sessions by outcome"),
        *(row for name, meaning in _BY_LABEL.items() for row in _counts(tally, name, meaning)),
        _cost(tally),
    ]


def judgement(summary: Mapping[str, Any]) -> list[Row]:
    """How a run that is over was judged by its report: the verdict, and its objectives."""
    reasons = "; ".join(summary["reasons"]) or "the generator kept time"
    return [
        Row(what="verdict", value=summary["verdict"], meaning=reasons),
        *(
            Row(what=judged["objective"], value=MET[judged["met"]], meaning=_reached(judged))
            for judged in summary["slo"]
        ),
    ]


def _reached(judged: Mapping[str, Any]) -> str:
    if judged["met"] is None:
        return "this run can't tell"
    return f"it reached {objective_value(judged['objective'], judged['value'])}"


def _verdict(tally: Tally, over_target_s: float) -> Row:
    turns = _total(tally, "turns")
    if not turns:
        return Row(what="verdict", value=MISSING, meaning="no turn has ended yet")
    verdict = reach_verdict(
        Facts(
            turns=int(turns),
            suspect_turns=int(_total(tally, "suspect_turns")),
            frame_lateness=_lags(tally, "frame_lateness"),
            read_lag=_lags(tally, "read_lag"),
            over_target_s=over_target_s,
        )
    )
    reasons = "; ".join(verdict.reasons) or "whether the generator kept time"
    return Row(what="verdict", value=f"{verdict.level} so far", meaning=reasons)


def _arrivals(tally: Tally) -> Iterator[Row]:
    """Of open arrivals: calls that the schedule wanted, and those that had to wait."""
    if "calls_due" not in tally.counters:
        return
    due, blocked = (int(_total(tally, name)) for name in ("calls_due", "calls_blocked"))
    waiting = int(_gauge(tally, "calls_waiting"))
    meaning = "calls for which no caller was idle when they were due; -u is the most at once"
    yield Row(
        what="calls blocked", value=f"{blocked} of {due}, {waiting} wait now", meaning=meaning
    )


def _load(tally: Tally) -> Iterator[Row]:
    users, target = (int(_gauge(tally, name)) for name in ("users", "users_target"))
    yield Row(
        what="callers",
        value=str(users) if users == target else f"{users}/{target}",
        meaning="Locust users now, and how many are asked for where that differs",
    )
    yield Row(what="open sessions", value=str(int(_gauge(tally, "sessions"))), meaning="now")


def _latencies(tally: Tally, exact: Mapping[str, Callable[[float], str]]) -> Iterator[Row]:
    for metric in TURN_METRICS:
        counts = _counted(tally, metric.name)
        if metric.name != "ttfa" and not sum(counts):
            continue
        show = exact.get(metric.name, _bucket_of(metric, counts))
        shown = {name: show(p) for name, p in PERCENTILES.items()}
        yield Row(what=metric.name, value=str(sum(counts)), meaning=metric.origin, **shown)


def _bucket_of(metric: Metric, counts: list[int]) -> Callable[[float], str]:
    """What shows a percentile as the bounds of the bucket in which it lies."""
    bounds = (0.0, *metric.buckets)

    def show(p: float) -> str:
        total = sum(counts)
        if percentile_too_thin(p, total):
            return MISSING
        rank = math.ceil(round(p * 1_000_000) * total / 1_000_000)
        for number, n in enumerate(counts[:-1]):
            rank -= n
            if rank <= 0:
                return _between(bounds[number], bounds[number + 1])
        return NO_ANSWER if metric.counts_unanswered else f"> {metric.buckets[-1]:g} s"

    return show


def _between(low: float, high: float) -> str:
    if high > 1:
        return f"{low:g}–{high:g} s"
    return f"{low * 1e3:g}–{high * 1e3:g} ms"


def _outcomes(tally: Tally, counter: str, good: str, meaning: str) -> Iterator[Row]:
    found = _by_labels(tally, counter)
    for (outcome,), n in sorted(found.items(), key=lambda pair: (pair[0] != (good,), pair[0])):
        if n or outcome == good:
            yield Row(what=f"{counter} {outcome}", value=f"{n:.0f}", meaning=meaning)


def _counts(tally: Tally, counter: str, meaning: str) -> Iterator[Row]:
    found = {labels: n for labels, n in _by_labels(tally, counter).items() if n}
    title = counter.replace("_", " ")
    if not found:
        yield Row(what=title, value="0", meaning=meaning)
    for labels, n in sorted(found.items()):
        yield Row(what=f"{title} {' '.join(labels)}", value=f"{n:.0f}", meaning=meaning)


def _cost(tally: Tally) -> Row:
    priced = tally.counters.get("cost_usd")
    limit = tally.gauges.get("budget_usd", {}).get(("limit",))
    budget = f" of {limit:g}" if limit else ""
    return Row(
        what="cost",
        value=f"{_total(tally, 'cost_usd'):.4f}{budget} USD" if priced else MISSING,
        meaning="of the usage reported, by the price table; unknown models are left out",
    )


def _total(tally: Tally, counter: str) -> float:
    return math.fsum(tally.counters.get(counter, {}).values())


def _gauge(tally: Tally, name: str) -> float:
    return math.fsum(tally.gauges.get(name, {}).values())


def _by_labels(tally: Tally, counter: str) -> dict[Labels, float]:
    """A counter by its own labels, over all scenarios and models."""
    found: defaultdict[Labels, float] = defaultdict(float)
    for labels, n in tally.counters.get(counter, {}).items():
        found[labels[FIRST_LABELS:]] += n
    return dict(found)


def _counted(tally: Tally, name: str) -> list[int]:
    """The buckets of a histogram over all its labels, not cumulative."""
    series = tally.histograms.get(name, {}).values()
    return [sum(column) for column in zip(*(one.counts for one in series), strict=True)]


def _lags(tally: Tally, name: str) -> LagHistogram:
    counts = _counted(tally, name)
    if not any(counts):
        return LagHistogram()
    return LagHistogram(count=sum(counts), max=LAG_BUCKETS[-1], buckets=counts)
