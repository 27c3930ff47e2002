"""The figures of a run, as ``summary.json`` promises them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from harness.metrics import LISTENING_METRICS, SEGMENTS, TURN_METRICS
from harness.readings import DEAD_AIR_S
from harness.records import TURN_FAILURES, Flag, SessionOutcome
from harness.report.arrivals import arrivals
from harness.report.capacity import capacity_of, searched_objectives, while_it_held
from harness.report.columns import spelled
from harness.report.concurrency import concurrency_of, open_sessions
from harness.report.conversation import (
    heard,
    interruptions,
    listening,
    rate_limits,
    scenarios,
)
from harness.report.findings import findings
from harness.report.imports import missing_tools
from harness.report.load import Run
from harness.report.narrow import narrowed
from harness.report.resample import curves, intervals
from harness.report.roll import roll_call
from harness.report.rows import SEGMENT_COLUMNS
from harness.report.run_json import read_objectives
from harness.report.scorecard import scorecard
from harness.report.sessions import STEP_COLUMNS
from harness.report.spending import cost_of, spending
from harness.report.stats import (
    PERCENTILES,
    Sample,
    figures,
    in_order,
    is_unanswered,
    sample_columns,
    take_sample,
)
from harness.report.trust import run_facts, slice_verdicts, worker_health
from harness.report.units import call_units
from harness.report.worst import worst_turns
from harness.slo import LATENCIES, Objective, judge
from harness.verdict import exit_code, reach_verdict

__all__ = ["objectives_of", "summarise"]

HEADLINE = "ttfa"
SESSION_PHASES = ("connect", "session", "close")  # of a session itself, not of a turn in it


def objectives_of(run: Run) -> tuple[Objective, ...]:
    """
    The objectives that the run was started with; of a search, those that were to hold.

    Raises:
        CommandError: If ``run.json`` holds one that can't be understood.

    """
    if (searched := searched_objectives(run)) is not None:
        return searched
    slo = (run.meta.get("options") or {}).get("slo")
    texts = [] if slo is None else slo if isinstance(slo, list) else [slo]
    return read_objectives(run.path, texts)


def summarise(run: Run, objectives: Sequence[Objective] | None = None) -> dict[str, Any]:
    """
    The summary of a run; durations in seconds, ratios as shares.

    Args:
        run: As loaded.
        objectives: What to judge it by; ``None``: what it was started with.

    """
    objectives = objectives_of(run) if objectives is None else objectives
    concurrency, cost = concurrency_of(run), cost_of(run)
    summary = {
        "schema": 1,
        **_identity(run),
        **_trust(run),
        "arrivals": arrivals(run),
        **_counts(run),
        "metrics": _metrics(run, objectives),
        "without_suspect": _without_suspect(run),
        "segments": _segments(run),
        "connect": _connect(run),
        "audio_gaps": _audio_gaps(run),
        **_troubles(run),
        "scorecard": scorecard(spelled(run.sessions["scorecard"])),
        "tools": _tools(run),
        "listening": listening(run),
        "figures": heard(run),
        "interruptions": interruptions(run),
        "rate_limits": rate_limits(run, concurrency),
        "cost_usd": cost,
        "spending": spending(run, cost),
        "budget": run.meta.get("budget"),
        "scenarios": scenarios(run),
        "findings": [*missing_tools(run), *findings(run, concurrency)],
        "worst": worst_turns(run, concurrency),
        "damaged": {name: n for name, n in run.damaged.items() if n},
        "damage": run.damage,
        "rounded": run.rounded,
    }
    summary["capacity"] = capacity_of(run)
    summary["slo"] = _judgements(run, objectives, summary)
    summary["exit_code"] = exit_code(summary)
    plain: dict[str, Any] = _plain(summary)
    return plain


def _judgements(
    run: Run, objectives: Sequence[Objective], summary: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """How the run stands to its objectives; a search, by the steps at the capacity it found."""
    held = while_it_held(run)
    if held is not None:
        run = held
        summary = _counts(run) | {"audio_gaps": _audio_gaps(run)}
        summary["metrics"] = _metrics(run, objectives)
    judged = [_judged(run, objective, summary) for objective in objectives]
    decided = {each.text for each in (searched_objectives(run) or ())} if held else set()
    # The search's own test needs fewer turns than a percentile does.
    return [
        {**each, "met": True} if each["met"] is None and each["objective"] in decided else each
        for each in judged
    ]


def _judged(run: Run, objective: Objective, summary: Mapping[str, Any]) -> dict[str, Any]:
    if objective.where:
        few = narrowed(run, objective.where)
        summary = _counts(few) | {"audio_gaps": _audio_gaps(few)}
        if objective.metric in LATENCIES:
            summary["metrics"] = _metrics(few, [objective])
    judgement = judge(objective, summary)
    return {"objective": judgement.objective, "value": judgement.value, "met": judgement.met}


def _identity(run: Run) -> dict[str, Any]:
    return {
        "run": str(run.meta.get("run") or run.path.resolve().name),
        "target": run.meta.get("target"),
        "started": _started(run),
        "duration_s": run.duration_s,
    }


def _started(run: Run) -> str | None:
    """UTC, to the second; where no clock places a record, when the run says that it began."""
    if run.start_ns > 0:
        began = datetime.fromtimestamp(run.start_ns / 1e9, UTC)
    else:
        try:
            began = datetime.fromisoformat(str(run.meta.get("started_at"))).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    return began.isoformat(timespec="seconds")


def _trust(run: Run) -> dict[str, Any]:
    verdict = reach_verdict(run_facts(run))
    return {
        "verdict": verdict.level.value,
        "reasons": list(verdict.reasons),
        "workers": worker_health(run),
        "slices": slice_verdicts(run),
        "lost_workers": run.meta.get("lost_workers") or [],
        "roll": roll_call(run),
        # A run that ended says so before its report is made; what workers kept is but a part of it.
        "master_lost": run.meta.get("state") in ("running", "kept"),
        "preflight": run.meta.get("preflight"),
        "ended_early": run.meta.get("ended_early"),
    }


def _counts(run: Run) -> dict[str, Any]:
    steps = open_sessions(run)
    return {
        "turns": len(run.turns),
        "sessions": len(run.sessions),
        "sessions_without_end": int((~run.sessions["ended"]).sum()),
        "max_concurrency": int(steps["sessions"].max()) if len(steps) else 0,
        "outcomes": _tally(run.turns["outcome"]),
        "session_outcomes": _tally(run.sessions["outcome"]),
        "unanswered": int(is_unanswered(run.turns).sum()),
        "suspect": int(run.turns[Flag.SUSPECT.value].sum()),
        "flags": {flag.value: n for flag in Flag if (n := int(run.turns[flag.value].sum()))},
        "kinds": _tally(run.turns["kind"]),
    }


def _tally(values: "pd.Series[Any]") -> dict[str, int]:
    """How often each value stands there, the most frequent first."""
    counts = values.value_counts()
    return {str(value): int(n) for value, n in counts.items() if n}


def _metrics(run: Run, objectives: Iterable[Objective]) -> dict[str, Any]:
    calls = call_units(run.turns)
    units = int(calls.max(initial=-1)) + 1
    asked = {(o.metric, o.percentile) for o in objectives if o.percentile is not None}
    told, around = {}, {}
    for name, sample in _samples(run, calls):
        percentiles = sorted({*PERCENTILES, *(p for metric, p in asked if metric == name and p)})
        told[name] = figures(sample, percentiles)
        around[name] = curves(sample, percentiles, units)
    ci = intervals(around, units)
    return {name: {**each, "ci": ci[name]} for name, each in told.items()}


def _samples(run: Run, calls: np.ndarray) -> Iterator[tuple[str, Sample]]:
    """One after the other: of a long run they don't fit beside each other."""
    for metric in TURN_METRICS:
        yield metric.name, take_sample(run.turns, metric, calls)
    gaps, units = in_order(run.gaps, np.repeat(calls, run.turns["gaps"]))
    for metric in LISTENING_METRICS:
        yield metric.name, Sample(gaps, units=units)


