"""The opening handshake of a WebSocket, pure: the request, and what the answer means."""

import logging
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from http.client import parse_headers
from io import BytesIO
from urllib.parse import parse_qsl

import msgspec
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from harness import __version__

__all__ = ["ConnectError", "Handshake", "Opening", "Refused"]

BODY_KEPT = 2048  # characters of a refusal
BODY_SHOWN = 200  # characters of it in the message
LONGEST_HEAD = 1 << 16  # bytes

# At DEBUG the package writes every header to the log, keys too.
_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)


class Handshake(msgspec.Struct, frozen=True):
    """What a server answered instead of becoming a WebSocket; keys that it repeats are hidden."""

    status: int
    headers: dict[str, str]
    body: str = ""  # its beginning

    @property
    def status_line(self) -> str:
        """Status and phrase, as far as it has one: ``401 Unauthorized``."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return str(self.status)


class ConnectError(Exception):
    """
    There is no session: one line says why.

    Attributes:
        step: What was being done: dns, tcp, tls or upgrade.
        timed_out: Nothing went wrong but time.

    """

    def __init__(self, message: str, *, step: str, timed_out: bool = False) -> None:
        super().__init__(message)
        self.step = step
        self.timed_out = timed_out


class Refused(ConnectError):
    """The server answered, but with something else than a WebSocket."""

    def __init__(self, message: str, handshake: Handshake) -> None:
        super().__init__(message, step="upgrade")
        self.handshake = handshake


class Opening:
    """
    One opening handshake: send ``request``, then feed what comes until that returns true.

    Args:
        uri: Where to.
        headers: Further headers of the request; one that is given replaces ours.
        subprotocols: To offer.
        max_size: Bytes of the longest message the protocol is to accept.
        compression: Offer permessage-deflate.

    Raises:
        ConnectError: If a header can't be sent.

    Attributes:
        protocol: Open once the handshake is done.
        rest: Bytes that came after the answer: the first frames.

    """

    def __init__(
        self,
        uri: WebSocketURI,
        *,
        headers: Sequence[tuple[str, str]],
        subprotocols: Sequence[str],
        max_size: int,
        compression: bool,
    ) -> None:
        self.protocol = ClientProtocol(
            uri,
            extensions=[ClientPerMessageDeflateFactory()] if compression else None,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            max_size=max_size,
            logger=_log,
        )
        self.rest = b""
        self._peer = f"{uri.host}:{uri.port}"
        self._secrets = tuple(_secrets(uri, headers, subprotocols))
        self._head = b""
        self._body = b""
        self.request = self._request(headers)

    def feed(self, data: bytes) -> bool:
        """
        Take some of the answer; return whether the WebSocket is open.

        Raises:
            ConnectError: If this is no HTTP server.
            Refused: If the answer is complete, and it is no WebSocket.

        """
        if self._head:
            self._body += data
            self.protocol.receive_data(data)
        elif not self._complete_head(data):
            return False
        if self.protocol.handshake_exc is not None:
            raise self._refused(self.protocol.handshake_exc)
        return self.protocol.state is OPEN

    def end(self) -> ConnectError:
        """Why there is no WebSocket, when nothing more comes."""
        if self._head:
            return self._refused(None)
        what = "closed the connection instead of answering the handshake"
        return ConnectError(f"{self._peer} {what}", step="upgrade")

    @property
    def answering(self) -> bool:
        """The head of a refusal has come, its body has not."""
        return bool(self._head)

    def _request(self, headers: Sequence[tuple[str, str]]) -> bytes:
        request = self.protocol.connect()
        request.headers["User-Agent"] = f"realtime-harness/{__version__}"
        for name in {name for name, _ in headers if name in request.headers}:
            del request.headers[name]
        for name, value in headers:
            if not (name + value).isprintable() or not value.isascii():
                message = f"the header {name!r} holds characters that can't be sent"
                raise ConnectError(message, step="upgrade")
            request.headers[name] = value
        self.protocol.send_request(request)
        return b"".join(self.protocol.data_to_send())

    def _complete_head(self, data: bytes) -> bool:
        """Hand the protocol the head alone: what comes after it may be frames."""
        self._body += data
        if not self._body.startswith(b"HTTP/"[: len(self._body)]):
            raise ConnectError(f"{self._peer} does not speak HTTP", step="upgrade")
        end = self._body.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(self._body) > LONGEST_HEAD:
                raise ConnectError(f"{self._peer} answers without end", step="upgrade")
            return False
        self._head, self._body = self._body[:end], self._body[end:]
        self.protocol.receive_data(self._head)
        if self.protocol.state is OPEN:
            self.rest = self._body
        else:
            self.protocol.receive_data(self._body)
        return True

    def _refused(self, why: Exception | None) -> ConnectError:
        answer = next((e for e in self.protocol.events_received() if isinstance(e, Response)), None)
        if answer is not None:
            status, body = answer.status_code, bytes(answer.body or b"")
            headers = dict(answer.headers.raw_items())
        else:  # it is not complete, or the package does not understand its body
            line, _, fields = self._head.partition(b"\r\n")
            try:
                status = int(line.split()[1])
                headers = dict(parse_headers(BytesIO(fields)).items())
            except (ValueError, IndexError):
                return ConnectError(f"{self._peer} does not speak HTTP: {why}", step="upgrade")
            body = self._body
        shown = self._hide(body[: 4 * BODY_KEPT].decode(errors="replace"))[:BODY_KEPT]
        headers = {name: self._hide(value) for name, value in headers.items()}
        handshake = Handshake(status, headers, shown)
        return Refused(self._tell(handshake, why), handshake)

    def _tell(self, answer: Handshake, why: Exception | None) -> str:
        status = answer.status_line
        headers = {name.lower(): value for name, value in answer.headers.items()}
        location, again = headers.get("location"), headers.get("retry-after", "")[:40]
        if answer.status == 101:
            return f"{self._peer} answered 101, but that is no WebSocket: {why}"
        if 300 <= answer.status < 400 and location:
            return f"{self._peer} redirects to {location} ({status}): redirects are not followed"
        if answer.status < 400:
            return f"{self._peer} is no WebSocket endpoint here: it answered {status}"
        body = " ".join(answer.body.split())[:BODY_SHOWN]
        later = f", retry after {again}{' s' * again.isdecimal()}" if again else ""
        return f"{self._peer} refused the handshake: {status}{later}{f': {body}' if body else ''}"

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _secrets(
    uri: WebSocketURI, headers: Sequence[tuple[str, str]], subprotocols: Sequence[str]
) -> Iterator[str]:
    """What an answer may repeat of the request but nobody may read: longest parts first."""
    for _, value in headers:
        if len(value.strip()) >= 6:
            yield value
            yield value.split()[-1]
    for offer in subprotocols:
        if len(key := offer.rpartition(".")[2]) >= 16:
            yield key
    for name, value in parse_qsl(uri.query):
        if len(value) >= 6 and any(word in name.lower() for word in ("key", "token", "secret")):
            yield value
