"""What is known of the generator itself: facts for the verdict, and its health by worker."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.percentiles import percentile_too_thin
from harness.records import Health, LagHistogram
from harness.report.load import Run
from harness.report.units import CALL, PART_TURNS
from harness.verdict import Facts, Level, reach_verdict

__all__ = ["SLICE_S", "run_facts", "slice_verdicts", "worker_health"]

SLICE_S = 10.0
WHOLE_S = 0.5  # a line of less time, as the last one is, says little of the processor


def run_facts(run: Run) -> Facts:
    """The facts of the whole run."""
    facts = _facts(len(run.turns), int(run.turns["suspect"].sum()), run.health)
    if not facts.audio_due_s:
        facts.audio_due_s = float(run.sessions["audio_due_s"].sum())
        facts.audio_sent_s = float(run.sessions["audio_sent_s"].sum())
    facts.lost_turns = _lost_turns(run)
    facts.damaged_turns = run.damaged["turns.jsonl"] - run.cut
    facts.over_target_s = max(_over_target_s(run), _seen_over_target_s(run))
    facts.unanchored_workers = len(run.unanchored)
    facts.uncompared_workers = len(_uncompared(run))
    watched = {line.worker for line in run.health}
    facts.unwatched_workers = len(set(map(str, run.turns["worker"].unique())) - watched)
    return facts


def _facts(turns: int, suspect: int, health: Sequence[Health]) -> Facts:
    return Facts(
        turns=turns,
        suspect_turns=suspect,
        frame_lateness=_merged(line.frame_lateness for line in health),
        read_lag=_merged(line.read_lag for line in health),
        audio_due_s=sum(line.audio_due_s for line in health),
        audio_sent_s=sum(line.audio_sent_s for line in health),
    )


def _merged(histograms: Iterable[LagHistogram]) -> LagHistogram:
    total = LagHistogram()
    for histogram in histograms:
        if histogram.count:
            total.merge(histogram)
    return total


def _lost_turns(run: Run) -> int:
    """Turns that sessions ended with, but that stand in no line; damaged lines were not lost."""
    counted = run.sessions["ended"] & ~run.sessions["worker"].isin(_lost_workers(run))
    said = _by_call(run.sessions.loc[counted, [*CALL, "turns"]])["turns"].sum()
    calls = run.turns[CALL]
    starts = range(0, max(1, len(calls)), PART_TURNS)
    parts = [_by_call(calls.iloc[start : start + PART_TURNS]).size() for start in starts]
    recorded = pd.concat(parts).groupby(level=CALL).sum()
    missing = said.sub(recorded.reindex(said.index, fill_value=0)).clip(lower=0).sum()
    return max(0, int(missing) - run.damaged["turns.jsonl"])


def _by_call(records: pd.DataFrame) -> Any:
    return records.astype({"worker": object}).groupby(CALL)


def _lost_workers(run: Run) -> list[str]:
    return run.meta.get("lost_workers") or []


def _over_target_s(run: Run) -> float:
    """Seconds in which the workers together had more users than the run's largest target."""
    target = run.meta.get("users_max")
    if target is None or not run.health:
        return 0.0
    lines = pd.DataFrame(
        {
            "second": np.floor(run.health_t),
            "worker": [line.worker for line in run.health],
            "users": [line.users for line in run.health],
        }
    )
    users = lines.groupby(["second", "worker"])["users"].min().groupby("second").sum()
    return float((users > target).sum())


def _seen_over_target_s(run: Run) -> float:
    """Seconds of the longest time over the target of that time, as seen while it ran."""
    return run.meta.get("over_target_s") or 0.0


