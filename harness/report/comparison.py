"""Two runs compared, in words: what differs, what nobody can tell, and what makes it doubtful."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from harness.durations import parse_duration
from harness.report import words
from harness.report.differences import Difference, differences, side_of
from harness.report.load import Run
from harness.report.summary import summarise
from harness.report.units import load_varies, units_of
from harness.verdict import Level, unproven

__all__ = ["Comparison", "Statement", "Tolerance", "compare_runs"]

UNCOMPARED = {
    *("run_dir", "metrics_port", "slo", "header", "session", "record"),
    *("max_cost", "prices", "free"),
}
COUNTED = ("turns", "sessions", "audio_gaps")  # all else are latencies
LOAD_APART = 0.1  # of the larger number of open sessions
HOPELESS = 100  # times the turns there are: nobody runs that many
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
TYPICAL = ("p50", "mean")  # what a metric's precision is told by


class Tolerance(msgspec.Struct, frozen=True):
    """How much worse the candidate may be: a share of the base, or seconds of a latency."""

    text: str
    share: float = 0.0
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Tolerance":
        """
        ``5%`` or ``30ms``.

        Raises:
            ValueError: If it is neither.

        """
        text = text.strip()
        try:
            if match := _SHARE.fullmatch(text):
                return cls(text, share=float(match[1]) / 100)
            return cls(text, seconds=parse_duration(text))
        except ValueError:
            raise ValueError(f"{text!r} is no tolerance: write it like 5% or 30ms") from None

    def of(self, difference: Difference) -> float:
        """In the unit of ``difference``."""
        latency = difference.metric not in COUNTED
        return self.share * difference.base + (self.seconds if latency else 0.0)


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said of one metric."""

    metric: str
    finding: str  # slower, faster, more, fewer, mixed, or no difference
    text: str
    regressed: bool  # proven worse, and by more than the tolerance
    differences: tuple[Difference, ...]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """
    Two runs side by side.

    Attributes:
        base: Its summary.
        candidate: Its summary.
        tolerance: As it was given.
        units: What was resampled: calls, or blocks of time.
        warnings: Why the difference may not be the endpoint's.
        obstacles: Why they can't be compared at all; whatever is stated proves nothing then.
        statements: By metric.

    """

    base: dict[str, Any]
    candidate: dict[str, Any]
    tolerance: str
    units: str
    warnings: tuple[str, ...]
    obstacles: tuple[str, ...]
    statements: tuple[Statement, ...]

    @property
    def regressions(self) -> list[Statement]:
        """Metrics that got worse, beyond doubt and beyond the tolerance."""
        return [statement for statement in self.statements if statement.regressed]

    @property
    def exit_code(self) -> int:
        """2 if they can't be compared, 1 if the candidate regressed, else 0."""
        return 2 if self.obstacles else int(bool(self.regressions))


def compare_runs(base: Run, candidate: Run, tolerance: Tolerance) -> Comparison:
    """Compare two runs, as loaded."""
    summaries = [summarise(run, ()) for run in (base, candidate)]
    blocks = load_varies(base) or load_varies(candidate)
    units = [units_of(run, blocks=blocks) for run in (base, candidate)]
    found = differences(
        *(side_of(run, of) for run, of in zip((base, candidate), units, strict=True))
    )
    obstacles = [
        f"{name}: {reason}"
        for name, summary in zip(("base", "candidate"), summaries, strict=True)
        if (reason := unproven(summary))
    ]
    if not any(d.metric not in COUNTED for d in found):
        fewest = min(of.number for of in units)
        obstacles.append(
            f"no metric has enough turns and calls in both runs; the smaller has {fewest} "
            f"{units[0].what}s"
        )
    return Comparison(
        base=summaries[0],
        candidate=summaries[1],
        tolerance=tolerance.text,
        units=units[0].what,
        warnings=tuple(_warnings(base, candidate, summaries)),
        obstacles=tuple(obstacles),
        statements=tuple(
            _state(metric, tuple(group), tolerance)
            for metric, group in groupby(found, key=lambda d: d.metric)
        ),
    )


def _warnings(base: Run, candidate: Run, summaries: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    first, second = (summary["max_concurrency"] for summary in summaries)
    if abs(first - second) > LOAD_APART * max(first, second):
        found.append(f"concurrency differs: at most {first} and {second} sessions at once")
    for name, summary in zip(("base", "candidate"), summaries, strict=True):
        if summary["verdict"] == Level.SUSPECT:
            found.append(f"{name} is SUSPECT: {'; '.join(summary['reasons'])}")
        found += [f"{name}: {text}" for text in words.damage(summary)]
        if lost := len(summary["lost_workers"]):
            found.append(f"{name} lost {lost} of its workers")
    if summaries[0]["verdict"] != summaries[1]["verdict"]:
        verdicts = " and ".join(str(summary["verdict"]) for summary in summaries)
        found.append(f"verdicts differ: {verdicts}")
    for what in ("options", "versions", "locustfile"):
        found += _unlike(what, base.meta.get(what), candidate.meta.get(what))
    return found


def _unlike(what: str, first: Any, second: Any) -> list[str]:
    if not isinstance(first, Mapping) or not isinstance(second, Mapping):
        return [] if first == second else [f"{what} differs: {first} and {second}"]
    names = [name for name in {**first, **second} if name not in UNCOMPARED]
    if what == "versions":
        names = [name for name in names if name == "realtime-harness"]
    return [
        f"{name} differs: {_shown(first.get(name))} and {_shown(second.get(name))}"
        for name in names
        if first.get(name) != second.get(name)
    ]


def _shown(value: Any) -> str:
    text = "none" if value in (None, "") else str(value)
    return text if len(text) <= 60 else text[:60] + " …"


def _state(metric: str, found: tuple[Difference, ...], tolerance: Tolerance) -> Statement:
    worse = [d for d in found if d.low > 0]
    better = [d for d in found if d.high < 0]
    up, down = ("more", "fewer") if metric in COUNTED else ("slower", "faster")
    parts = [_changes(up, worse), _changes(down, better)]
    finding = "mixed" if worse and better else up if worse else down if better else "no difference"
    return Statement(
        metric=metric,
        finding=finding,
        text="; ".join(filter(None, parts)) or _unseen(found, tolerance),
        regressed=any(d.difference > tolerance.of(d) for d in worse),
        differences=found,
    )


def _changes(direction: str, proven: Sequence[Difference]) -> str:
    """``slower: p50 by +48 ms (+31 ms to +65 ms), p95 …``."""
    changes = [
        f"{d.statistic} {words.difference(d.metric, d.difference)} "
        f"({words.between(d.metric, d.low, d.high)})"
        for d in proven
    ]
    return f"{direction}: {', '.join(changes)}" if changes else ""


def _unseen(found: tuple[Difference, ...], tolerance: Tolerance) -> str:
    """That no difference shows, and how many turns would show one."""
    typical = next((d for name in TYPICAL for d in found if d.statistic == name), found[0])
    latency = typical.metric not in COUNTED
    what = "sessions" if typical.metric == "sessions" else "turns"
    each = f"{words.count(round(typical.turns))} {what} each"
    worth = tolerance.of(typical) if latency else 0.0
    size = f"{tolerance.text} of {typical.statistic}" if worth else "a difference like this one"
    needed = typical.turns_to_show(worth or abs(typical.difference))
    if needed is not None and needed <= typical.turns:
        return f"no difference; {each} would have shown {size}"
    text = f"no difference that {each} could show"
    if needed is None or needed > HOPELESS * typical.turns:
        return text
    return f"{text}; about {words.rounded(needed)} would show {size}"
