"""One client's WebSocket: its messages go to its session, what is due goes to it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from harness.simulator.agenda import NEVER
from harness.simulator.outbound import Framing, Out
from harness.simulator.session import SimulatedSession

if TYPE_CHECKING:
    from harness.simulator.access import Admitted
    from harness.simulator.endpoint import Endpoint
    from harness.simulator.schedule import Schedule

__all__ = ["Connection"]

_MAX_UNREAD = 32 * 1024 * 1024  # bytes: a client that reads nothing is cut off
_READ_FOR = 0.05  # seconds that an endpoint which reads slowly does
_NORMAL, _WITHOUT_A_WORD = 1000, 1006
_GIGABYTE = (1 << 30).to_bytes(8, "big")


class Connection(WSListener):
    """
    One client.

    Args:
        endpoint: That it talks to.
        admitted: On what terms.
        schedule: That wakes it.
        connections: Those that are open; it is one of them while it is.

    """

    def __init__(
        self,
        endpoint: Endpoint,
        admitted: Admitted,
        schedule: Schedule,
        connections: set[Connection],
    ) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._admitted = admitted
        self._schedule = schedule
        self._connections = connections
        self._fragments = b""
        self._session: SimulatedSession | None = None
        self._wakes_at = NEVER  # ns
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The upgrade is done: the session begins."""
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=_MAX_UNREAD)
        self._connections.add(self)
        now = time.monotonic_ns()
        self._session = SimulatedSession(
            self._endpoint,
            self._admitted.config,
            now,
            int(time.time()),
            beta=self._admitted.beta,
        )
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
        self._schedule.run()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is gone."""
        self._end()
        self._connections.discard(self)

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
        is_lost = transport.underlying_transport.is_closing
        # Who vanished is found out by a send that fails, some time before it is said.
        while not is_lost() and (out := session.take(time.monotonic_ns())) is not None:
            session.sent(out, time.monotonic_ns())
            if out.framing is Framing.WHOLE:
                transport.send(WSMsgType.TEXT, out.message)
            else:
                _send_framed(transport, out)
        if is_lost():
            self._end()
        elif session.closing is not None:
            self.close(*session.closing)
        elif (due := session.due) is not None and due < self._wakes_at:
            self._wakes_at = due
            self._schedule.add(self, due)

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
