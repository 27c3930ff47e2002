"""What a plain client asks for, and what it notes down while it talks."""

from array import array

from bench.clients.job import Window, finish
from bench.results import quantile
from bench.workload import Job

__all__ = ["SESSION", "Notes", "leave"]

SESSION = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "audio": {
        "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": None},
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"},
    },
}


class Notes:
    """What the callers of a process note down: instants and durations in ns."""

    def __init__(self) -> None:
        self.sent_at = array("q")
        self.late = array("q")
        self.first_audio: dict[str, int] = {}


def leave(job: Job, window: Window, notes: Notes) -> None:
    """Leave what was noted in the window."""
    late = sorted(
        late
        for at, late in zip(notes.sent_at, notes.late, strict=True)
        if window.began <= at < window.ended
    )
    finish(
        job,
        window,
        frames=len(late),
        lateness=(quantile(late, 0.5) / 1e9, quantile(late, 0.99) / 1e9),
        first_audio=notes.first_audio,
    )
