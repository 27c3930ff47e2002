"""What a search for a capacity found: the number of calls, its interval, and what breaks first."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.metrics import TURN_METRICS
from harness.records import TURN_FAILURES
from harness.report import words
from harness.report.crossing import Curve, crossing_interval
from harness.report.load import Run
from harness.report.marked import marked
from harness.report.resample import FEWEST_UNITS
from harness.report.run_json import read_objectives
from harness.report.stats import figures, take_sample
from harness.report.units import call_units
from harness.share import Share, share_of
from harness.slo import Objective

__all__ = ["capacity_of", "searched_objectives", "while_it_held"]

TTFA = next(metric for metric in TURN_METRICS if metric.name == "ttfa")
STOPPED = {
    "": "the search was stopped before it was over",
    "no recovery": "the endpoint did not recover from what was too much",
    "not reached": "not all callers came, or left, when they were told",
}


def searched_objectives(run: Run) -> tuple[Objective, ...] | None:
    """
    What a search wanted to hold; ``None`` if the run was none.

    Raises:
        CommandError: If ``run.json`` holds an objective that can't be understood.

    """
    found = run.meta.get("capacity")
    return None if found is None else read_objectives(run.path, found["objectives"])


def while_it_held(run: Run) -> Run | None:
    """Turns and sessions begun during the steps at the capacity; ``None`` if none was found."""
    found = run.meta.get("capacity")
    holds = found["holds"] if found else 0
    if not holds:
        return None
    steps = [step for step in _steps(run) if step["callers"] == holds and step["holds"]]
    turns, sessions = (_during(frame["t"], steps) for frame in (run.turns, run.sessions))
    return run.only(turns, sessions)


def capacity_of(run: Run) -> dict[str, Any] | None:
    """
    The answer of a search, for ``summary.json``; ``None`` if the run was none.

    The interval is that of ``crossing.py``, and never narrower than from the largest number that
    held to the smallest that broke.
    """
    objectives = searched_objectives(run)
    if objectives is None:
        return None
    found = run.meta["capacity"]
    shares = [share for each in objectives if (share := share_of(each)) is not None]
    steps = _steps(run)
    calls, breaks = found["holds"], found["breaks"]
    low, high = _interval(run, shares, steps)
    answer = {
        "calls": calls,
        "low": low,
        "high": high,
        "breaks": breaks,
        "at_least": breaks is None,
        "ended": found["ended"],
        "objectives": [each.text for each in objectives],
        "first_to_break": _broken(run, objectives, steps),
        "steps": [_step(run, shares, step) for step in steps],
    }
    return {**answer, "text": _text(answer, objectives)}


def _steps(run: Run) -> list[dict[str, Any]]:
    """Steps that have ended, in order; ``t`` to ``t_end`` on the run's axis is what counts."""
    return [
        {
            **step,
            "t": step["since"] - run.start_ns / 1e9,
            "t_end": step["counted"] - run.start_ns / 1e9,
        }
        for step in run.meta["capacity"]["steps"]
        if None not in (step["since"], step["until"], step["counted"])
    ]


def _during(t: "pd.Series[float]", steps: Iterable[Mapping[str, Any]]) -> np.ndarray:
    """Of each instant, whether it lies in one of the steps."""
    inside = np.zeros(len(t), dtype=bool)
    for step in steps:
        inside |= t.between(step["t"], step["t_end"]).to_numpy()
    return inside


def _step(run: Run, shares: Sequence[Share], step: Mapping[str, Any]) -> dict[str, Any]:
    turns = run.turns[_during(run.turns["t"], [step])]
    ttfa = figures(take_sample(turns, TTFA))
    over = {share.objective.text: _share(run, share, step) for share in shares}
    return {
        **{name: step[name] for name in ("callers", "kind", "holds", "decided", "broke")},
        "recovery_s": step["recovery_s"],
        "from_s": step["t"],
        "seconds": step["until"] - step["since"],
        "turns": len(turns),
        "failed": int(turns["outcome"].isin(list(TURN_FAILURES)).sum()),
        "p50": ttfa["p50"],
        "p95": ttfa["p95"],
        "over": over,
    }


