"""
A WebSocket on gevent: messages are written without waiting, and received in the hub.

What the hub calls must neither block nor raise, or gevent would silently stop watching the socket;
here it ends the session instead, and is counted.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic_ns

import gevent
import msgspec
from gevent.event import Event

from harness.dial import Dial, parse_url
from harness.handshake import ConnectError, Handshake, Opening, Refused
from harness.hub import hub_watch
from harness.link import READ, Link
from harness.wire import Cutter, masks, text_frame

__all__ = [
    "Closed",
    "ConnectError",
    "Handshake",
    "OnMessage",
    "Refused",
    "Transport",
    "TransportClosed",
    "connect",
]

MIB = 1 << 20
NORMAL, ABNORMAL, INTERNAL = 1000, 1006, 1011  # close codes, RFC 6455 7.4.1
TICKS = 4  # of the keepalive timer in one interval

OnMessage = Callable[[bytes, int, int], None]
"""Takes a message, its receive instant (monotonic ns), and by how much that may be late (ns)."""

_log = logging.getLogger(__name__)


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """How a session ended."""

    code: int  # the peer's; ours if we failed the session; 1006 if there was no close frame
    reason: str = ""  # the peer's
    by_us: bool  # we ended it
    clean: bool = False  # close frames went both ways
    error: str = ""  # free text, if something was wrong


class TransportClosed(Exception):
    """Nothing can be written any more."""


class Transport:
    """
    An open WebSocket; made by ``connect``.

    Attributes:
        steps: Seconds of dns, tcp, tls (under TLS) and upgrade.
        upgraded_at: When the WebSocket was open, by the answer's receive stamp, ns.
        messages_sent: Messages written.
        messages_received: Messages that came, whole.
        closed: How it ended; ``None`` while it lasts.

    """

    def __init__(
        self,
        link: Link,
        opening: Opening,
        dial: Dial,
        *,
        on_message: OnMessage,
        on_close: Callable[[Closed], None],
        high_water: int,
        ping_interval: float,
        ping_timeout: float,
    ) -> None:
        self.steps = dial.steps
        self.upgraded_at = dial.upgraded_at
        self.messages_sent = self.messages_received = 0
        self.closed: Closed | None = None
        self._link = link
        self._protocol = opening.protocol
        self._cutter = Cutter(opening.protocol)
        self._masks = masks()
        self._on_message = on_message
        self._on_close = on_close
        self._high_water = high_water
        self._ping_interval = ping_interval
        self._ping_timeout = ping_timeout
        self._silent_ticks = self._bytes_heard = 0
        self._open = True  # messages can be written
        self._compressed = bool(opening.protocol.extensions)
        self._watch = hub_watch()
        self._over = Event()
        loop = gevent.get_hub().loop
        self._readable = loop.io(link.fd, READ)
        self._ticker = loop.timer(ping_interval / TICKS, ping_interval / TICKS)
        loop.run_callback(self._guarded, self._start, opening.rest)

    @property
    def bytes_sent(self) -> int:
        """Bytes that the kernel took, handshakes included."""
        return self._link.bytes_sent

    @property
    def bytes_received(self) -> int:
        """Bytes that came over the wire, handshakes included."""
        return self._link.bytes_received

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait until the kernel takes them."""
        return self._link.queued

    def write(self, message: bytes, *following: bytes) -> int:
        """
        Send a text message; never waits, never lets another greenlet run.

        Messages ``following`` it go to the kernel in the same piece, at the same instant.

        What the kernel does not take is queued. A queue over the high-water mark fails the
        session: the peer does not read.

        Returns:
            The instant just before the kernel got it, or it was queued, ns.

        Raises:
            TransportClosed: If the session is closed, being closed, or failed by this write.

        """
        link = self._link
        if not self._open or link.write_error:
            raise TransportClosed(link.write_error or "the session is closed, or being closed")
        queued = link.queued
        if queued and queued + len(message) > self._high_water:
            error = f"the peer does not read: {queued} bytes wait to be sent"
            self._end(Closed(code=ABNORMAL, by_us=True, error=error))
            raise TransportClosed(error)
        self.messages_sent += 1 + len(following)
        if self._compressed:
            at = monotonic_ns()
            for each in (message, *following):
                self._protocol.send_text(each)
            self._send_control()
            return at
        frames = text_frame(message, next(self._masks))
        for each in following:
            frames += text_frame(each, next(self._masks))
        at = monotonic_ns()
        link.write(frames)
        return at

    def close(self, code: int = NORMAL, timeout: float = 5.0) -> Closed:
        """
        Say goodbye and wait, this greenlet only, until the peer has too; messages still arrive.

        Args:
            code: Close code to send.
            timeout: Seconds until the connection is cut without the peer's goodbye.

        """
        try:
            self._say_goodbye(code)
            if not self._over.wait(timeout):
                error = f"no close frame from the peer in {timeout:g} s"
                self._end(Closed(code=ABNORMAL, by_us=True, error=error))
        except BaseException:
            self.abort()
            raise
        assert self.closed is not None
        return self.closed

    def abort(self) -> None:
        """Say goodbye if that can be sent at once, and cut the connection, without waiting."""
        if self.closed is None:
            self._say_goodbye(NORMAL)
            self._end(Closed(code=ABNORMAL, by_us=True, error="aborted"))

    def fail(self, error: Exception) -> None:
        """End the session for a fault of our own, without waiting."""
        self._watch.internal_errors += 1
        _log.error("a session ended by an internal error", exc_info=error)
        if self.closed is None:
            self._protocol.fail(INTERNAL)
            self._send_control()
            text = f"internal: {type(error).__name__}: {error}"
            self._end(Closed(code=INTERNAL, by_us=True, error=text))

    def _guarded(self, act: Callable[..., None], *arguments: bytes) -> None:
        """What the hub calls here, it calls through this: a fault ends the session, not the hub."""
        try:
            act(*arguments)
        except Exception as error:  # noqa: BLE001
            self.fail(error)
        except BaseException:  # Ctrl-C strikes anywhere
            self.abort()
            raise

    def _start(self, rest: bytes) -> None:
        """Begin to receive, with what came together with the handshake's answer."""
        if self.closed is not None:
            return
        self._readable.start(self._guarded, self._read)
        self._ticker.start(self._guarded, self._tick)
        if rest:
            self._receive(rest, self.upgraded_at)

    def _read(self) -> None:
        try:
            data, at = self._link.read()
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error.strerror or str(error))
            return
        if data:
            self._receive(data, at)
        else:
            self._lost("")
        self._watch.read_lag.add((monotonic_ns() - at) / 1e9)

    def _receive(self, data: bytes, at: int) -> None:
        cutter = self._cutter
        messages = cutter.feed(data)
        self.messages_received += len(messages)
        if cutter.handed_over and cutter.over:
            self._open = False  # already for what on_message does with the messages before it
        if len(messages) == 1 and cutter.whole:
            self._on_message(messages[0], at, 0)
        elif messages:
            self._deliver(messages, at)
        if cutter.handed_over and self.closed is None:
            self._send_control()
            self._heed_end()

    def _deliver(self, messages: list[bytes], at: int) -> None:
        """
        Hand on messages that came in one read.

        They share one stamp, that of the last segment: only a message that ends the read is sure
        to have come then.
        """
        slack = self._watch.slack(at)
        exact = len(messages) - 1 if self._cutter.whole else len(messages)
        for place, message in enumerate(messages):
            if self.closed is not None:
                return
            self._on_message(message, at, 0 if place == exact else slack)

    def _tick(self) -> None:
        """Ping a silent peer; give it up when it stays silent. Anything it sends is a life sign."""
        if self._link.bytes_received != self._bytes_heard:
            self._bytes_heard, self._silent_ticks = self._link.bytes_received, 0
            return
        self._silent_ticks += 1
        silence = self._silent_ticks * self._ping_interval / TICKS
        if silence >= self._ping_interval + self._ping_timeout:
            error = f"nothing received for {silence:g} s"
            self._end(Closed(code=ABNORMAL, by_us=False, error=error))
        elif self._silent_ticks % TICKS == 0 and self._open:
            self._protocol.send_ping(b"")
            self._send_control()

    def _say_goodbye(self, code: int) -> None:
        if self._open:
            self._protocol.send_close(code)
            self._open = False
            self._send_control()

    def _send_control(self) -> None:
        """Send what the protocol wants to: pongs, pings, close frames, compressed messages."""
        for data in self._protocol.data_to_send():
            if data:  # empty: half-close; the connection is closed whole instead
                self._link.write(data)

    def _heed_end(self) -> None:
        """End the session if the peer has said goodbye, or violated the protocol."""
        protocol = self._protocol
        if protocol.parser_exc is not None:
            code = protocol.close_sent.code if protocol.close_sent else ABNORMAL
            error = f"the peer violated the protocol: {protocol.parser_exc}"
            self._end(Closed(code=code, by_us=True, error=error))
        elif (goodbye := protocol.close_rcvd) is not None:
            first = not protocol.close_rcvd_then_sent
            self._end(Closed(code=goodbye.code, reason=goodbye.reason, by_us=first, clean=True))

    def _lost(self, why: str) -> None:
        why = why or self._link.write_error or "the peer ended it without a close frame"
        where = " in the middle of a message" if self._cutter.mid_message else ""
        error = f"connection lost{where}: {why}"
        self._end(Closed(code=ABNORMAL, by_us=not self._open, error=error))

    def _end(self, closed: Closed) -> None:
        if self.closed is not None:
            return
        self.closed, self._open = closed, False
        self._readable.close()
        self._ticker.close()
        self._link.close()
        try:
            self._on_close(closed)
        except Exception as error:  # noqa: BLE001
            self.fail(error)
        finally:
            self._over.set()


