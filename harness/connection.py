"""
One configured realtime session over a transport: dial, configure, send, wait, hang up.

What comes in goes to a listener, in the hub; a greenlet that waits is woken when the listener says
that it should look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from time import monotonic_ns
from types import TracebackType
from typing import Any, Self

from gevent.event import Event

from harness.ephemeral import STEP, ephemeral_key
from harness.failing import SessionFailed, refused, too_late, unreached
from harness.health import census
from harness.realtime.client_events import ClientEvent, UpdateSession
from harness.realtime.codes import close_code
from harness.realtime.configuration import session_update
from harness.realtime.endpoint import Endpoint
from harness.realtime.errors import ServerError
from harness.realtime.events import Error, Received
from harness.realtime.session import Session
from harness.realtime.states import State
from harness.transport import Closed, ConnectError, Transport, TransportClosed, connect
from harness.workload import Workload

__all__ = ["Connection", "Listener", "NotConnected", "SessionFailed"]

logger = logging.getLogger("harness.realtime")

KEPT_CODES = 64  # error codes told apart; a server may make up new ones without end
OTHER = "other"
SHORTEST_DIAL = 0.05  # seconds left to dial when getting a key took all the time there was
LAST_WORDS = 1.0  # seconds that a server that refuses a session has to close it, with its own code
LONGEST_MESSAGE = 500
SILENT_NS = 2_000_000_000  # an endpoint that begins no import for so long makes none
PARTING_NS = 5_000_000_000  # an error further back is not why the session was closed

Listener = Callable[[Received, int, int], bool]
"""Takes an event, its receive instant and its uncertainty (ns); whether a greenlet should look."""


class NotConnected(RuntimeError):
    """There is no session yet, or none any more."""


class Connection:
    """
    A realtime session, used as a context manager or by ``connect`` and ``disconnect``.

    Args:
        endpoint: Where it is, and with what key.
        workload: Model, voice, formats, limits.
        listener: Called in the hub: it must neither block nor raise.
        tools: Function schemas offered to the endpoint.
        instructions: Instead of the workload's.

    Attributes:
        session: What may be sent and received; a new one for each ``connect``.
        transport: What it goes over; ``None`` before.
        closed: How the session ended; ``None`` while it lasts.
        steps: Seconds of each step of connecting.
        upgraded_at: When the WebSocket was open, ns.
        errors: Error events by code.
        last_error: The last of them.
        parting_error: The same, if the endpoint closed the session right after it.
        goodbye_late: We hung up, and the endpoint did not in time.

    """

    def __init__(
        self,
        endpoint: Endpoint,
        workload: Workload,
        *,
        listener: Listener,
        tools: Sequence[dict[str, Any]] = (),
        instructions: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.workload = workload
        self.transport: Transport | None = None
        self._tools = tools
        self._instructions = workload.instructions if instructions is None else instructions
        self._listener = listener
        self._changed = Event()
        self._reset()

    def _reset(self) -> None:
        """Nothing of an earlier session stays."""
        audio_format = self.workload.audio_format
        self.session = Session(
            model=self.workload.model,
            input_format=audio_format,
            output_format=audio_format,
            beta=self.endpoint.beta,
        )
        self.transport = None
        self._dialled = self.endpoint
        self.closed: Closed | None = None
        self.steps: dict[str, float | None] = {}
        self.upgraded_at: int | None = None
        self.errors: dict[str, int] = {}
        self.last_error: ServerError | None = None
        self.parting_error: ServerError | None = None
        self.goodbye_late = False
        self._erred_at = 0
        self._importing = False  # the caller waits for tools
        self._changed.clear()

    # Connecting.

    def connect(self) -> None:
        """
        Dial, and wait until the session is configured, and has the tools of its MCP servers.

        A session whose tools are not imported within its limit is usable all the same.

        Raises:
            SessionFailed: If the endpoint can't be reached, refuses or takes too long.

        """
        self.abort()
        self._reset()
        try:
            upgraded_at = self._dial()
            self._configure(upgraded_at)
        except BaseException:
            self.abort()
            raise

    def _configure(self, upgraded_at: int) -> None:
        limit = int(self.workload.timeouts.session * 1e9)
        # Some servers create a session only when they are told of its configuration.
        if self._reach(State.CREATED, upgraded_at + limit // 2):
            self.steps["created"] = (monotonic_ns() - upgraded_at) / 1e9
        self.send(UpdateSession(session=self._configuration()))
        if not self._reach(State.READY, upgraded_at + limit):
            raise too_late(self._awaited, self.workload.timeouts.session)
        self.steps["updated"] = (monotonic_ns() - upgraded_at) / 1e9
        self._import_tools(upgraded_at + limit)
        if self.session.imports.complete:
            self.steps["tools"] = (monotonic_ns() - upgraded_at) / 1e9

    def _import_tools(self, deadline: int) -> None:
        """Wait for the tools of MCP servers: an answer before lacks them, and would look fast."""
        imports, begun_by = self.session.imports, monotonic_ns() + SILENT_NS
        self._importing = True
        while imports.pending and self.closed is None:
            if not self.wait(deadline if imports.begun else min(begun_by, deadline)):
                imports.give_up()
        self._importing = False
        if "ignored" in imports.outcomes.values():
            self.session.deviate("config_ignored", "tools")
        for complaint in imports.complaints:
            logger.warning("%s", complaint)

    def _dial(self) -> int:
        """Open the WebSocket; return when it was open."""
        limit = self.workload.timeouts.connect
        try:
            if self.workload.ephemeral_keys:
                limit -= self._ask_for_key(limit)
            request = self._dialled.upgrade_request()
            transport = connect(
                request.url,
                headers=request.headers,
                subprotocols=request.subprotocols,
                ca_file=self.endpoint.ca_file,
                timeout=max(limit, SHORTEST_DIAL),
                on_message=self._on_message,
                on_close=self._on_close,
            )
        except ConnectError as error:
            raise unreached(error) from None
        census().transports.add(transport)
        self.transport = transport
        self.upgraded_at = transport.upgraded_at
        self.steps.update(transport.steps)
        self.session.opened()
        return transport.upgraded_at

    def _ask_for_key(self, limit: float) -> float:
        """Dial with a key of short life; return the seconds it took to get it."""
        begin = monotonic_ns()
        key = ephemeral_key(self.endpoint, limit)
        self._dialled = self.endpoint.with_key(key, ephemeral=True)
        took = self.steps[STEP] = (monotonic_ns() - begin) / 1e9
        return took

    def _configuration(self) -> dict[str, Any]:
        workload = self.workload
        return session_update(
            beta=self.endpoint.beta,
            voice=workload.voice,
            instructions=self._instructions,
            turn_detection=workload.turn_detection,
            audio_format=workload.audio_format,
            transcription=workload.transcription,
            tools=self._tools,
            tool_choice=workload.tool_choice,
            override=workload.session,
        )

    def _reach(self, state: State, deadline: int) -> bool:
        """
        Wait until the session has come so far; whether it has by ``deadline``.

        Raises:
            SessionFailed: If the endpoint refuses.

        """
        while self.session.state not in (state, State.READY):
            if self.closed is not None or self.last_error is not None:
                raise self._refusal()
            if not self.wait(deadline):
                return False
        return True

    @property
    def _awaited(self) -> str:
        """The event that the configuration waits for."""
        return "session.updated" if "created" in self.steps else "session.created"

    def _refusal(self) -> SessionFailed:
        error, awaited = self.last_error, self._awaited
        closed = self.disconnect(LAST_WORDS)
        if error is not None:
            return refused(self.one_line(str(error)), error.kind)
        assert closed is not None
        said = closed.reason or closed.error
        text = f"closed with {closed.code} before {awaited}" + (f": {said}" if said else "")
        return refused(self.one_line(text), close_code(closed.code))

    def one_line(self, text: str) -> str:
        """What a server said, fit for a message: without line breaks and our secrets."""
        text = self._dialled.redact(self.endpoint.redact(text))
        return " ".join(text.split())[:LONGEST_MESSAGE]

    # What comes in, called in the hub.

    def _on_message(self, data: bytes, at: int, uncertainty: int) -> None:
        session = self.session
        before = session.state
        event = session.receive(data)
        if type(event) is Error:
            self._count(event, at)
        setting_up = before is not State.READY or self._importing
        if self._listener(event, at, uncertainty) or setting_up:
            self._changed.set()

    def _on_close(self, closed: Closed) -> None:
        self.closed = closed
        error, recent = self.last_error, monotonic_ns() - self._erred_at < PARTING_NS
        if error is not None and (recent or error.session_over):
            self.parting_error = error
        self.session.closed()
        if self.transport is not None:
            census().transports.discard(self.transport)
        self._changed.set()

    def _count(self, event: Error, at: int) -> None:
        error = self.last_error = ServerError(event.error)
        self._erred_at = at
        known = error.kind in self.errors or len(self.errors) < KEPT_CODES
        code = error.kind if known else OTHER
        self.errors[code] = self.errors.get(code, 0) + 1

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

    @property
    def write(self) -> Callable[..., int]:
        """Sends what is encoded already, in one piece; account for it with ``Session``."""
        assert self.transport is not None
        return self.transport.write

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
            begin = monotonic_ns()
            self.closed = transport.close(timeout=limit)
            self.goodbye_late = not self.closed.clean and monotonic_ns() - begin >= limit * 1e9
        census().transports.discard(transport)
        return self.closed

    def abort(self) -> None:
        """Drop the connection at once, without a switch; idempotent."""
        if self.transport is not None:
            self.transport.abort()
            census().transports.discard(self.transport)

    def fail(self, error: Exception) -> None:
        """End the session for a fault of our own, without a switch."""
        if self.transport is not None:
            self.transport.fail(error)

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
