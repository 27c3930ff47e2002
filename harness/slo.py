"""
Objectives, as people write them (``GRAMMAR``): parsed, and judged by a run's summary.

Blanks may stand around any of these. A percentile lies above 0 and under 100; a duration without
unit is in seconds; an amount with ``%`` is a share of all turns or sessions, without it a count.
``failed`` is every outcome but completed, cancelled, cut and ended. A filter narrows an objective
to some turns or sessions: ``scenario``, ``model`` and, of turns, ``kind`` are of the record, any
other label is a tag, empty where there is none. A word is of letters, digits and ``_-./:``; a text
may hold anything but ``"``.
"""

import operator
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from harness.durations import parse_duration
from harness.metrics import LISTENING_METRICS, TURN_METRICS
from harness.records import Outcome, SessionOutcome
from harness.verdict import failures

__all__ = ["GRAMMAR", "LATENCIES", "Filter", "Judgement", "Objective", "judge", "parse_slo"]

GRAMMAR = """\
objectives ::= objective | objective ";" objectives
objective  ::= latency where ":" statistic compare duration
             | "turns" where ":" turns compare amount
             | "sessions" where ":" sessions compare amount
             | "audio_gaps" where ":per_minute" compare number
where      ::= "" | "{" filters "}"
filters    ::= filter | filter "," filters
filter     ::= label equals value
label      ::= "scenario" | "model" | word
equals     ::= "=" | "!="
value      ::= word | '"' text '"'
latency    ::= "ttfa" | "ttfa_audible" | "ttfa_commit" | "ttfa_detected" | "ttfa_request"
             | "ttft" | "time_to_answer" | "tool_call" | "tool_turnaround"
             | "interrupt_stop" | "audio_gap"
statistic  ::= "p" percent | "mean" | "max"
turns      ::= "failed" | "unanswered" | "suspect" | "completed" | "cancelled" | "incomplete"
             | "timeout" | "rate_limited" | "disconnected" | "protocol_error" | "abandoned"
             | "cut" | "internal"
sessions   ::= "failed" | "ended" | "refused" | "timeout" | "disconnected"
             | "protocol_error" | "internal"
compare    ::= "<" | "<=" | ">" | ">="
duration   ::= number | number "ms" | number "s" | number "m" | number "min" | number "h"
amount     ::= number "%" | digits
percent    ::= digits | digits "." digits
number     ::= digits | digits "." digits | "." digits
"""
"""What can be asked, as BNF; digits, word and text are as their names say."""

LATENCIES = tuple(metric.name for metric in (*TURN_METRICS, *LISTENING_METRICS))
COUNTED = {
    # An outcome "failed" is one of several failures; an objective means all of them.
    "turns": ("failed", "unanswered", "suspect", *(o for o in Outcome if o != Outcome.FAILED)),
    "sessions": ("failed", *SessionOutcome),
}
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
EXAMPLE = "write it like ttfa:p95<0.8s or turns:failed<1%"

