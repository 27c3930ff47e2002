"""The worst turns of a run, each with its whole record and, where it was taped, its events."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from harness.realtime.events import AudioDelta, ServerEvent
from harness.records import Count, Instant, Quantity, ToolCall
from harness.reel import read_tape
from harness.report.lines import open_records
from harness.report.load import FILES, Run
from harness.report.rows import TurnRow
from harness.report.stats import is_unanswered
from harness.tape import Deed, Fact, Tape

__all__ = ["worst_turns"]

SLOWEST = 10
UNANSWERED = 5
MOST_FACTS = 400  # of a tape, shown


class _Record(msgspec.Struct):
    """What is shown of one record; words it doesn't know are kept."""

    worker: str = "local"
    caller: int = 0
    call: int = 0
    turn: int = 0
    session: str = ""
    scenario: str = ""
    kind: str = ""
    said: str = ""
    outcome: str | None = None
    phase: str | None = None
    code: str | None = None
    message: str = ""
    response_ids: list[str] = []
    marks: dict[str, Instant | None] = {}
    metrics: dict[str, Quantity | None] = {}
    segments: dict[str, Quantity] = {}
    uncertainty: dict[str, Count] = {}
    flags: list[str] = []
    tools: list[ToolCall] = []
    transcript: str = ""


_JUDGED = ("worker", "caller", "call", "turn", "scenario", "kind", "outcome", "phase", "code")


def worst_turns(run: Run, concurrency: "pd.Series[int]") -> list[dict[str, Any]]:
    """
    The slowest answered turns, then one of each kind of unanswered ones.

    Args:
        run: As loaded.
        concurrency: Open sessions when each turn began.

    """
    chosen = [*_slowest(run.turns), *_silent(run.turns)]
    found = []
    with open_records(run.path / FILES[0]) as file:
        for row in chosen:
            file.seek(int(run.offsets[row]))
            record = _record(file.readline())
            found.append(
                {
                    **msgspec.to_builtins(record),
                    "name": f"{record.caller}.{record.call}.{record.turn}",
                    "t": float(run.turns["t"].iloc[row]),
                    "concurrency": int(concurrency.iloc[row]),
                    "ttfa": record.metrics.get("ttfa"),
                    "ttfa_audible": record.metrics.get("ttfa_audible"),
                    "tape": _tape(run.path, record),
                }
            )
            del found[-1]["metrics"]
    return found


def _record(line: bytes) -> _Record:
    """What is to be shown of a turn; of one whose details are damaged, what it is judged by."""
    try:
        return msgspec.json.decode(line, type=_Record)
    except msgspec.ValidationError as error:
        row = msgspec.json.decode(line, type=TurnRow)
        judged: dict[str, Any] = {name: getattr(row, name) for name in _JUDGED}
        metrics = msgspec.structs.asdict(row.metrics)
        message = f"the rest of its record is damaged: {error}"
        return _Record(**judged, metrics=metrics, message=message)


def _slowest(turns: pd.DataFrame) -> list[int]:
    waits = turns["ttfa_audible"].where(~turns["censored"]).to_numpy()
    answered = np.flatnonzero(~np.isnan(waits))
    order = answered[np.argsort(-waits[answered], kind="stable")]
    return [int(row) for row in order[:SLOWEST]]


def _silent(turns: pd.DataFrame) -> list[int]:
    """The first of each kind of unanswered turns, the most frequent kinds first."""
    rows = np.flatnonzero(is_unanswered(turns))
    silent = turns.iloc[rows][["outcome", "phase", "code"]].astype(object).fillna("")
    kinds = silent.assign(row=rows).groupby(["outcome", "phase", "code"])["row"]
    found = kinds.agg(["min", "size"]).sort_values(["size", "min"], ascending=[False, True])
    return [int(row) for row in found["min"][:UNANSWERED]]


def _tape(run: Path, record: _Record) -> list[dict[str, Any]]:
    """The facts of its tape, if there is one that can be read."""
    name = Tape.file_of(record.worker, record.caller, record.call, record.turn)
    try:
        tape = read_tape(run / "tapes" / name)
    except (OSError, ValueError):
        return []
    origin = tape.turn.marks.get("speech_end") or (tape.facts[0].at if tape.facts else 0)
    facts = [{"at_s": (fact.at - origin) / 1e9, **_said(fact)} for fact in tape.facts[:MOST_FACTS]]
    return _joined(facts)


def _said(fact: Fact) -> dict[str, Any]:
    event = fact.event
    if isinstance(event, Deed):
        return {"from": "us", "what": event.verb, "count": 1}
    tag = type(event).__struct_config__.tag if isinstance(event, ServerEvent) else None
    what = str(tag or getattr(event, "type", type(event).__name__))
    return {"from": "endpoint", "what": what, "count": 1, "audio": isinstance(event, AudioDelta)}


def _joined(facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Deltas in a row are one line."""
    joined: list[dict[str, Any]] = []
    for fact in facts:
        last = joined[-1] if joined else None
        if last and last["what"] == fact["what"] and fact["what"].endswith(".delta"):
            last["count"] += 1
            last["until_s"] = fact["at_s"]
        else:
            joined.append(fact)
    return joined
