"""The socket side of a simulated endpoint: an asyncio server that owns the clock."""

from __future__ import annotations

import asyncio
import heapq
import socket
import ssl
import time
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from itertools import count

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from harness.simulator.access import Access, Admitted, Denied
from harness.simulator.agenda import NEVER
from harness.simulator.behaviour import SimulatedSession
from harness.simulator.config import SessionConfig
from harness.simulator.door import Door, Held
from harness.simulator.endpoint import Endpoint
from harness.simulator.front import Front
from harness.simulator.outbound import Framing, Out
from harness.simulator.pages import Page

__all__ = ["Connection", "Server"]

_MAX_MESSAGE = 24 * 1024 * 1024  # bytes: an append of 15 MiB in base64
_MAX_UNREAD = 32 * 1024 * 1024  # bytes: a client that reads nothing is cut off
_BACKLOG = 4096  # connections that wait to be accepted: a swarm dials at once
_KEPT = 1000  # entries of the schedule that are never looked through
_FAREWELL = 1.0  # seconds clients have to answer our close
_READ_FOR = 0.05  # seconds that an endpoint which reads slowly does
_NORMAL, _GOING_AWAY, _WITHOUT_A_WORD = 1000, 1001, 1006
_GIGABYTE = (1 << 30).to_bytes(8, "big")


class Connection(WSListener):
    """One client: its messages go to its session, what is due goes to it."""

    def __init__(self, server: Server, config: SessionConfig) -> None:
        super().__init__()
        self._server = server
        self._config = config
        self._fragments = b""
        self._session: SimulatedSession | None = None
        self._wakes_at = NEVER  # ns
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The upgrade is done: the session begins."""
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=_MAX_UNREAD)
        self._server.connections.add(self)
        now = time.monotonic_ns()
        self._session = SimulatedSession(self._server.endpoint, self._config, now, int(time.time()))
        if self._session.read_every is not None:
            self._stop_reading(self._session.read_every)
        self.flush()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame was read."""
        at = time.monotonic_ns()
        if frame.msg_type == WSMsgType.CLOSE:
            self.close(frame.get_close_code().value or _NORMAL)
            transport.disconnect()
            return
        if (session := self._session) is None:
            return
        match frame.msg_type:
            case WSMsgType.TEXT if frame.fin:
                session.receive(frame.get_payload_as_memoryview(), at)
            case WSMsgType.TEXT | WSMsgType.CONTINUATION:
                self._fragments += frame.get_payload_as_bytes()
                if frame.fin:
                    message, self._fragments = self._fragments, b""
                    session.receive(message, at)
            case WSMsgType.BINARY:
                session.refuse("invalid_json", "Events are text messages.")
        self.flush()
        # Frames of many clients are read in one go: what falls due while that lasts goes out.
        self._server.run_due()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is gone."""
        self._end()
        self._server.connections.discard(self)

    def pause_writing(self) -> None:
        """Too much is unread."""
        self.abort()

    def resume_writing(self) -> None:
        """Of no use: the connection is being cut."""

    def flush(self) -> None:
        """Send what is due."""
        session, transport = self._session, self._transport
        if session is None or transport is None:
            return
        while (out := session.take(time.monotonic_ns())) is not None:
            session.sent(out, time.monotonic_ns())
            if out.framing is Framing.WHOLE:
                transport.send(WSMsgType.TEXT, out.message)
            else:
                _send_framed(transport, out)
        if session.closing is not None:
            self.close(*session.closing)
        elif (due := session.due) is not None and due < self._wakes_at:
            self._wakes_at = due
            self._server.schedule(self, due)

    def wake(self) -> None:
        """Its time has come."""
        self._wakes_at = NEVER
        self.flush()

    def close(self, code: int, reason: str = "") -> None:
        """End the session and say so; the client's answer ends the connection."""
        self._end()
        if code == _WITHOUT_A_WORD:
            self.abort()
        elif self._transport is not None:
            self._transport.send_close(WSCloseCode(code), reason)

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _stop_reading(self, every: float) -> None:
        """Read for a moment only, once in ``every`` seconds."""
        if self._session is not None and self._transport is not None:
            self._transport.underlying_transport.pause_reading()
            asyncio.get_running_loop().call_later(every, self._read_on, every)

    def _read_on(self, every: float) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.resume_reading()
            asyncio.get_running_loop().call_later(_READ_FOR, self._stop_reading, every)

    def _end(self) -> None:
        if self._session is not None:
            self._session.end()
            self._session = None


