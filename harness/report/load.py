"""A run directory read into frames, as far as it goes: files may be missing, lines damaged."""

import sys
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.errors import CommandError
from harness.records import Health, Instant, Quantity
from harness.report.clock import Clocks
from harness.report.columns import Seconds, Table
from harness.report.lines import Lines
from harness.report.rows import TurnRow, tool_columns, turn_columns
from harness.report.run_json import read_description
from harness.report.sessions import SessionRow, session_frame

__all__ = ["EXACT_BYTES", "FILES", "Run", "load_run", "size_of"]

FILES = ("turns.jsonl", "sessions.jsonl", "health.jsonl")

EXACT_BYTES = 4_000_000_000
"""Of ``turns.jsonl``, two million turns: of more, seconds are kept in single precision."""


class _HealthRow(Health, kw_only=True):
    """A line of health; whatever is without these two is none."""

    at: Instant
    interval_s: Quantity


@dataclass(frozen=True, kw_only=True)
class Run:
    """
    What a run left behind. ``t`` columns are seconds since ``start_ns``, on one axis for all.

    Attributes:
        meta: ``run.json``, as far as it can be understood; empty if there is none.
        turns: As ``rows.turn_columns``, with ``t`` in place of ``at``.
        offsets: Where each turn's line begins in ``turns.jsonl``, in bytes.
        gaps: Every silence inside an answer, in seconds, in the order of the turns.
        tools: As ``rows.tool_columns``.
        sessions: As ``sessions.session_frame``, with ``t`` and ``t_end`` (NaN: its end is not
            recorded) in place of instants.
        health: Lines of the workers' health; ``health_t`` holds their ``t``.
        damage: What is missing, and what of ``run.json`` can't be understood, a sentence each.
        damaged: Lines passed over, by file.
        cut: Whether the last line of turns is one of them, left half-written.
        unanchored: Workers whose clock could not be placed.
        rounded: Whether seconds of turns are in single precision, since there are so many.

    """

    path: Path
    meta: dict[str, Any]
    start_ns: int
    turns: pd.DataFrame
    offsets: np.ndarray
    gaps: np.ndarray
    tools: pd.DataFrame
    sessions: pd.DataFrame
    health: list[Health] = field(repr=False)
    health_t: np.ndarray
    damage: list[str]
    damaged: dict[str, int]
    cut: bool
    unanchored: list[str]
    rounded: bool = False

    @property
    def duration_s(self) -> float:
        """From the first instant recorded to the last."""
        ends = (
            self.turns["t"].max(),
            self.sessions["t"].max(),
            self.sessions["t_end"].max(),
            self.health_t.max(initial=0.0),
        )
        return float(np.nanmax([0.0, *ends]))

    @cached_property
    def last_heard(self) -> dict[str, float]:
        """The last instant that each worker recorded, seconds."""
        places = ((self.turns, "t"), (self.sessions, "t"), (self.sessions, "t_end"))
        seen = [
            item
            for frame, column in places
            for item in frame.groupby("worker", observed=True)[column].max().dropna().items()
        ]
        last: dict[str, float] = {}
        for worker, t in (*seen, *zip((h.worker for h in self.health), self.health_t, strict=True)):
            last[str(worker)] = max(float(t), last.get(str(worker), 0.0))
        return last

    @property
    def workers(self) -> list[str]:
        """Every worker that left a record."""
        names = {*self.turns["worker"].unique(), *self.sessions["worker"].unique()}
        return sorted(names | {line.worker for line in self.health})

    def only(self, turns: np.ndarray, sessions: np.ndarray) -> "Run":
        """The same with some turns and sessions alone, by a mask of each; all else stays whole."""
        return replace(
            self,
            turns=self.turns[turns].reset_index(drop=True),
            offsets=self.offsets[turns],
            gaps=self.gaps[np.repeat(turns, self.turns["gaps"])],
            sessions=self.sessions[sessions].reset_index(drop=True),
        )


def size_of(path: Path) -> int:
    """Bytes of records in a run directory."""
    return sum(_bytes_of(path / name) for name in FILES)


