"""Open arrivals of a run: what its schedule wanted, what was blocked, and how long that waited."""

from typing import Any

import numpy as np

from harness.report import words
from harness.report.load import Run
from harness.report.stats import Sample, figures

__all__ = ["arrivals"]


def arrivals(run: Run) -> dict[str, Any] | None:
    """
    What ``summary.json`` says of the schedule; ``None`` if the run had none.

    ``wait`` counts from when a call was due until its dialling, over all calls that were due: those
    that never began rank above all others.
    """
    told = run.meta.get("arrivals") or {}
    # A worker that was cut off may have begun a call that was handed out again.
    wanted = run.sessions[run.sessions["arrival"] > 0].sort_values("t", kind="stable")
    wanted = wanted.drop_duplicates("arrival")
    if not told and wanted.empty:
        return None
    waits = wanted["wait_s"].to_numpy()
    # A master that was lost has said nothing: then the calls that began say what they can.
    due = max(told.get("due", 0), len(wanted))
    blocked = max(told.get("blocked", 0), int(wanted["blocked"].sum()))
    late = np.sort(waits[wanted["blocked"].to_numpy()])
    never = due - len(wanted)
    return {
        "rate": told.get("rate"),
        "due": due,
        "begun": len(wanted),
        "blocked": blocked,
        "never_begun": never,
        "wait": figures(Sample(np.sort(waits), unanswered=never)),
        "text": _text(due, blocked, late, never),
    }


def _text(due: int, blocked: int, late: np.ndarray, never: int) -> str:
    """One or two sentences for the top of everything; none if no call was blocked."""
    if not blocked:
        return ""
    text = f"{words.count(blocked)} of {words.count(due)} calls were blocked: no caller was idle"
    text += " when they were due."
    if len(late):
        median = words.seconds(float(late[(len(late) - 1) // 2]))
        longest = words.seconds(float(late[-1]))
        text += f" Those that began waited {median} in the median, {longest} at most"
        text += f"; {words.count(never)} never began." if never else "."
    elif never:
        text += f" {words.count(never)} never began."
    return text
