"""A TCP connection on the hub, in clear or under TLS: reads with kernel stamps, never blocks."""

import contextlib
import ssl
from functools import cache
from pathlib import Path
from socket import IPPROTO_TCP, SOL_SOCKET, TCP_NODELAY
from socket import socket as Socket  # noqa: N812
from struct import Struct
from time import monotonic_ns, time_ns

import gevent

__all__ = ["READ", "WRITE", "Link", "TlsLink", "tls_context", "wait"]

READ, WRITE = 1, 2  # libev's

SO_TIMESTAMPNS = 35  # Linux; the socket module has no name for it
ANCILLARY_BYTES = 40
READ_BYTES = 1 << 16  # from 128 kB on, each read would map fresh memory
WRITE_BYTES = 1 << 18
RECORD_BYTES = 1 << 14  # the longest record of TLS
OLDEST_NS = 60_000_000_000  # a stamp further back means that the clock was set

_timespec = Struct("ll").unpack


class Link:
    """
    A connected socket, owned by this, in clear.

    What the kernel does not take at once is queued, and sent in order when it does.

    Attributes:
        bytes_sent: Bytes that the kernel has taken.
        bytes_received: Bytes read, as they came over the wire.
        write_error: Why nothing can be sent any more; what the peer sent can still be read.

    """

    def __init__(self, socket: Socket) -> None:
        self.bytes_sent = self.bytes_received = 0
        self.write_error = ""
        self.fd = socket.fileno()
        self._socket = socket
        self._recvmsg = socket.recvmsg
        self._send = socket.send
        self._outbox = bytearray()
        self._came_at = 0  # what was read last, ns
        self._writable = gevent.get_hub().loop.io(self.fd, WRITE)
        socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # elsewhere, a message came when it was read
            socket.setsockopt(SOL_SOCKET, SO_TIMESTAMPNS, 1)

    @property
    def queued(self) -> int:
        """Bytes that wait until the kernel takes them."""
        return len(self._outbox)

    def read(self) -> tuple[bytes, int]:
        """
        What has come, and when, by the kernel's stamp in monotonic ns; nothing at the end.

        The kernel's clock can be set: its stamp is brought to the monotonic one by its age.

        Raises:
            BlockingIOError: If nothing has come.
            OSError: If the connection is lost.

        """
        data, ancillary, _, _ = self._recvmsg(READ_BYTES, ANCILLARY_BYTES)
        age = time_ns()
        now = monotonic_ns()
        self.bytes_received += len(data)
        if ancillary:
            seconds, nanoseconds = _timespec(ancillary[0][2])
            age -= seconds * 1_000_000_000 + nanoseconds
            if 0 <= age < OLDEST_NS:
                now -= age
        # The rest of what has one stamp: its age is measured anew, and differs by a little.
        at = self._came_at = max(self._came_at, now)
        return data, at

    def write(self, data: bytes) -> None:
        """Send, or queue what the kernel does not take; errors are kept in ``write_error``."""
        if self._outbox:
            self._outbox += data
            return
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken(error)
            return
        self.bytes_sent += sent
        if sent < len(data):
            self._outbox += memoryview(data)[sent:]
            self._writable.start(self._drain)

    def close(self) -> None:
        """Close the socket, forget what is queued."""
        self._writable.close()
        self._outbox.clear()
        self._socket.close()

    def _drain(self) -> None:
        try:
            with memoryview(self._outbox) as queued, queued[:WRITE_BYTES] as first:
                sent = self._send(first)
        except BlockingIOError:
            return
        except OSError as error:
            self._broken(error)
            return
        self.bytes_sent += sent
        del self._outbox[:sent]
        if not self._outbox:
            self._writable.stop()

    def _broken(self, error: OSError) -> None:
        self.write_error = error.strerror or str(error)
        self._writable.stop()
        self._outbox.clear()


class TlsLink(Link):
    """
    The same under TLS, which works in memory, so that reads keep their stamps.

    Args:
        socket: Connected.
        context: See ``tls_context``.
        host: Whose certificate the peer must show.

    """

    def __init__(self, socket: Socket, context: ssl.SSLContext, host: str) -> None:
        super().__init__(socket)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def handshake(self) -> None:
        """
        Agree with the peer, letting other greenlets run.

        Raises:
            OSError: If that fails; an ``ssl.SSLError`` says why.

        """
        while True:
            try:
                self._tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                pass
            finally:
                self._flush()
            wait(self.fd, READ)
            data, _ = super().read()
            if not data:
                raise ConnectionError("the peer closed the connection")
            self._incoming.write(data)

    def read(self) -> tuple[bytes, int]:
        """As in clear; half a record is nothing yet."""
        data, at = super().read()
        if not data:
            return data, at
        self._incoming.write(data)
        pieces = []
        try:
            while self._incoming.pending:
                pieces.append(self._tls.read(RECORD_BYTES))
        except ssl.SSLWantReadError:
            if not pieces:
                raise BlockingIOError from None
        except ssl.SSLZeroReturnError:
            pass  # nothing more will come: the pieces so far, or the end
        self._flush()
        return b"".join(pieces), at

    def write(self, data: bytes) -> None:
        """As in clear."""
        try:
            sent = self._tls.write(data)
            while sent < len(data):  # one record at a time
                sent += self._tls.write(memoryview(data)[sent:])
        except OSError as error:
            self._broken(error)
        self._flush()

    def close(self) -> None:
        """Say that it is over, if that can be sent at once, and close the socket."""
        if not self.queued and not self.write_error:
            with contextlib.suppress(OSError, ValueError):
                self._tls.unwrap()
            self._flush()
        super().close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            super().write(self._outgoing.read())


@cache
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """The context of this process that trusts the system's certificates, or those of a file."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def wait(fd: int, events: int) -> None:
    """Let other greenlets run until a descriptor can be read (``READ``) or written (``WRITE``)."""
    hub = gevent.get_hub()
    watcher = hub.loop.io(fd, events)
    try:
        hub.wait(watcher)
    finally:
        watcher.close()
