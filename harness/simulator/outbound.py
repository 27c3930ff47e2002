"""Messages of the endpoint, encoded."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, NamedTuple, Protocol

import msgspec

from harness.simulator.truth import Said, Truth

__all__ = ["Framing", "Messages", "Out", "Outbox", "audio_delta_head", "hang_up"]

_encoder = msgspec.json.Encoder()


class Framing(Enum):
    """How a message goes on the wire."""

    WHOLE = auto()
    FRAGMENTS = auto()
    ENDLESS = auto()  # its frame claims to be longer than it is


class Out(NamedTuple):
    """A message that is due."""

    type: str
    message: bytes
    stamps: tuple[str, ...] = ()  # fields of ``on`` that take the instant of the send
    on: Said | Truth | None = None  # what it is about
    framing: Framing = Framing.WHOLE
    closing: int | None = None  # no message: the connection ends, with this code


class Outbox(Protocol):
    """What a session has to send, in order: its agenda, or what stands in for it."""

    @property
    def due(self) -> int | None:
        """When the next message is due, 0 for at once; ``None`` while nothing is to come."""

    def take(self, at: int) -> Out | None:
        """The next message that is due by ``at``."""


def hang_up(code: int) -> Out:
    """The end of the connection; 1006 is one without a close frame."""
    return Out("close", b"", closing=code)


class Messages:
    """
    Makes the messages of one session.

    Args:
        name: What tells this session's events from others'.

    """

    def __init__(self, name: str) -> None:
        self._prefix = f"event_{name}_"
        self._count = 0

    def _next_id(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"

    def event(self, type: str, /, **fields: Any) -> Out:
        """An event."""
        return Out(type, _encoder.encode({"type": type, "event_id": self._next_id(), **fields}))

    def about(self, on: Said | Truth, stamps: tuple[str, ...], type: str, /, **fields: Any) -> Out:
        """An event about something; ``stamps`` are the instants of it that are noted."""
        fields = {"type": type, "event_id": self._next_id(), **fields}
        return Out(type, _encoder.encode(fields), stamps, on)

    def audio_delta(self, head: bytes, tail: bytes, on: Truth, stamps: tuple[str, ...]) -> Out:
        """A delta by concatenation: ``head`` ends before the event id, ``tail`` begins after it."""
        message = b"".join((head, self._next_id().encode(), tail))
        return Out("response.output_audio.delta", message, stamps, on)


def audio_delta_head(response_id: str, item_id: str, output_index: int) -> bytes:
    """The start of the audio deltas of one item, up to the event id."""
    fields = {
        "type": "response.output_audio.delta",
        "response_id": response_id,
        "item_id": item_id,
        "output_index": output_index,
        "content_index": 0,
        "event_id": "",
    }
    return _encoder.encode(fields)[: -len('"}')]
