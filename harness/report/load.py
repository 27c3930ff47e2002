"""A run directory read into frames, as far as it goes: files may be missing, lines damaged."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from harness.errors import CommandError
from harness.records import Health
from harness.report.clock import Clocks
from harness.report.lines import Lines
from harness.report.rows import WORDS, SessionRow, TurnRow, tag_column, tool_frame, turn_frame

__all__ = ["FILES", "Run", "load_run", "size_of"]

FILES = ("turns.jsonl", "sessions.jsonl", "health.jsonl")


@dataclass(frozen=True, kw_only=True)
class Run:
    """
    What a run left behind. ``t`` columns are seconds since ``start_ns``, on one axis for all.

    Attributes:
        meta: ``run.json``, empty if there is none.
        turns: As ``rows.turn_frame``, with ``t``.
        offsets: Where each turn's line begins in ``turns.jsonl``, in bytes.
        gaps: Every silence inside an answer, in seconds, in the order of the turns.
        sessions: One line each, started and ended lines joined, with ``t`` and ``t_end``
            (NaN: its end is not recorded).
        health: Lines of the workers' health; ``health_t`` holds their ``t``.
        damaged: Lines passed over, by file.
        unanchored: Workers whose clock could not be placed.

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
    damaged: dict[str, int]
    unanchored: list[str]

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

    @property
    def workers(self) -> list[str]:
        """Every worker that left a record."""
        names = {*self.turns["worker"].unique(), *self.sessions["worker"].unique()}
        return sorted(names | {line.worker for line in self.health})


def size_of(path: Path) -> int:
    """Bytes of records in a run directory."""
    return sum((path / name).stat().st_size for name in FILES if (path / name).is_file())


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
        raise CommandError(f"there is no run directory {path}")
    if not any((path / name).is_file() for name in ("run.json", *FILES)):
        raise CommandError(f"{path} is no run directory: it holds neither run.json nor records")
    meta, bad_meta = _read_meta(path / "run.json")
    turn_lines = Lines(path / FILES[0], TurnRow, progress)
    session_lines = Lines(path / FILES[1], SessionRow, progress)
    health_lines = Lines(path / FILES[2], Health, progress)
    turns, gaps, tools = _read_turns(turn_lines)
    sessions = _session_frame(row for rows in session_lines.chunks() for row in rows)
    health = [row for rows in health_lines.chunks() for row in rows]

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
        offsets=np.array(turn_lines.offsets),
        gaps=gaps,
        tools=tools,
        sessions=sessions,
        health=health,
        health_t=(health_ns - start) / 1e9,
        damaged={"run.json": int(bad_meta), **damaged},
        unanchored=unanchored,
    )


def _read_meta(path: Path) -> tuple[dict[str, Any], bool]:
    """``run.json`` as it is, and whether it is damaged."""
    if not path.is_file():
        return {}, False
    try:
        raw = msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}, True
    return (raw, False) if isinstance(raw, dict) else ({}, True)


def _read_turns(lines: Lines[TurnRow]) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    turns, tools, gaps = [], [], []
    for rows in lines.chunks():
        turns.append(turn_frame(rows))
        tools.append(tool_frame(rows))
        gaps.append(np.array([gap for row in rows for gap in row.gaps], dtype=np.float64))
    if not turns:
        return turn_frame([]), np.array([]), tool_frame([])
    return _join(turns), np.concatenate(gaps), pd.concat(tools, ignore_index=True)


def _join(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The frames below each other; words stay categories."""
    names = [*WORDS, "tags"]
    words = {name: union_categoricals([frame[name] for frame in frames]) for name in names}
    rest = pd.concat([frame.drop(columns=names) for frame in frames], ignore_index=True)
    return pd.concat([pd.DataFrame(words), rest], axis=1)


def _session_frame(rows: Iterable[SessionRow]) -> pd.DataFrame:
    """One line a session: what its end said, or its start while the end is missing."""
    sessions: dict[tuple[str, int, int, int], SessionRow] = {}
    for row in rows:
        key = (row.worker, row.caller, row.call, row.started_at or row.at)
        if key not in sessions or row.event == "end":
            sessions[key] = row
    found = list(sessions.values())
    columns: dict[str, Any] = defaultdict(list)
    for name in SessionRow.__struct_fields__:
        columns[name] = [getattr(row, name) for row in found]
    columns["tags"] = tag_column(found)
    columns["started_at"] = np.array([key[3] for key in sessions], dtype=np.int64)
    columns["ended"] = np.array([row.event == "end" for row in found], dtype=bool)
    for name in ("at", "turns", "caller", "call"):
        columns[name] = np.array(columns[name], dtype=np.int64)
    for name in ("audio_due_s", "audio_sent_s", "stale_audio_s", "cost_usd"):
        columns[name] = np.array(columns[name], dtype=np.float64)
    return pd.DataFrame(columns)


def _first_instants(
    turns: pd.DataFrame, sessions: pd.DataFrame, health: Sequence[Health]
) -> dict[str, int]:
    """The first instant of each worker, ns of its own clock."""
    firsts: dict[str, int] = {}
    seen = [
        *turns.groupby("worker", observed=True)["at"].min().items(),
        *sessions.groupby("worker")["started_at"].min().items(),
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
    turns["t"] = (turn_ns - start) / 1e9
    sessions["t"] = (from_ns - start) / 1e9
    sessions["t_end"] = ((to_ns - start) / 1e9).where(sessions["ended"])
    return start