def slice_verdicts(run: Run) -> list[dict[str, Any]]:
    """The slices of ten seconds that are not VALID by their own facts, in order."""
    # A line is written at the end of its second, and belongs to where most of that lies.
    middle = run.health_t - np.array([line.interval_s for line in run.health]) / 2
    lines = np.floor(np.maximum(middle, 0) / SLICE_S).astype(int)
    by_slice: dict[int, list[Health]] = {}
    for number, line in zip(lines.tolist(), run.health, strict=True):
        by_slice.setdefault(number, []).append(line)
    turns = _suspects(run.turns["suspect"], (run.turns["t"] // SLICE_S).astype(int))
    found = []
    for number in sorted({*by_slice, *turns}):
        facts = _facts(*turns.get(number, (0, 0)), by_slice.get(number, []))
        verdict = reach_verdict(facts)
        if verdict.level is not Level.VALID:
            found.append(
                {
                    "from_s": number * SLICE_S,
                    "verdict": verdict.level.value,
                    "reasons": list(verdict.reasons),
                }
            )
    return found


def worker_health(run: Run) -> list[dict[str, Any]]:
    """A row a worker: its verdict by its own facts, its lags, processor, memory and load."""
    turns = _suspects(run.turns["suspect"], run.turns["worker"])
    lines: dict[str, list[Health]] = {}
    for line in run.health:
        lines.setdefault(line.worker, []).append(line)
    return [
        _worker_row(run, worker, lines.get(worker, []), *turns.get(worker, (0, 0)))
        for worker in run.workers
    ]


def _suspects(suspect: "pd.Series[bool]", by: "pd.Series[Any]") -> dict[Any, tuple[int, int]]:
    """How many turns there are in each group, and how many of them are suspect."""
    counts = suspect.groupby(by, observed=True).agg(["size", "sum"])
    return {group: (int(n), int(late)) for group, n, late in counts.itertuples()}


def _worker_row(
    run: Run, worker: str, lines: Sequence[Health], turns: int, suspect: int
) -> dict[str, Any]:
    facts = _facts(turns, suspect, lines)
    facts.unanchored_workers = int(worker in run.unanchored)
    facts.uncompared_workers = int(worker in _uncompared(run))
    verdict = reach_verdict(facts)
    hub_lag = _merged(line.hub_lag for line in lines)
    offset, bound = _clock(run, worker)
    return {
        "worker": worker,
        "verdict": verdict.level.value,
        "reasons": list(verdict.reasons),
        "lost": worker in _lost_workers(run),
        "clock_offset_s": offset,
        "clock_bound_s": bound,
        "turns": facts.turns,
        "suspect": facts.suspect_turns,
        "frame_lateness_p99": _p99(facts.frame_lateness),
        "hub_lag_p99": _p99(hub_lag),
        "read_lag_p99": _p99(facts.read_lag),
        "stalls": sum(line.stalls for line in lines),
        "longest_stall_s": max((line.longest_stall_s for line in lines), default=0.0),
        "culprit": _culprit(lines),
        "starved_s": sum(line.starved_s for line in lines),
        "gc_s": sum(line.gc_s for line in lines),
        "cpu_mean": _mean_cpu(lines),
        "cpu_max": max((line.cpu for line in lines if line.interval_s >= WHOLE_S), default=None),
        "rss_max_bytes": max((line.rss_bytes for line in lines), default=None),
        "queued_max_bytes": max((line.queued_bytes for line in lines), default=None),
        "descriptors_max": max((line.descriptors for line in lines), default=None),
        "sessions_max": max((line.sessions for line in lines), default=None),
        "internal_errors": sum(line.internal_errors for line in lines),
    }


def _mean_cpu(lines: Sequence[Health]) -> float | None:
    """The share of a core over the time of all lines together."""
    whole = sum(line.interval_s for line in lines)
    return sum(line.cpu * line.interval_s for line in lines) / whole if whole > 0 else None


def _p99(lags: LagHistogram) -> float | None:
    """Seconds; ``None`` where there are too few to tell."""
    return None if percentile_too_thin(0.99, lags.count) else lags.quantile(0.99)


def _clock(run: Run, worker: str) -> tuple[float | None, float | None]:
    """By how much its wall clock was ahead of the master's, and how far that may be wrong."""
    anchors = run.meta.get("anchors") or {}
    anchor = anchors.get(worker) or {}
    offset, bound = anchor.get("offset_ns"), anchor.get("bound_ns")
    return (None, None) if offset is None or bound is None else (offset / 1e9, bound / 1e9)


def _uncompared(run: Run) -> set[str]:
    """Workers of whose clocks nothing is known but that they are not the master's own."""
    here = (run.meta.get("machine") or {}).get("host", "")
    elsewhere = {row["worker"] for row in run.meta.get("workers") or [] if row["host"] != here}
    placed = elsewhere.intersection(run.workers).difference(run.unanchored)
    return {worker for worker in placed if _clock(run, worker) == (None, None)}


def _culprit(lines: Sequence[Health]) -> str:
    """Who blocked a worker's event loop for longest; empty if nobody did for 100 ms."""
    named = [line for line in lines if line.culprit]
    return max(named, key=lambda line: line.longest_stall_s).culprit if named else ""