def _without_suspect(run: Run) -> dict[str, Any]:
    """The headline figures over the turns during which the generator was on time."""
    headline = next(m for m in TURN_METRICS if m.name == HEADLINE)
    trusted = run.turns.loc[~run.turns[Flag.SUSPECT.value], sample_columns(headline)]
    return {"turns": len(trusted), HEADLINE: figures(take_sample(trusted, headline))}


def _segments(run: Run) -> dict[str, Any]:
    found = {}
    for name in SEGMENTS:
        values = run.turns[SEGMENT_COLUMNS[name]].dropna().to_numpy()
        if len(values):
            found[name] = figures(Sample(np.sort(values)))
    return found


def _connect(run: Run) -> dict[str, Any]:
    found = {}
    for step, column in STEP_COLUMNS.items():
        values = run.sessions[column].dropna().to_numpy()
        if len(values):
            found[step] = figures(Sample(np.sort(values)))
    return found


def _audio_gaps(run: Run) -> dict[str, Any]:
    heard = float(run.turns["audio_heard_s"].sum())
    n = len(run.gaps)
    return {
        "count": n,
        "seconds": float(run.gaps.sum()),
        "longest": float(run.gaps.max(initial=0.0)),
        "dead_air": int((run.gaps > DEAD_AIR_S).sum()),
        "heard_s": heard,
        "per_minute": n / (heard / 60) if heard else None,
    }


def _troubles(run: Run) -> dict[str, Any]:
    turns, sessions = run.turns, run.sessions
    failed = turns["outcome"].isin(list(TURN_FAILURES))
    errors = Counter(_tally(turns.loc[failed, "code"]))
    # Codes and limits that struck in a turn were counted with it.
    refused = sessions[sessions["outcome"] == SessionOutcome.REFUSED.value]
    errors.update(_tally(refused["code"]))
    timeouts = Counter(_tally(turns.loc[turns["outcome"] == "timeout", "phase"]))
    late = sessions["outcome"] == SessionOutcome.TIMEOUT.value
    timeouts.update(_tally(sessions[late & sessions["phase"].isin(SESSION_PHASES)]["phase"]))
    return {
        "errors": dict((errors + _added(sessions["errors"])).most_common()),
        "timeouts": dict(timeouts.most_common()),
        "deviations": dict(_added(sessions["deviations"]).most_common()),
        "close_codes": {
            str(int(float(code))): n for code, n in _tally(sessions["close_code"]).items()
        },
    }


def _added(counts: "pd.Series[Any]") -> Counter[str]:
    total: Counter[str] = Counter()
    for each, n in spelled(counts):
        total.update({name: n * count for name, count in each.items()})
    return total


def _tools(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "name": str(name),
            "calls": len(calls),
            "invalid": int((~calls["valid"]).sum()),
            "outcomes": _tally(calls["outcome"]),
            "own_delay_mean": float(calls["took"].mean()),
            "took": figures(Sample(np.sort(calls["took"].dropna().to_numpy()))),
        }
        for name, calls in run.tools.groupby("name", observed=True)
    ]


def _plain(value: Any) -> Any:
    """As JSON has it: floats to the nanosecond, no NaN."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 9)
    return value
