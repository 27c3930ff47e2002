"""
One realtime session: what may be sent and received when, without a clock or a socket.

``send`` turns an event into the message that carries it, or raises and changes nothing. ``receive``
turns whatever message came into an event, never raises, and counts what a server does wrong as
*deviations*. What is legal when stands in the tables of ``states``.
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

from msgspec.structs import astuple

from harness.audio import PCM16, AudioFormat
from harness.realtime import client_events as client
from harness.realtime import events as ev
from harness.realtime.configuration import (
    NEGOTIATED,
    asked_for_audio,
    stated_create_response,
    stated_format,
    stated_turn_detection,
)
from harness.realtime.decode import BETA_EVENTS, UNDECODABLE, decode, modernise, salvage
from harness.realtime.deviations import Deviations
from harness.realtime.errors import LocalProtocolError
from harness.realtime.imports import IMPORT_EVENTS, Imports
from harness.realtime.responses import RESPONSE_EVENTS, Responses
from harness.realtime.states import CLOSED, CLOSING, EXPECTED, NEXT, OPENED, SENDABLE, State

__all__ = ["MAX_APPEND_BYTES", "Session", "split_append"]

logger = logging.getLogger("harness.realtime")

# An append holds at most 15 MiB, and base64 makes four bytes of three.
MAX_APPEND_BYTES = 15 * 1024 * 1024 // 4 * 3
"""The most audio of one append."""


def split_append(audio: bytes, format: AudioFormat = PCM16) -> list[client.Append]:
    """The appends that carry ``audio``, each of whole samples and within the limit."""
    size = MAX_APPEND_BYTES // format.sample_bytes * format.sample_bytes
    return [client.Append(audio=audio[at : at + size]) for at in range(0, len(audio), size)]


class Session:
    """
    One session, from dialling to closed; a new connection is a new session.

    Args:
        model: As asked for.
        input_format: Likewise, until the server states another.
        output_format: Likewise.
        beta: The beta's dialect is spoken: its names, and fields that only the API of today
            requires, are no deviations.

    Attributes:
        state: How far it has come.
        session_id: As the server named it.
        model: As the server stated it, ours until then.
        input_format: What the server takes: of ``session.updated``, else ``session.created``, else
            as asked for.
        output_format: What the server sends, likewise.
        turn_detection: Who decides that the caller has finished, ``none`` for the caller: of
            ``session.updated``, else as asked for.
        creates_responses: Whether it answers unasked what it has detected, likewise.
        audio: Whether it is asked to answer in audio.
        uncommitted_bytes: Audio sent since the last commit.
        imports: Of the tools of MCP servers.

    """

    def __init__(
        self,
        *,
        model: str = "",
        input_format: AudioFormat = PCM16,
        output_format: AudioFormat = PCM16,
        beta: bool = False,
    ) -> None:
        self.state = State.CONNECTING
        self.session_id: str | None = None
        self.model = model
        self.input_format = input_format
        self.output_format = output_format
        self.turn_detection = "none"
        self.creates_responses = True
        self.audio = True
        self.uncommitted_bytes = 0
        self.imports = Imports()
        self._stated = False  # the server has said how the session is configured
        self._asked: dict[str, Any] = {}  # of the last session.update, until it is answered
        self._commits = 0  # ours, not yet acknowledged
        self._deviations = Deviations()
        self._responses = Responses(self._deviations)
        self._last_event_id: str | None = None
        self._beta = beta
        self._beta_names: set[str] = set()

    @property
    def active(self) -> dict[str, set[str]]:
        """The responses being made, oldest first: id ("" for none) to the ids of their items."""
        return self._responses.active

    @property
    def deviations(self) -> Counter[str]:
        """What the server did wrong, by kind."""
        return self._deviations.kinds

    @property
    def scorecard(self) -> Counter[tuple[str, str]]:
        """The same by kind and wire name, with a field after it where it is about one."""
        return self._deviations.scorecard

    @property
    def uncommitted_seconds(self) -> float:
        """Audio sent since the last commit, in seconds."""
        return self.input_format.seconds(self.uncommitted_bytes)

    # What the transport states.

    def opened(self) -> None:
        """
        The upgrade is done.

        Raises:
            LocalProtocolError: If it can't be, in this state.

        """
        self._move(OPENED)

    def closing(self) -> None:
        """We sent close: nothing more may be sent, the server may still talk."""
        self._move(CLOSING)

    def closed(self) -> None:
        """The connection is gone."""
        self._move(CLOSED)

    def _move(self, fact: str) -> None:
        state = NEXT[self.state].get(fact)
        if state is None:
            raise LocalProtocolError(f"can't be {fact} when {self.state.name}")
        self.state = state

    # What we send.

    def send(self, event: client.ClientEvent) -> bytes:
        """
        The message that carries ``event``.

        Raises:
            LocalProtocolError: If it is not legal now; nothing has changed then.

        """
        kind = type(event)
        self._check_sendable(kind)
        try:
            message = client.encode(event)
        except (TypeError, ValueError, RecursionError) as error:
            raise LocalProtocolError(f"can't send {kind.__name__}: {error}") from None
        if account := _SENDING.get(kind):
            account(self, event)
        return message

    def sending_audio(self, n: int) -> None:
        """
        Account for an append that was encoded beforehand, just before it is written.

        Args:
            n: Bytes of audio in it.

        Raises:
            LocalProtocolError: As ``send`` would.

        """
        self._check_sendable(client.Append)
        if n > MAX_APPEND_BYTES:
            raise LocalProtocolError(
                f"can't send Append of {n} bytes, at most {MAX_APPEND_BYTES}: split it"
            )
        self.uncommitted_bytes += n

    def _check_sendable(self, kind: type[client.ClientEvent]) -> None:
        if kind not in SENDABLE[self.state]:
            raise LocalProtocolError(f"can't send {kind.__name__} when {self.state.name}")

    def _send_update(self, event: client.UpdateSession) -> None:
        self._asked = event.session
        self.imports.ask(event.session)
        self._take_turn_detection(event.session)
        if (audio := asked_for_audio(event.session)) is not None:
            self.audio = audio
        if not self._stated:
            self._take_formats(event.session)

    def _send_append(self, event: client.Append) -> None:
        self.sending_audio(len(event.audio))

    def _send_commit(self, _: client.Commit) -> None:
        # The reference server refuses a commit of less than 100 ms.
        if self.uncommitted_bytes * 10 < self.input_format.bytes_per_second:
            raise LocalProtocolError(
                f"can't send Commit of {self.uncommitted_seconds * 1000:.0f} ms of audio, "
                "at least 100 ms"
            )
        self.uncommitted_bytes = 0
        self._commits += 1

    def _send_clear(self, _: client.ClearBuffer) -> None:
        self.uncommitted_bytes = 0

    # What a server sends.

    def receive(self, message: bytes) -> ev.Received:
        """
        The event that ``message`` is; never raises, whatever the bytes are.

        An event under a beta name comes back as that of today. One that names no response gets the
        id of the only one being made, if there is only one.
        """
        try:
            event = decode(message)
        except UNDECODABLE:
            return self._receive_broken(message)
        return self._take_in(event)

    def _take_in(self, event: ev.ServerEvent) -> ev.ServerEvent:
        kind = type(event)
        if kind in BETA_EVENTS:
            event = self._modernise(event)
            kind = type(event)
        if kind not in EXPECTED[self.state]:
            self.deviate("unexpected", event.type)
        if not self._beta and None in astuple(event):
            self._deviations.count_missing(event)
        if event.event_id and event.event_id == self._last_event_id:
            self.deviate("duplicate", event.type)
        self._last_event_id = event.event_id
        if check := RESPONSE_EVENTS.get(kind):
            check(self._responses, event)
        elif take := _RECEIVING.get(kind):
            take(self, event)
        elif tell := IMPORT_EVENTS.get(kind):
            tell(self.imports, event)
        self.state = NEXT[self.state].get(kind, self.state)
        return event

    def deviate(self, kind: str, name: str = "") -> None:
        """
        Count what the server did wrong.

        Args:
            kind: One of ``DEVIATION_KINDS``.
            name: Wire name of the event, with a field after it if it is about one.

        """
        self._deviations.count(kind, name)

    def _receive_broken(self, message: bytes) -> ev.Received:
        event, bad = salvage(message)
        match event:
            case ev.Malformed():
                self.deviate("malformed")
            case ev.Unknown(type=name):
                self._deviations.count_unknown(name)
            case ev.ServerEvent():
                for field in bad:
                    self.deviate("bad_field", f"{event.type} {field}")
                return self._take_in(event)
        return event

    def _modernise(self, event: ev.ServerEvent) -> ev.ServerEvent:
        if not self._beta:
            self._count_beta_name(event.type)
        return modernise(event, self._responses.only_active)

    def _count_beta_name(self, name: str) -> None:
        self.deviate("beta_name", name)
        if name not in self._beta_names:
            self._beta_names.add(name)
            logger.warning("the endpoint uses the beta name %s of %s", name, ev.BETA_NAMES[name])

    def _configured(self, event: ev.SessionCreated | ev.SessionUpdated) -> None:
        stated = event.session
        if stated is None:
            return
        self._stated = True
        if isinstance(name := stated.get("id"), str):
            self.session_id = name
        if isinstance(name := stated.get("model"), str):
            self.model = name
        self._take_formats(stated)
        if isinstance(event, ev.SessionUpdated):
            self._take_turn_detection(stated)
            self._compare(stated)

    def _take_formats(self, session: dict[str, Any]) -> None:
        self.input_format = stated_format(session, "input") or self.input_format
        self.output_format = stated_format(session, "output") or self.output_format

    def _take_turn_detection(self, session: dict[str, Any]) -> None:
        self.turn_detection = stated_turn_detection(session) or self.turn_detection
        if (stated := stated_create_response(session)) is not None:
            self.creates_responses = stated

    def _compare(self, stated: dict[str, Any]) -> None:
        for name, read in NEGOTIATED.items():
            asked, granted = read(self._asked), read(stated)
            if asked is not None and granted is not None and asked != granted:
                self.deviate("config_ignored", name)
        self._asked = {}

    def _committed(self, _: ev.BufferCommitted) -> None:
        if self._commits:
            self._commits -= 1  # what was sent since our own commit is still uncommitted
        else:
            self.uncommitted_bytes = 0

    def _failed(self, event: ev.Error) -> None:
        match event.error.kind if event.error is not None else None:
            case "input_audio_buffer_commit_empty":
                self._commits = max(0, self._commits - 1)
            case "response_cancel_not_active":
                self._responses.none_active()


_SENDING: dict[type[client.ClientEvent], Callable[[Session, Any], None]] = {
    client.UpdateSession: Session._send_update,
    client.Append: Session._send_append,
    client.Commit: Session._send_commit,
    client.ClearBuffer: Session._send_clear,
}

_RECEIVING: dict[type[ev.ServerEvent], Callable[[Session, Any], None]] = {
    ev.SessionCreated: Session._configured,
    ev.SessionUpdated: Session._configured,
    ev.BufferCommitted: Session._committed,
    ev.Error: Session._failed,
}