def _send_framed(transport: WSTransport, out: Out) -> None:
    """Send a message otherwise than in one frame of its length."""
    if out.framing is Framing.ENDLESS:
        transport.underlying_transport.write(b"\x81\x7f" + _GIGABYTE + out.message)
        return
    third = -(-len(out.message) // 3)
    transport.send(WSMsgType.TEXT, out.message[:third], fin=False)
    transport.send(WSMsgType.CONTINUATION, out.message[third : 2 * third], fin=False)
    transport.send(WSMsgType.CONTINUATION, out.message[2 * third :])


class Server:
    """
    Serves an endpoint.

    Args:
        endpoint: What answers.
        access: Who may connect.

    """

    def __init__(self, endpoint: Endpoint, access: Access) -> None:
        self.endpoint = endpoint
        self.connections: set[Connection] = set()
        self._door = Door(endpoint, access)
        self._schedule: list[tuple[int, int, Connection]] = []
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = NEVER
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """
        Begin to listen.

        Returns:
            The port.

        Raises:
            OSError: If the address can't be bound.

        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # The options it does not know itself go to the loop, which is ours.
        self._server = await ws_create_server(
            self._answer,
            sock=bound,
            ssl=tls,
            max_frame_size=_MAX_MESSAGE,
            backlog=_BACKLOG,
            use_aiofastnet=False,
            front=partial(Front, post=self._post),
        )
        return int(bound.getsockname()[1])

    async def close(self) -> None:
        """Say goodbye to all clients, and wait a moment for theirs."""
        assert self._server is not None
        self._server.close()
        for connection in list(self.connections):
            connection.close(_GOING_AWAY, "the simulator was stopped")
        deadline = time.monotonic() + _FAREWELL
        while self.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()

    def schedule(self, connection: Connection, due: int) -> None:
        """Wake ``connection`` at ``due``."""
        heapq.heappush(self._schedule, (due, next(self._order), connection))
        if len(self._schedule) > 4 * len(self.connections) + _KEPT:
            self._forget_the_gone()
        if due < self._timer_due:
            self._set_timer(due)

    def run_due(self) -> None:
        """Wake the connections whose time has come."""
        while self._schedule and self._schedule[0][0] <= time.monotonic_ns():
            heapq.heappop(self._schedule)[2].wake()

    def _forget_the_gone(self) -> None:
        """Sessions that ended long before they would have expired."""
        self._schedule = [entry for entry in self._schedule if entry[2] in self.connections]
        heapq.heapify(self._schedule)

    def _set_timer(self, due: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = asyncio.get_running_loop().call_at(due / 1e9, self._on_timer)

    def _on_timer(self) -> None:
        # What is scheduled meanwhile sets no timer: the first of all is known at the end.
        self._timer, self._timer_due = None, 0
        try:
            self.run_due()
        finally:
            self._timer_due = NEVER
            if self._schedule:
                self._set_timer(self._schedule[0][0])

    def _answer(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        """Upgrade a request, answer a page, refuse, or stay silent."""
        target, headers = request.path.decode("latin-1"), request.headers
        # The library takes no other word for it; browsers and proxies say "keep-alive, Upgrade".
        if "upgrade" in headers.get("Connection", "").lower():
            headers["Connection"] = "Upgrade"
        answer = self._door.answer(target, headers, time.monotonic_ns(), int(time.time()))
        match answer:
            case Admitted(protocol=protocol):
                chosen = {"Sec-WebSocket-Protocol": protocol} if protocol else None
                response = WSUpgradeResponse.create_101_response(chosen)
                return WSUpgradeResponseWithListener(response, Connection(self, answer.config))
            case Denied():
                response = WSUpgradeResponse.create_error_response(
                    HTTPStatus(answer.status), answer.body, answer.headers
                )
            case Page():
                response = WSUpgradeResponse.create_ok_response(
                    answer.body, {"Content-Type": answer.content_type}
                )
            case Held():
                return WSUpgradeResponseWithListener(_silence(), WSListener())
        return WSUpgradeResponseWithListener(response, None)

    def _post(self, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Answer a POST."""
        answer = self._door.post(target, headers, body, int(time.time()))
        if isinstance(answer, Page):
            more = {"Content-Type": answer.content_type, "Connection": "close"}
            return bytes(WSUpgradeResponse.create_ok_response(answer.body, more).to_bytes())
        more = {**answer.headers, "Connection": "close"}
        refusal = WSUpgradeResponse.create_error_response(answer.status, answer.body, more)
        return bytes(refusal.to_bytes())


class _Silence(WSUpgradeResponse):
    """An answer of no bytes: the handshake stays open."""

    def to_bytes(self) -> bytearray:
        return bytearray()


def _silence() -> WSUpgradeResponse:
    silence = _Silence()
    upgrade = WSUpgradeResponse.create_101_response()
    silence.status, silence.headers = upgrade.status, upgrade.headers
    return silence
