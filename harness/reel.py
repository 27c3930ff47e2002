"""
Tapes on disk, and which of them are worth keeping.

A file holds a header and a line a fact: ``[at, "us" or "endpoint", event, uncertainty]``. Of audio
it says how long it was and where it becomes audible, unless the sound itself was asked for.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from harness.audio import AudioFormat
from harness.limits import Limits
from harness.realtime.decode import salvage
from harness.realtime.events import AudioDelta
from harness.records import SCHEMA, Count, Instant, Turn
from harness.samples import first_audible
from harness.tape import Deed, Fact, Tape

__all__ = ["Reel", "read_tape", "write_tape"]

LOUD = {"pcm16": b"\x20\x4e", "pcmu": b"\x00", "pcma": b"\x2a"}
"""A sample of each format that stands for the first audible one."""


class _Header(msgspec.Struct, kw_only=True):
    schema: int = SCHEMA
    turn: Turn
    format: AudioFormat
    limits: Limits
    vad: bool
    hear_out: bool
    buffer_ns: Instant
    tool_rounds: int = 8  # as long as no tape said it
    commit_at: Instant | None
    closed_at: Instant


class _Measured(msgspec.Struct):
    """How long a delta of audio was, in bytes, and at which sample it becomes audible."""

    bytes: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)]
    audible: Count | None


_header_decoder = msgspec.json.Decoder(_Header)
_line_decoder = msgspec.json.Decoder(
    tuple[Instant, Literal["us", "endpoint"], dict[str, Any], Count]
)


def write_tape(tape: Tape, *, audio: bool = False) -> bytes:
    """A tape as lines of JSON; ``audio``: with the sound itself."""
    fields = {name: getattr(tape, name) for name in _Header.__struct_fields__ if name != "schema"}
    lines = [msgspec.json.encode(_Header(**fields))]
    for fact in tape.facts:
        who = "us" if isinstance(fact.event, Deed) else "endpoint"
        event = _written(fact.event, None if audio else tape.format)
        lines.append(msgspec.json.encode([fact.at, who, event, fact.uncertainty]))
    return b"\n".join(lines) + b"\n"


def _written(event: object, format: AudioFormat | None) -> object:
    """An event, its audio measured in ``format``, if given, and left out."""
    if format is None or not isinstance(event, AudioDelta):
        return event
    if len(event.delta) % format.sample_bytes:
        return event  # half a sample belongs to the next delta: measuring it here would be wrong
    audible = first_audible(event.delta, format)
    fields = {name: getattr(event, name) for name in ("response_id", "item_id", "content_index")}
    return {"type": event.type, **fields, "bytes": len(event.delta), "audible": audible}


def read_tape(path: Path) -> Tape:
    """
    Read a tape.

    Raises:
        ValueError: If the file is none.

    """
    lines = path.read_bytes().splitlines()
    if not lines:
        raise ValueError("it is empty")
    try:
        header = _header_decoder.decode(lines[0])
        facts = [_read_fact(line, header) for line in lines[1:]]
    except RecursionError as error:
        raise ValueError(str(error)) from None
    fields = msgspec.structs.asdict(header)
    del fields["schema"]
    return Tape(**fields, facts=facts)


def _read_fact(line: bytes, header: _Header) -> Fact:
    at, who, raw, uncertainty = _line_decoder.decode(line)
    if who == "us":
        return Fact(at, msgspec.convert(raw, Deed), uncertainty, header.turn)
    if "bytes" in raw:
        sound = msgspec.convert(raw, _Measured)
        raw["delta"] = _sound(sound.bytes, sound.audible, header.format)
        return Fact(at, msgspec.convert(raw, AudioDelta), uncertainty)
    event, _ = salvage(msgspec.json.encode(raw))
    return Fact(at, event, uncertainty)


def _sound(n: int, audible: int | None, format: AudioFormat) -> bytes:
    """``n`` bytes that become audible at sample ``audible``."""
    silence = format.silence(n)
    if audible is None:
        return silence
    loud = LOUD[format.name]
    start = audible * format.sample_bytes
    return silence[:start] + loud + silence[start + len(loud) :]


class Reel:
    """
    The tapes of a process worth keeping: of the worst turns, and of a sample of all.

    Args:
        n: How many of each.
        seed: The sample is the same on any number of workers.
        audio: Whether their sound is kept.

    """

    def __init__(self, n: int, seed: int, *, audio: bool = False) -> None:
        self._n = n
        self._seed = seed
        self._audio = audio
        self._worst: list[tuple[tuple[bool, float], str]] = []
        self._sample: list[tuple[float, str]] = []
        self._written: dict[str, bytes] = {}

    def offer(self, tape: Tape, redact: Callable[[str], str] = str) -> None:
        """Keep a tape if it is one of those; ``redact`` takes the secrets out of its text."""
        name, turn = tape.name, tape.turn
        chance = random.Random(f"{self._seed}/{turn.caller}/{turn.call}/{turn.turn}").random()
        dropped = (
            _push(self._worst, (_badness(turn), name), self._n),
            _push(self._sample, (chance, name), self._n),
        )
        if dropped == (name, name):
            return
        self._written[name] = redact(write_tape(tape, audio=self._audio).decode()).encode()
        kept = {name for _, name in (*self._worst, *self._sample)}
        for lost in set(dropped) - kept - {None}:
            self._written.pop(str(lost), None)

    @property
    def tapes(self) -> dict[str, bytes]:
        """What was kept, by the names of their files."""
        return dict(sorted(self._written.items()))


def _push(heap: list[Any], entry: tuple[Any, str], n: int) -> str | None:
    """Add an entry; the name of the one that no longer belongs to the ``n`` largest."""
    if len(heap) < n:
        heapq.heappush(heap, entry)
        return None
    name: str = heapq.heappushpop(heap, entry)[1]
    return name


def _badness(turn: Turn) -> tuple[bool, float]:
    """Failed turns are worse than slow ones."""
    latencies = (turn.metrics.get(name) for name in ("ttfa", "ttfa_request"))
    return turn.failed or turn.unanswered, max((s for s in latencies if s is not None), default=0.0)
