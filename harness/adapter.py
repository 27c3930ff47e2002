"""
One realtime session that one can talk and listen through: a protocol session over a transport.

Two ways to use it. A ``Call`` follows its events as they are folded into turns. Scripts and tests
use its blocking verbs: ``send_audio``, ``recv_audio``, ``send_text``, ``interrupt``; greenlets make
them concurrent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from types import TracebackType
from typing import Any, Self

import numpy as np
from gevent.event import Event

from harness.audio import AudioChunk, encode_audio
from harness.health import census
from harness.options import Workload
from harness.realtime.configuration import session_update
from harness.realtime.dialects import Endpoint
from harness.realtime.errors import ServerError, close_code, http_code
from harness.realtime.events import (
    AudioDelta,
    CancelResponse,
    ClientEvent,
    Commit,
    CreateItem,
    CreateResponse,
    Error,
    Received,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    UpdateSession,
)
from harness.realtime.session import Session, State, split_append
from harness.records import Phase, SessionOutcome
from harness.transport import Closed, ConnectError, Refused, Transport, TransportClosed, connect

__all__ = ["NotConnected", "RealtimeAdapter", "SessionFailed"]

Listener = Callable[[Received, int, int], bool]


class NotConnected(RuntimeError):
    """A verb was used before ``connect`` or after the session ended."""


class SessionFailed(Exception):
    """
    A session did not come about; the message is one line, without a key.

    Attributes:
        outcome: As it is recorded.
        phase: What was being waited for, if that took too long.
        code: ``http_401``, the endpoint's error code, ``close_1008``, or the step that failed.

    """

    def __init__(
        self, outcome: SessionOutcome, message: str, *, code: str, phase: Phase | None = None
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.phase = phase
        self.code = code


class RealtimeAdapter:
    """
    A realtime session.

    Args:
        endpoint: Where it is, and with what key.
        workload: Model, voice, formats, limits.
        tools: Function schemas offered to the endpoint.
        instructions: Instead of the workload's.
        listener: Called in the hub with each event, its receive instant and its uncertainty (ns);
            returns whether a waiting greenlet should look.

    """

    def __init__(
        self,
        endpoint: Endpoint,
        workload: Workload,
        *,
        tools: list[dict[str, Any]] | None = None,
        instructions: str | None = None,
        listener: Listener | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.workload = workload
        self.session = self._new_session()
        self.transport: Transport | None = None
        self.closed: Closed | None = None
        self.steps: dict[str, float | None] = {}
        self.upgraded_at: int | None = None
        self.last_error: ServerError | None = None
        self.errors: dict[str, int] = {}
        self._tools = tools or []
        self._instructions = workload.instructions if instructions is None else instructions
        self._listener = listener or self._keep
        self._changed = Event()
        self._audio: deque[bytes] = deque()
        self._odd = b""
        self._heard: str | None = None  # the response whose audio recv_audio returns
        self._answered = True
        self._pending_audio = False

    def __repr__(self) -> str:
        return f"RealtimeAdapter({self.endpoint!r}, {self.session.state.name})"

    def _new_session(self) -> Session:
        audio_format = self.workload.audio_format
        return Session(
            model=self.workload.model, input_format=audio_format, output_format=audio_format
        )

    # Connecting.

    def connect(self) -> None:
        """
        Dial, and wait until the session is configured.

        Raises:
            SessionFailed: If the endpoint can't be reached, refuses or takes too long.

        """
        self.session = self._new_session()
        self._audio.clear()
        self._odd, self._heard, self._answered, self._pending_audio = b"", None, True, False
        self.closed = self.last_error = None
        self._dial()
        limit = self.workload.timeouts.session
        upgraded_at = self.upgraded_at or monotonic_ns()
        deadline = upgraded_at + int(limit * 1e9)
        self._reach(State.CREATED, deadline, "session.created")
        self.steps["created"] = (monotonic_ns() - upgraded_at) / 1e9
        self.send(UpdateSession(session=self._configuration()))
        self._reach(State.READY, deadline, "session.updated")
        self.steps["updated"] = (monotonic_ns() - upgraded_at) / 1e9

    def _dial(self) -> None:
        dial, limit = self.endpoint.dial(), self.workload.timeouts.connect
        try:
            self.transport = connect(
                dial.url,
                headers=dial.headers,
                subprotocols=dial.subprotocols,
                ca_file=self.endpoint.ca_file,
                timeout=limit,
                on_message=self._on_message,
                on_close=self._on_close,
            )
        except Refused as refusal:
            code = http_code(refusal.handshake.status)
            raise SessionFailed(SessionOutcome.REFUSED, str(refusal), code=code) from None
        except ConnectError as error:
            if error.timed_out:
                raise SessionFailed(
                    SessionOutcome.TIMEOUT, str(error), code=error.step, phase=Phase.CONNECT
                ) from None
            raise SessionFailed(SessionOutcome.REFUSED, str(error), code=error.step) from None
        self.upgraded_at = self.transport.upgraded_at
        census().transports.add(self.transport)
        self.steps.update(self.transport.steps)
        self.session.opened()

    def _configuration(self) -> dict[str, Any]:
        workload = self.workload
        return session_update(
            dialect=self.endpoint.dialect,
            voice=workload.voice,
            instructions=self._instructions,
            turn_detection=workload.turn_detection,
            audio_format=workload.audio_format,
            transcription=workload.transcription,
            tools=self._tools,
            tool_choice=workload.tool_choice,
            override=workload.session,
        )

    def _reach(self, state: State, deadline: int, name: str) -> None:
        """Wait until the session has come so far."""
        wanted = (state, State.READY)
        while self.session.state not in wanted:
            if self.closed is not None or self.last_error is not None:
                raise self._refusal(name)
            if not self.wait(deadline):
                self.abort()
                raise SessionFailed(
                    SessionOutcome.TIMEOUT,
                    f"no {name} within {self.workload.timeouts.session:g} s of the upgrade",
                    code=name,
                    phase=Phase.SESSION,
                )

    def _refusal(self, name: str) -> SessionFailed:
        error, closed = self.last_error, self.closed
        self.abort()
        if error is not None:
            return SessionFailed(SessionOutcome.REFUSED, str(error), code=error.kind)
        assert closed is not None
        said = f": {closed.reason or closed.error}" if closed.reason or closed.error else ""
        return SessionFailed(
            SessionOutcome.REFUSED,
            f"closed with {closed.code} before {name}{said}",
            code=close_code(closed.code or 1006),
        )

    # What comes in, called in the hub.

    def _on_message(self, data: bytes, at: int, uncertainty: int) -> None:
        session = self.session
        before = session.state
        event = session.receive(data)
        if type(event) is Error:
            self._count(event)
        if self._listener(event, at, uncertainty) or before is not State.READY:
            self._changed.set()

    def _on_close(self, closed: Closed) -> None:
        self.closed = closed
        self.session.closed()
        if self.transport is not None:
            census().transports.discard(self.transport)
        self._changed.set()

    def _count(self, event: Error) -> None:
        error = ServerError(event.error)
        self.errors[error.kind] = self.errors.get(error.kind, 0) + 1
        self.last_error = error

    # What goes out.

    def send(self, event: ClientEvent) -> int:
        """
        Send one event; return the instant at which it was written (ns).

        Raises:
            NotConnected: If there is no session.
            LocalProtocolError: If it is not legal now.

        """
        transport = self.transport
        if transport is None or self.closed is not None:
            raise NotConnected("not connected")
        message = self.session.send(event)
        try:
            return transport.write(message)
        except TransportClosed:
            raise NotConnected("not connected: the session has ended") from None

    def write(self, message: bytes, *following: bytes) -> int:
        """Send what is encoded already, in one piece; account for it with ``Session``."""
        assert self.transport is not None
        return self.transport.write(message, *following)

    def wait(self, until: int) -> bool:
        """Sleep until something happened, or until an instant (ns); return whether it did."""
        happened = self._changed.wait(max(0.0, (until - monotonic_ns()) / 1e9))
        self._changed.clear()
        return happened

    def notify(self) -> None:
        """Wake the greenlet that waits."""
        self._changed.set()

    # Ending.

    def disconnect(self, timeout: float | None = None) -> Closed | None:
        """Hang up: close, and hear what still comes until the endpoint closes too; idempotent."""
        transport = self.transport
        if transport is None:
            return None
        if self.closed is None:
            if self.session.state not in (State.CLOSING, State.CLOSED):
                self.session.closing()
            limit = self.workload.timeouts.close if timeout is None else timeout
            self.closed = transport.close(timeout=limit)
        census().transports.discard(transport)
        return self.closed

    def abort(self) -> None:
        """Drop the connection at once, without a switch; idempotent."""
        if self.transport is not None:
            self.transport.abort()
            census().transports.discard(self.transport)

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disconnect()

    # The verbs of scripts and tests.

    def send_audio(self, chunk: AudioChunk) -> None:
        """Append audio of the caller; it is committed by the next ``recv_audio``."""
        samples = np.frombuffer(chunk.data, dtype="<i2")
        audio = encode_audio(samples, self.session.input_format)
        for append in split_append(audio, self.session.input_format):
            self.send(append)
        self._pending_audio = True

    def send_text(self, text: str) -> None:
        """Say something in writing, and ask for an answer."""
        content = [{"type": "input_text", "text": text}]
        self.send(CreateItem(item={"type": "message", "role": "user", "content": content}))
        self._ask()

    def interrupt(self) -> None:
        """Stop the answer that is being made; what still comes of it is not heard."""
        if self.session.active:
            self.send(CancelResponse())
        self._heard, self._answered = None, True
        self._audio.clear()

    def recv_audio(self, timeout: float = 60.0) -> AudioChunk:
        """
        The next audio of the answer; empty when the answer is complete.

        Raises:
            NotConnected: If the session is gone and all that was received has been returned.
            TimeoutError: If nothing came in time.

        """
        if self._pending_audio and self.session.uncommitted_bytes:
            self._pending_audio = False
            self.send(Commit())
            self._ask()
        deadline = monotonic_ns() + int(timeout * 1e9)
        while not self._audio and not self._answered:
            if self.closed is not None:
                raise NotConnected(f"the session has ended: close code {self.closed.code}")
            if not self.wait(deadline):
                raise TimeoutError(f"no audio within {timeout:g} s")
        return self._take_audio()

    def _take_audio(self) -> AudioChunk:
        """All audio that has come, whole samples; half a sample waits for its other half."""
        data = self._odd + b"".join(self._audio)
        self._audio.clear()
        usable = len(data) - len(data) % 2
        self._odd = data[usable:]
        return AudioChunk(data[:usable])

    def _ask(self) -> None:
        self._answered, self._heard, self._odd = False, None, b""
        self._audio.clear()
        self.send(CreateResponse())

    def _keep(self, event: Received, at: int, uncertainty: int) -> bool:
        """What the verbs listen for: the audio and the end of the response they asked for."""
        match event:
            case ResponseCreated(response=response) if not self._answered:
                self._heard = self._heard or (response.id if response else None)
            case AudioDelta(response_id=name, delta=delta) if name == self._heard:
                self._audio.append(delta)
            case ResponseDone(response=response) if response and response.id == self._heard:
                self._answered = True
        return isinstance(event, ServerEvent)
