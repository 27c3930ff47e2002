"""Dialling a WebSocket in steps, dns, tcp, tls and upgrade; what went wrong is told in a line."""

import errno
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import AI_NUMERICHOST, SO_ERROR, SOCK_STREAM, SOL_SOCKET, gaierror
from socket import socket as Socket  # noqa: N812
from time import monotonic, monotonic_ns
from typing import Any

import gevent
import gevent.socket
from gevent import monkey
from websockets.exceptions import InvalidURI
from websockets.uri import WebSocketURI, parse_uri

from harness.handshake import ConnectError, Opening
from harness.link import READ, WRITE, Link, TlsLink, tls_context, wait

__all__ = ["Dial", "parse_url"]

BODY_PATIENCE = 1.0  # seconds to wait for the rest of a refusal's body

# Locust patches the socket module; a socket that the hub watches must be a plain one.
_new_socket: type[Socket] = monkey.get_original("socket", "socket")
_getaddrinfo = monkey.get_original("socket", "getaddrinfo")

# OpenSSL's codes: self-signed, or signed by nobody known.
UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)

PLAIN = "; is it ws:// instead of wss://?"

TOO_LONG = {
    "dns": "resolving {host} took",
    "tcp": "{peer} did not accept a connection in",
    "tls": "{peer} did not finish the TLS handshake in",
    "upgrade": "{peer} did not answer the WebSocket handshake in",
}


def parse_url(url: str) -> WebSocketURI:
    """
    Take a ``ws://`` or ``wss://`` URL apart.

    Raises:
        ConnectError: If it is none; it is not repeated, since it may hold a key.

    """
    try:
        return parse_uri(url)
    except InvalidURI as error:
        raise ConnectError(f"not the URL of a WebSocket: {error.msg}", step="dns") from None
    except (ValueError, AssertionError):
        raise ConnectError("not the URL of a WebSocket", step="dns") from None


class Dial:
    """
    One attempt to reach a WebSocket; other greenlets run meanwhile.

    Args:
        uri: Where to.
        opening: The handshake to hold there.
        ca_file: Certificates to trust instead of the system's.

    Attributes:
        steps: Seconds of each step that was done.
        upgraded_at: Receive stamp of the answer that opened the WebSocket, ns.

    """

    def __init__(self, uri: WebSocketURI, opening: Opening, ca_file: Path | None) -> None:
        self.steps: dict[str, float] = {}
        self.upgraded_at = 0
        self._step = "dns"
        self._uri = uri
        self._peer = f"{uri.host}:{uri.port}"
        self._opening = opening
        self._ca_file = ca_file
        self._deadline = 0.0
        self._opened: Socket | Link | None = None

    def run(self, timeout: float) -> Link:
        """
        Go through all steps within ``timeout`` seconds; the link returned is the caller's.

        Raises:
            ConnectError: If there is no WebSocket. Nothing is left open then.

        """
        self._deadline = monotonic() + timeout
        limit = gevent.Timeout(timeout)
        try:
            with limit:
                return self._run()
        except BaseException as error:
            if self._opened is not None:
                self._opened.close()
            if error is limit or isinstance(error, TimeoutError):
                what = TOO_LONG[self._step].format(host=self._uri.host, peer=self._peer)
                message = f"{what} {timeout:g} s"
                raise ConnectError(message, step=self._step, timed_out=True) from None
            if isinstance(error, OSError):
                raise ConnectError(self._tell(error), step=self._step) from None
            raise

    def _run(self) -> Link:
        with self._timed("dns"):
            addresses = self._resolve()
        with self._timed("tcp"):
            socket = self._connect(addresses)
        if self._uri.secure:
            with self._timed("tls"):
                link: Link = self._secure(socket)
        else:
            link = self._opened = Link(socket)
        with self._timed("upgrade"):
            self._upgrade(link)
        return link

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        self._step, start = step, monotonic_ns()
        yield
        self.steps[step] = (monotonic_ns() - start) / 1e9

    def _resolve(self) -> list[Any]:
        """Addresses as of ``getaddrinfo``; one that is written in numbers needs no thread."""
        host, port = self._uri.host, self._uri.port
        try:
            with suppress(gaierror):
                return list(_getaddrinfo(host, port, type=SOCK_STREAM, flags=AI_NUMERICHOST))
            return gevent.socket.getaddrinfo(host, port, type=SOCK_STREAM)
        except UnicodeError:
            raise OSError(0, "this is no host name") from None

    def _connect(self, addresses: list[Any]) -> Socket:
        """Try all addresses in turn; each gets its share of the time left."""
        for left in range(len(addresses), 0, -1):
            family, kind, protocol, _, address = addresses[-left]
            try:
                self._opened = socket = _new_socket(family, kind, protocol)
                self._connect_to(socket, address, (self._deadline - monotonic()) / left)
                return socket
            except OSError:
                if self._opened is not None:
                    self._opened.close()
                if left == 1:
                    raise
        raise OSError(0, "it has no address")

    def _connect_to(self, socket: Socket, address: Any, seconds: float) -> None:
        socket.setblocking(False)
        code = socket.connect_ex(address)
        if code == errno.EINPROGRESS:
            with gevent.Timeout(seconds, TimeoutError()):
                wait(socket.fileno(), WRITE)
            code = socket.getsockopt(SOL_SOCKET, SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    def _secure(self, socket: Socket) -> Link:
        try:
            context = tls_context(self._ca_file)
        except OSError as error:
            reason = getattr(error, "reason", None) or error.strerror
            message = f"can't read certificates from {self._ca_file} (--ca-file): {reason}"
            raise ConnectError(message, step="tls") from None
        self._opened = link = TlsLink(socket, context, self._uri.host)
        link.handshake()
        return link

    def _upgrade(self, link: Link) -> None:
        opening = self._opening
        link.write(opening.request)
        while True:
            data, at = self._next(link)
            if not data:
                raise opening.end()
            if opening.feed(data):
                self.upgraded_at = at
                return

    def _next(self, link: Link) -> tuple[bytes, int]:
        """What comes next; nothing at the end, or when a refusal's body does not end."""
        patience = BODY_PATIENCE if self._opening.answering else None
        with gevent.Timeout(patience, False):  # type: ignore[arg-type]  # leaves the block silently
            while True:
                wait(link.fd, READ)
                with suppress(BlockingIOError):
                    return link.read()
        return b"", monotonic_ns()

    def _tell(self, error: OSError) -> str:
        """One line for an error of the system, OpenSSL or the resolver."""
        match error:
            case gaierror():
                return f"can't resolve {self._uri.host}: {error.strerror}"
            case ssl.SSLCertVerificationError():
                advice = "; name its authority with --ca-file"
                advice = advice if error.verify_code in UNKNOWN_AUTHORITY else ""
                return f"{self._peer} shows no good certificate: {error.verify_message}{advice}"
            case ssl.SSLError():
                reason = (error.reason or str(error)).replace("_", " ").lower()
                advice = PLAIN * ("version" in reason)
                return f"no TLS with {self._peer}: {reason}{advice}"
            case ConnectionError() if self._step == "tls":
                return f"no TLS with {self._peer}: {error.strerror or error}{PLAIN}"
        what = {"dns": "can't resolve", "tcp": "can't connect to"}.get(self._step, "lost")
        return f"{what} {self._peer} ({self._step}): {error.strerror or error}"
