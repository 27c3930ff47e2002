"""Who follows a run's records as they come: objectives judged live, the search for a capacity."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from harness.records import Health, Session, Turn

__all__ = ["Onlooker", "Onlookers"]

Onlooker = Callable[[Turn | Session, float], None]
"""Told of each turn and each session that ended, and when it began, in seconds of the epoch."""

_TURNS, _SESSIONS = msgspec.json.Decoder(Turn), msgspec.json.Decoder(Session)
_DECODERS: Mapping[str, Any] = {"turns.jsonl": _TURNS, "sessions.jsonl": _SESSIONS}


class Onlookers:
    """
    A sink that tells them, of the records of this process or of lines that workers encoded.

    Args:
        anchors: The clock anchor of each worker, by name.

    """

    def __init__(self, anchors: Callable[[], Mapping[str, Mapping[str, int]]]) -> None:
        self._anchors = anchors
        self._told: list[Onlooker] = []

    def add(self, onlooker: Onlooker) -> None:
        """Tell one more, from now on."""
        self._told.append(onlooker)

    def on_turn(self, turn: Turn) -> None:
        """Tell of a finished turn."""
        self._tell([turn])

    def on_session(self, session: Session) -> None:
        """Tell of a session that ended."""
        self._tell([session])

    def on_health(self, health: Health) -> None:
        """Nobody asks how the generator is."""

    def read(self, name: str, lines: bytes) -> None:
        """Tell of records as lines of the file ``name``."""
        decoder = _DECODERS.get(name)
        if decoder is not None and self._told:
            self._tell(decoder.decode_lines(lines))

    def _tell(self, records: Iterable[Turn | Session]) -> None:
        anchors = self._anchors() if self._told else {}
        for record in records:
            at = _begun(record, anchors)
            if at is not None and record.outcome is not None:
                for onlooker in self._told:
                    onlooker(record, at)


def _begun(record: Turn | Session, anchors: Mapping[str, Mapping[str, int]]) -> float | None:
    """Seconds of the epoch, by the master's clock; ``None`` if the worker's can't be placed."""
    anchor = anchors.get(record.worker)
    if anchor is None:
        return None
    at = record.started_at if isinstance(record, Session) else record.written_at or record.due_at
    ahead = anchor.get("offset_ns", 0)
    return (at - anchor["monotonic_ns"] + anchor["time_ns"] - ahead) / 1e9
