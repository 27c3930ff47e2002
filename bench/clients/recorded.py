"""What a run directory says of the window that was measured."""

from pathlib import Path
from typing import TypeVar

import msgspec

from bench.clients.job import Window, finish
from bench.workload import Job
from harness.records import Health, LagHistogram, Turn

__all__ = ["leave_recorded", "records"]

_Record = TypeVar("_Record", Turn, Health)


def records(path: Path, kind: type[_Record]) -> list[_Record]:
    """The whole lines of a file, which may still grow, or not be there yet."""
    lines, _, _ = (path.read_bytes() if path.is_file() else b"").rpartition(b"\n")
    return [msgspec.json.decode(line, type=kind) for line in lines.splitlines()]


def leave_recorded(job: Job, window: Window, run: Path, verdict: str = "") -> None:
    """Leave what was recorded in the window; its seconds are those of the health records."""
    seconds = [
        second
        for second in records(run / "health.jsonl", Health)
        if window.began < second.at - second.interval_s * 5e8 < window.ended
    ]
    late = LagHistogram()
    for second in seconds:
        late.merge(second.frame_lateness)
    watched = sum(second.interval_s for second in seconds)
    finish(
        job,
        window,
        frames=round(late.count * (window.ended - window.began) / 1e9 / watched),
        lateness=(late.quantile(0.5), late.quantile(0.99)),
        first_audio=_first_audio(records(run / "turns.jsonl", Turn)),
        verdict=verdict,
    )


def _first_audio(turns: list[Turn]) -> dict[str, int]:
    return {
        turn.response_ids[0]: at
        for turn in turns
        if turn.response_ids and (at := turn.marks.get("first_audio")) is not None
    }