def _bytes_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def load_run(path: Path, progress: Callable[[int], None] = lambda _: None) -> Run:
    """
    Read the run directory ``path``.

    Args:
        path: As a run leaves it, complete or not.
        progress: Told the bytes read since it was last told.

    Raises:
        CommandError: If there is no such directory, or no records in it.

    """
    if not path.is_dir():
        raise CommandError(f"there is no run directory {path}: a load test makes one in runs/")
    if not any((path / name).is_file() for name in ("run.json", *FILES)):
        raise CommandError(f"{path} is no run directory: it holds neither run.json nor records")
    meta, damage = read_description(path / "run.json")
    turn_lines = Lines(path / FILES[0], TurnRow, progress)
    session_lines = Lines(path / FILES[1], SessionRow, progress)
    health_lines = Lines(path / FILES[2], _HealthRow, progress)
    rounded = _bytes_of(turn_lines.path) > EXACT_BYTES
    seconds: Seconds = np.float32 if rounded else np.float64
    # A run may still be at it. A session is recorded after its turns: read after them, it would
    # count some that were recorded meanwhile, and they would be held for lost.
    sessions = session_frame(session_lines.chunks(), seconds)
    turns, gaps, tools = _read_turns(turn_lines, seconds)
    health: list[Health] = [_packed(row) for rows in health_lines.chunks() for row in rows]

    clocks = Clocks(meta.get("anchors") or {})
    unanchored = clocks.assume(_first_instants(turns, sessions, health))
    health_ns = np.array([h.at + clocks.offsets[h.worker] for h in health], dtype=np.int64)
    start = _place(turns, sessions, health_ns, clocks)
    damaged = {
        lines.path.name: lines.damaged for lines in (turn_lines, session_lines, health_lines)
    }
    return Run(
        path=path,
        meta=meta,
        start_ns=start,
        turns=turns,
        offsets=np.asarray(turn_lines.offsets, dtype=np.int64),
        gaps=gaps,
        tools=tools,
        sessions=sessions,
        health=health,
        health_t=(health_ns - start) / 1e9,
        damage=damage + [f"{name} is missing" for name in FILES if not (path / name).exists()],
        damaged={"run.json": len(damage), **damaged},
        cut=turn_lines.cut,
        unanchored=unanchored,
        rounded=rounded,
    )


def _read_turns(
    lines: Lines[TurnRow], seconds: Seconds
) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    turns, tools, gaps = Table(turn_columns([], seconds)), Table(tool_columns([])), array("d")
    for rows in lines.chunks():
        turns.extend(turn_columns(rows, seconds))
        tools.extend(tool_columns(rows))
        gaps.extend(gap for row in rows for gap in row.gaps)
    return turns.frame(), np.asarray(gaps), tools.frame()


def _packed(line: Health) -> Health:
    """The same in half the room: a long run has hundreds of thousands of such lines."""
    line.run, line.worker = sys.intern(line.run), sys.intern(line.worker)
    for lags in (line.frame_lateness, line.hub_lag, line.read_lag):
        lags.buckets = array("q", lags.buckets)
    return line


def _first_instants(
    turns: pd.DataFrame, sessions: pd.DataFrame, health: Sequence[Health]
) -> dict[str, int]:
    """The first instant of each worker, ns of its own clock."""
    firsts: dict[str, int] = {}
    seen = [
        *turns.groupby("worker", observed=True)["at"].min().items(),
        *sessions.groupby("worker", observed=True)["started_at"].min().items(),
        *((line.worker, line.at) for line in health),
    ]
    for worker, at in seen:
        firsts[str(worker)] = min(int(at), firsts.get(str(worker), int(at)))
    return firsts


def _place(
    turns: pd.DataFrame, sessions: pd.DataFrame, health_ns: np.ndarray, clocks: Clocks
) -> int:
    """Give turns and sessions their ``t``; return the run's first instant, ns of the epoch."""
    turn_ns = clocks.place(turns["worker"], turns["at"])
    from_ns = clocks.place(sessions["worker"], sessions["started_at"])
    to_ns = clocks.place(sessions["worker"], sessions["at"])
    everything = [int(ns.min()) for ns in (turn_ns, from_ns, health_ns) if len(ns)]
    start = min(everything, default=0)
    del turns["at"]
    turns["t"] = (turn_ns - start) / 1e9
    sessions["t"] = (from_ns - start) / 1e9
    sessions["t_end"] = ((to_ns - start) / 1e9).where(sessions["ended"])
    del sessions["at"], sessions["started_at"]
    return start