_VALUE = r'(?:[\w./:-]+|"[^"]*")'
_FILTER = re.compile(rf"\s*([\w.-]+)\s*(!?=)\s*({_VALUE})\s*")
_BETWEEN = re.compile(r';(?=(?:[^"]*"[^"]*")*[^"]*$)')  # no semicolon inside a text
_OBJECTIVE = re.compile(
    r"(?P<metric>\w+)\s*"
    rf"(?:\{{(?P<where>{_FILTER.pattern}(?:,{_FILTER.pattern})*)\}})?\s*"
    r":\s*(?P<statistic>[\w.]+)\s*(?P<compare>[<>]=?)\s*(?P<bound>[^<>=]+)"
)
_PERCENTILE = re.compile(r"p(\d+(?:\.\d+)?)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_SHARE = re.compile(rf"({_NUMBER.pattern})\s*%")


class Filter(msgspec.Struct, frozen=True):
    """Which turns or sessions an objective is about: those whose label has, or lacks, a value."""

    label: str  # scenario, model, kind, or the name of a tag
    value: str
    equal: bool = True


class Objective(msgspec.Struct, frozen=True):
    """What a run is asked to reach."""

    text: str  # as it was written
    metric: str  # ttfa, turns, …
    statistic: str  # p95, mean, max, failed, per_minute, …
    compare: str  # <, <=, > or >=
    bound: float  # seconds, a share, a count, or a number per minute
    share: bool = False  # of all turns or sessions
    where: tuple[Filter, ...] = ()  # all must hold

    @property
    def percentile(self) -> float | None:
        """The percentile it asks for, as a share; ``None`` if it asks for something else."""
        match = _PERCENTILE.fullmatch(self.statistic)
        return float(match[1]) / 100 if match else None


class Judgement(msgspec.Struct, frozen=True):
    """How a run stands to an objective."""

    objective: str
    value: float | dict[str, Any] | None  # as in the summary: a percentile may be an object
    met: bool | None  # None: undecidable, for lack of turns or because it was not measured


def parse_slo(text: str) -> tuple[Objective, ...]:
    """
    The objectives of ``text``, ``;`` between several; none if it is empty.

    Raises:
        ValueError: If one can't be understood; the message is one line that says what is wrong.

    """
    return tuple(_parse(part.strip()) for part in _BETWEEN.split(text) if part.strip())


def _parse(text: str) -> Objective:
    match = _OBJECTIVE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no objective: {EXAMPLE}")
    metric, statistic, compare = match["metric"], match["statistic"], match["compare"]
    bound = match["bound"].strip()
    try:
        share, value = _bound(metric, statistic, bound)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; {EXAMPLE}") from None
    where = tuple(
        Filter(label, filtered.strip('"'), equals == "=")
        for label, equals, filtered in _FILTER.findall(match["where"] or "")
    )
    if metric == "sessions" and any(each.label == "kind" for each in where):
        raise ValueError(f"{text!r}: sessions have no kind; {EXAMPLE}")
    return Objective(text, metric, statistic, compare, value, share, where)


def _bound(metric: str, statistic: str, bound: str) -> tuple[bool, float]:
    """Whether it is a share, and its value, where ``metric`` has such a ``statistic``."""
    if metric in LATENCIES:
        _check_latency(metric, statistic)
        return False, parse_duration(bound)
    if metric in COUNTED:
        if statistic not in COUNTED[metric]:
            raise ValueError(f"of {metric} one can ask {', '.join(COUNTED[metric])}")
        return _amount(bound)
    if metric != "audio_gaps":
        known = ", ".join((*LATENCIES, *COUNTED, "audio_gaps"))
        raise ValueError(f"no metric is called {metric}, there are {known}")
    if statistic != "per_minute":
        raise ValueError("of audio_gaps one can ask per_minute")
    if not _NUMBER.fullmatch(bound):
        raise ValueError(f"{bound!r} is no number like 0.5")
    return False, float(bound)


def _check_latency(metric: str, statistic: str) -> None:
    match = _PERCENTILE.fullmatch(statistic)
    if match is None and statistic not in ("mean", "max"):
        raise ValueError(f"of {metric} one can ask a percentile like p95, mean or max")
    if match is not None and not 0 < float(match[1]) < 100:
        raise ValueError(f"{statistic} does not lie between p0 and p100")


def _amount(bound: str) -> tuple[bool, float]:
    if match := _SHARE.fullmatch(bound):
        return True, float(match[1]) / 100
    if not bound.isdecimal():
        raise ValueError(f"{bound!r} is neither a share like 1% nor a count like 5")
    return False, float(bound)


def judge(objective: Objective, summary: Mapping[str, Any]) -> Judgement:
    """
    Whether a run met ``objective``.

    A percentile that reaches the unanswered is known to lie above T and no more: it misses a bound
    up to T, and is undecidable against a higher one. One too thin to carry is undecidable.

    Args:
        objective: One of ``parse_slo``.
        summary: As in ``summary.json``, of what the objective's filters leave; a percentile that
            it doesn't hold is undecidable.

    """
    value = _value(objective, summary)
    met: bool | None = None
    if isinstance(value, Mapping):
        above = value.get("above")
        if above is not None and objective.bound <= above:
            met = objective.compare.startswith(">")
    elif value is not None:
        met = bool(COMPARE[objective.compare](value, objective.bound))
    return Judgement(objective.text, value, met)


def _value(objective: Objective, summary: Mapping[str, Any]) -> Any:
    metric, statistic = objective.metric, objective.statistic
    if metric in LATENCIES:
        return summary.get("metrics", {}).get(metric, {}).get(statistic)
    if metric == "audio_gaps":
        return summary.get("audio_gaps", {}).get("per_minute")
    total = summary.get(metric, 0)
    if metric == "sessions":
        # How one went whose end was never recorded, as of a lost worker, nobody knows.
        total = sum(summary.get("session_outcomes", {}).values())
    if not total:
        return None
    n = _count(metric, statistic, summary)
    return n / total if objective.share else n


def _count(metric: str, statistic: str, summary: Mapping[str, Any]) -> int:
    if statistic == "failed":
        return failures(summary)[0 if metric == "turns" else 1]
    if statistic in ("unanswered", "suspect"):
        return int(summary.get(statistic, 0))
    outcomes = summary.get("outcomes" if metric == "turns" else "session_outcomes", {})
    return int(outcomes.get(statistic, 0))