def connect(
    url: str,
    *,
    on_message: OnMessage,
    on_close: Callable[[Closed], None],
    headers: Sequence[tuple[str, str]] = (),
    subprotocols: Sequence[str] = (),
    ca_file: Path | None = None,
    timeout: float = 10.0,
    max_size: int = 64 * MIB,
    high_water: int = 4 * MIB,
    ping_interval: float = 20.0,
    ping_timeout: float = 20.0,
    compression: bool = False,
) -> Transport:
    """
    Dial a WebSocket; other greenlets run meanwhile.

    Args:
        url: ``ws://…`` or ``wss://…``.
        on_message: Called in the hub, never before this returns: it must not block. Binary
            messages come as text does, and UTF-8 is for its decoder to check.
        on_close: Called once, after the last message; it must not block either.
        headers: Of the handshake.
        subprotocols: To offer.
        ca_file: Certificates to trust instead of the system's.
        timeout: Seconds until the WebSocket must be open.
        max_size: Bytes of the longest message accepted.
        high_water: Bytes that may wait to be sent; more fail the session.
        ping_interval: Seconds of silence after which the peer is asked for a life sign.
        ping_timeout: Seconds it has for that.
        compression: Offer permessage-deflate; doubles the CPU time of a session.

    Raises:
        Refused: If the server answered with something else.
        ConnectError: If there is no WebSocket for another reason.

    """
    uri = parse_url(url)
    opening = Opening(
        uri, headers=headers, subprotocols=subprotocols, max_size=max_size, compression=compression
    )
    dial = Dial(uri, opening, ca_file)
    return Transport(
        dial.run(timeout),
        opening,
        dial,
        on_message=on_message,
        on_close=on_close,
        high_water=high_water,
        ping_interval=ping_interval,
        ping_timeout=ping_timeout,
    )
