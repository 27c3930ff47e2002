"""Who of the workers joined late, went missing, came back, froze, quit or was lost, and when."""

from typing import Any

import msgspec

from harness.report.load import Run

__all__ = ["roll_call"]

TEXTS = {
    "joined": "{worker} joined after {t:.1f} s",
    "missing": "{worker} was missing, silent from {t:.1f} s on",
    "returned": "{worker} came back after {t:.1f} s",
    "frozen": "{worker} was frozen until {t:.1f} s, and its calls were cut",
    "quit": "{worker} was told to stop, and left after {t:.1f} s",
    "lost": "{worker} was lost, silent from {t:.1f} s on: its last records never came",
}


class _Entry(msgspec.Struct):
    t: float
    worker: str
    change: str


def roll_call(run: Run) -> list[dict[str, Any]]:
    """Each change as ``run.json`` holds it, and as a sentence."""
    try:
        entries = msgspec.convert(run.meta.get("roll") or [], list[_Entry])
    except msgspec.ValidationError:
        return []
    return [{**msgspec.structs.asdict(entry), "text": _text(entry)} for entry in entries]


def _text(entry: _Entry) -> str:
    if entry.change not in TEXTS:
        return f"{entry.worker}: {entry.change}"
    return TEXTS[entry.change].format(worker=entry.worker, t=entry.t)
