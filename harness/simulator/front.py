"""What a connection begins with: a GET goes to the WebSocket library, a POST is answered here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from http.client import parse_headers
from io import BytesIO
from typing import cast

from multidict import CIMultiDict

__all__ = ["Front", "Post"]

_LONGEST_HEAD = 16 * 1024  # bytes
_LONGEST_BODY = 1024 * 1024
_PATIENCE = 10.0  # seconds that a request may take to come

Post = Callable[[str, Mapping[str, str], bytes], bytes]
"""Takes target, headers and body of a POST; the whole answer."""


class Front(asyncio.Protocol):
    """
    One connection, until it is known what it wants.

    Args:
        websocket: Makes the protocol that a GET is handed to; it answers GETs only.
        post: Answers a POST, after which the connection ends.

    """

    def __init__(self, websocket: Callable[[], asyncio.BufferedProtocol], post: Post) -> None:
        self._websocket = websocket
        self._post = post
        self._data = b""
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast("asyncio.Transport", transport)
        self._patience = asyncio.get_running_loop().call_later(_PATIENCE, self._transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        """It has gone."""
        self._decided()

    def data_received(self, data: bytes) -> None:
        """Some of its request."""
        self._data += data
        if not b"POST ".startswith(self._data[:5]):
            self._hand_over()
        elif (request := self._request()) is not None:
            assert self._transport is not None
            self._decided()
            self._transport.write(self._post(*request))
            self._transport.close()

    def _decided(self) -> None:
        if self._patience is not None:
            self._patience.cancel()

    def _hand_over(self) -> None:
        """Let the WebSocket library go on, from the first byte."""
        self._decided()
        transport, protocol = self._transport, self._websocket()
        assert transport is not None
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        data = memoryview(self._data)
        while data:
            buffer = memoryview(protocol.get_buffer(len(data)))
            part = data[: len(buffer)]
            buffer[: len(part)] = part
            protocol.buffer_updated(len(part))
            data = data[len(part) :]

    def _request(self) -> tuple[str, Mapping[str, str], bytes] | None:
        """Target, headers and body, once all has come; whoever sends no end of it is cut off."""
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end:
            self._limit(len(head), _LONGEST_HEAD)
            return None
        line, _, fields = head.partition(b"\r\n")
        headers = CIMultiDict(parse_headers(BytesIO(fields + b"\r\n\r\n")).items())
        length = headers.get("Content-Length", "0")
        size = int(length) if length.isdecimal() else _LONGEST_BODY + 1
        self._limit(size, _LONGEST_BODY)
        if len(body) < size:
            return None
        words = line.decode("latin-1").split()
        return words[1] if len(words) > 1 else "", headers, body[:size]

    def _limit(self, size: int, most: int) -> None:
        if size > most and self._transport is not None:
            self._transport.abort()
