"""The sessions of a run, a line each: what its end said, or its start while that is missing."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd

from harness.cost import tokens
from harness.records import Count, Instant, Ordinal, Quantity
from harness.report.columns import Columns, Seconds, Table, column, spellings, words
from harness.report.rows import NO_TAGS, check_tags, tag_column

__all__ = ["CONNECT_STEPS", "STEP_COLUMNS", "TOKEN_COLUMNS", "SessionRow", "session_frame"]

CONNECT_STEPS = ("client_secret", "dns", "tcp", "tls", "upgrade", "created", "updated", "tools")
STEP_COLUMNS = {step: f"step_{step}" for step in CONNECT_STEPS}
TOKEN_COLUMNS = {kind: f"tokens_{kind}" for kind in tokens({})}

_WORDS = ("worker", "scenario", "model", "outcome", "phase", "code")
_INSTANTS = ("at", "started_at")
_WHOLE = ("caller", "call", "arrival", "turns")
_NUMBERS = ("wait_s", "close_code", "audio_due_s", "audio_sent_s", "stale_audio_s", "cost_usd")
_COUNTS = ("deviations", "scorecard", "errors", "imports")
_KEY = ["worker", "caller", "call", "started_at"]


class SessionRow(msgspec.Struct, kw_only=True):
    """
    The fields of ``records.Session`` that the report needs.

    Whatever is without ``event`` and ``at`` is no session.
    """

    event: Literal["start", "end"]
    at: Instant
    worker: str = "local"
    caller: Ordinal = 0
    call: Ordinal = 0
    scenario: str = ""
    model: str = ""
    tags: msgspec.Raw = NO_TAGS
    started_at: Instant = 0
    arrival: Ordinal = 0
    due_at: Instant | None = None
    blocked: bool = False
    steps: dict[str, Quantity | None] = {}
    outcome: str | None = None
    phase: str | None = None
    code: str | None = None
    close_code: Ordinal | None = None
    deviations: dict[str, Count] = {}
    scorecard: dict[str, dict[str, Count]] = {}
    errors: dict[str, Count] = {}
    imports: dict[str, str] = {}
    turns: Ordinal = 0
    audio_due_s: Quantity = 0.0
    audio_sent_s: Quantity = 0.0
    stale_audio_s: Quantity = 0.0
    usage: dict[str, Any] | None = None
    cost_usd: Quantity | None = None

    def __post_init__(self) -> None:
        """Look at what is kept as it stands; msgspec makes a damaged line of what this raises."""
        check_tags(bytes(self.tags))

    @property
    def key(self) -> tuple[str, int, int, int]:
        """What the two lines of a session have in common."""
        return self.worker, self.caller, self.call, self.started_at

    @property
    def wait_s(self) -> float | None:
        """How late it began, seconds; ``None`` if no schedule said when."""
        return None if self.due_at is None else (self.started_at - self.due_at) / 1e9


def session_frame(
    chunks: Iterable[Sequence[SessionRow]], seconds: Seconds = np.float64
) -> pd.DataFrame:
    """
    One line a session, in the order of their ends; those without one follow.

    ``at`` is when it ended, or started; ``ended`` whether its end is recorded; ``wait_s`` how late
    a call of a schedule began, ``blocked`` whether for want of a caller; ``step_…`` seconds of
    connecting, ``tokens_…`` what it used; what it tells by name as JSON: ``deviations`` and
    ``errors``, say.

    Args:
        chunks: As read.
        seconds: The type of all that is no whole number.

    """
    begun: dict[tuple[str, int, int, int], SessionRow] = {}
    table = Table(_columns([], seconds))
    for rows in chunks:
        ended = []
        for row in rows:
            row.started_at = row.started_at or row.at
            if row.event == "end":
                begun.pop(row.key, None)
                ended.append(row)
            else:
                begun[row.key] = row
        table.extend(_columns(ended, seconds))
    table.extend(_columns(list(begun.values()), seconds))
    frame = table.frame()
    # A line that came twice, or a start after its end.
    again = frame.duplicated(_KEY)
    return frame.loc[~again].reset_index(drop=True) if again.any() else frame


def _columns(rows: Sequence[SessionRow], seconds: Seconds) -> Columns:
    used = [tokens(row.usage) if row.usage else {} for row in rows]
    return {
        **{name: words(getattr(row, name) for row in rows) for name in _WORDS},
        "tags": tag_column(rows),
        **{name: column(rows, name, np.int64) for name in _INSTANTS},
        **{name: column(rows, name, np.int32) for name in _WHOLE},
        **{name: column(rows, name, seconds) for name in _NUMBERS},
        "ended": np.array([row.event == "end" for row in rows], dtype=bool),
        "blocked": np.array([row.blocked for row in rows], dtype=bool),
        **{
            STEP_COLUMNS[step]: np.array([row.steps.get(step) for row in rows], dtype=seconds)
            for step in CONNECT_STEPS
        },
        **{
            TOKEN_COLUMNS[kind]: np.array([each.get(kind, 0) for each in used], dtype=np.int64)
            for kind in TOKEN_COLUMNS
        },
        **{name: spellings(getattr(row, name) for row in rows) for name in _COUNTS},
    }
