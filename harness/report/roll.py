"""Who of the workers joined late, went missing, came back, froze, quit or was lost, and when."""

from collections.abc import Mapping
from typing import Any

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


def roll_call(run: Run) -> list[dict[str, Any]]:
    """Each change as ``run.json`` holds it, and as a sentence."""
    return [{**entry, "text": _text(entry)} for entry in run.meta.get("roll") or []]


def _text(entry: Mapping[str, Any]) -> str:
    return TEXTS.get(entry["change"], "{worker}: {change}").format_map(entry)