def _share(run: Run, share: Share, step: Mapping[str, Any]) -> float | None:
    bad, t, _ = marked(run, share)
    inside = bad[_during(t, [step])]
    return float(inside.mean()) if len(inside) else None


# The interval.


def _interval(
    run: Run, shares: Sequence[Share], steps: Sequence[Mapping[str, Any]]
) -> tuple[int, int | None]:
    """Lower and upper end at 95 %; no upper one where nothing broke."""
    found = run.meta["capacity"]
    calls, breaks = found["holds"], found["breaks"]
    units = call_units(run.turns)
    number = int(units.max(initial=-1)) + 1
    of_turns = [share for share in shares if share.objective.metric != "sessions"]
    if breaks is None or not calls or number < FEWEST_UNITS or not of_turns:
        return calls, breaks
    by_level: dict[int, list[Mapping[str, Any]]] = {}
    for step in steps:
        if step["kind"] != "recover":
            by_level.setdefault(step["callers"], []).append(step)
    levels = sorted(by_level)
    curves = []
    for share in of_turns:
        bad, t, rows = marked(run, share)
        inside = [_during(t, by_level[level]) for level in levels]
        cells = [(units[rows[here]], bad[here]) for here in inside]
        curves.append(Curve.of(share.limit, cells, number))
    low, high = crossing_interval(levels, curves, number)
    return min(calls, int(np.floor(low))), max(breaks, int(np.ceil(high)))


# In words.


def _broken(
    run: Run, objectives: Sequence[Objective], steps: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What broke, in the order of the numbers of calls at which it did, with how it failed."""
    measured = sorted(
        (step for step in steps if step["kind"] != "recover" and step["holds"] is False),
        key=lambda step: step["callers"],
    )
    first: dict[str, Mapping[str, Any]] = {}
    for step in measured:
        for text in step["broke"]:
            first.setdefault(text, step)
    by_text = {each.text: each for each in objectives}
    return [
        {"objective": text, "calls": step["callers"], "what": _what(run, by_text[text], step)}
        for text, step in first.items()
        if text in by_text
    ]


def _what(run: Run, objective: Objective, step: Mapping[str, Any]) -> str:
    """The metric or, of failures, what they mostly were: ``rate_limited``, ``http_429``."""
    if objective.metric not in ("turns", "sessions"):
        return objective.metric
    frame = run.turns if objective.metric == "turns" else run.sessions
    within = frame[_during(frame["t"], [step])]
    fine = ("completed", "cancelled", "cut", "ended")
    failed = within[within["outcome"].notna() & ~within["outcome"].isin(fine)]
    # What all share says less than what the server said of it.
    reasons = failed["code"].astype(object).fillna(failed["phase"].astype(object))
    reasons = reasons.fillna(failed["outcome"].astype(object))
    return str(reasons.value_counts().index[0]) if len(reasons) else objective.metric


def _text(answer: Mapping[str, Any], objectives: Sequence[Objective]) -> str:
    """``212 calls (95 % CI 198–221) at p95 TTFA < 0.8 s; first to break: ttfa, then 429s``."""
    asked = " and ".join(_asked(each) for each in objectives)
    broken = [each["what"] for each in answer["first_to_break"]]
    order = f"; first to break: {', then '.join(dict.fromkeys(broken))}" if broken else ""
    why = STOPPED.get(answer["ended"])
    end = f" ({why})" if why else ""
    calls = words.count(answer["calls"])
    if not answer["calls"]:
        return f"No number of calls that was tried holds {asked}{order}{end}"
    if answer["at_least"]:
        most = ", the most that were to call" if answer["ended"] == "most" else ""
        return f"At least {calls} calls{most}, at {asked}{order}{end}"
    interval = f"95 % CI {words.count(answer['low'])}–{words.count(answer['high'])}"
    return f"{calls} calls ({interval}) at {asked}{order}{end}"


def _asked(objective: Objective) -> str:
    sign = {"<=": "≤", ">=": "≥"}.get(objective.compare, objective.compare)
    if objective.percentile is None or objective.where:
        return objective.text
    return f"{objective.statistic} {words.title(objective.metric)} {sign} {objective.bound:g} s"
