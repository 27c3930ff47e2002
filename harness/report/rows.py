"""What the report reads of a record, and the columns it becomes."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import msgspec
import numpy as np
import pandas as pd

from harness.metrics import SEGMENTS, TURN_FIGURES, TURN_METRICS
from harness.records import Flag, Instant, Ordinal, Quantity, ToolCall
from harness.report.columns import Columns, Seconds, column, words

__all__ = [
    "MARKS_READ",
    "NO_TAGS",
    "SEGMENT_COLUMNS",
    "TurnRow",
    "check_tags",
    "tag_column",
    "tool_columns",
    "turn_columns",
]

MARKS_READ = ("commit", "detected", "first_audio", "answer_audio")
"""Marks whose presence counts: where a metric starts, and whether audio came."""

NO_TAGS = msgspec.Raw(b"{}")
NO_USAGE = msgspec.Raw(b"null")

OTHER_METRICS = tuple(m.name for m in TURN_FIGURES)

SEGMENT_COLUMNS = {name: f"segment_{name}" for name in SEGMENTS}


def _optional(
    name: str, fields: Sequence[str], of: Any, default: Any = None
) -> type[msgspec.Struct]:
    return msgspec.defstruct(name, [(field, of, default) for field in fields], gc=False)


_Metrics = _optional("_Metrics", [*(m.name for m in TURN_METRICS), *OTHER_METRICS], Quantity | None)
_Marks = _optional("_Marks", MARKS_READ, Instant | None)
_Segments = _optional("_Segments", list(SEGMENTS), Quantity | None)


class Tagged(Protocol):
    """A record with tags."""

    tags: msgspec.Raw


class TurnRow(msgspec.Struct, gc=False, kw_only=True):
    """
    The fields of ``records.Turn`` that the report needs; words it doesn't know are kept.

    Whatever is without ``due_at`` is no turn.
    """

    worker: str = "local"
    caller: Ordinal = 0
    call: Ordinal = 0
    turn: Ordinal = 0
    scenario: str = ""
    model: str = ""
    tags: msgspec.Raw = NO_TAGS
    kind: str = "speech"
    audio: bool = True
    outcome: str | None = None
    phase: str | None = None
    code: str | None = None
    due_at: Instant
    written_at: Instant | None = None
    marks: _Marks = msgspec.field(default_factory=_Marks)  # type: ignore[valid-type]
    metrics: _Metrics = msgspec.field(default_factory=_Metrics)  # type: ignore[valid-type]
    segments: _Segments = msgspec.field(default_factory=_Segments)  # type: ignore[valid-type]
    gaps: list[Quantity] = []
    limits_s: Quantity = 0.0
    answer_limits_s: Quantity = 0.0
    audio_sent_s: Quantity = 0.0
    audio_received_s: Quantity = 0.0
    audio_heard_s: Quantity = 0.0
    tools: list[ToolCall] = []
    usage: msgspec.Raw = NO_USAGE
    cost_usd: Quantity | None = None
    flags: list[str] = []
    session_age_s: Quantity = 0.0

    def __post_init__(self) -> None:
        """Look at what is kept as it stands; msgspec makes a damaged line of what this raises."""
        check_tags(bytes(self.tags))
        if bytes(self.usage)[:1] not in (b"{", b"n"):
            raise ValueError("usage is no object")

    @property
    def at(self) -> int:
        """When it began, ns of its worker's clock."""
        return self.due_at if self.written_at is None else self.written_at

    @property
    def unpriced(self) -> bool:
        """Whether it used something that no price is known for."""
        return self.cost_usd is None and bytes(self.usage) not in (b"null", b"{}")


WORDS = ("worker", "scenario", "model", "kind", "outcome", "phase", "code")
_WHOLE = {"caller": np.int32, "call": np.int32, "turn": np.int32, "at": np.int64}
_NUMBERS = (
    *("limits_s", "answer_limits_s", "audio_sent_s", "audio_received_s", "audio_heard_s"),
    *("cost_usd", "session_age_s"),
)
_FLOATS = {
    **{name: name for name in _NUMBERS},
    **{m.name: f"metrics.{m.name}" for m in TURN_METRICS},
    **{name: f"metrics.{name}" for name in OTHER_METRICS},
    **{column: f"segments.{name}" for name, column in SEGMENT_COLUMNS.items()},
}


def turn_columns(rows: Sequence[TurnRow], seconds: Seconds = np.float64) -> Columns:
    """
    One line a turn: words as categories, latencies in seconds (NaN where there is none).

    ``at`` is when it began, ns of its worker's clock; a column for each flag, and ``has_…`` for
    each mark of ``MARKS_READ``, hold whether it has them; ``has_tools`` whether it called any;
    ``audio`` whether it was to be answered in audio; ``unpriced`` as in ``TurnRow``; ``gaps`` how
    many silences are inside its answer.

    Args:
        rows: As read.
        seconds: The type of all that is no whole number.

    """
    return {
        **{name: words(getattr(row, name) for row in rows) for name in WORDS},
        "tags": tag_column(rows),
        **{name: column(rows, name, dtype) for name, dtype in _WHOLE.items()},
        **{name: column(rows, path, seconds) for name, path in _FLOATS.items()},
        **{
            f"has_{mark}": ~np.isnan(column(rows, f"marks.{mark}", np.float64))
            for mark in MARKS_READ
        },
        "audio": np.array([row.audio for row in rows], dtype=bool),
        "unpriced": np.array([row.unpriced for row in rows], dtype=bool),
        "gaps": np.array([len(row.gaps) for row in rows], dtype=np.int32),
        "has_tools": np.array([bool(row.tools) for row in rows], dtype=bool),
        **{
            flag: np.array([flag in row.flags for row in rows], dtype=bool)
            for flag in map(str, Flag)
        },
    }


@lru_cache(maxsize=1000)
def check_tags(text: bytes) -> None:
    """
    See that the JSON of a record's tags names texts, as few different ones as there are.

    Raises:
        ValueError: If it doesn't.

    """
    msgspec.json.decode(text, type=dict[str, str])


def tag_column(rows: Iterable[Tagged]) -> pd.Categorical:
    """The tags of each row as the JSON they stand in: there are few different ones."""
    return words(bytes(row.tags).decode() for row in rows)


def tool_columns(rows: Sequence[TurnRow]) -> Columns:
    """One line a tool call: ``name``, ``outcome``, ``valid``, and ``took`` in seconds."""
    calls = [call for row in rows for call in row.tools]
    return {
        "name": words(call.label for call in calls),
        "outcome": words(call.outcome for call in calls),
        "valid": np.array([call.valid for call in calls], dtype=bool),
        "took": np.array([call.took_s for call in calls], dtype=np.float64),
    }
