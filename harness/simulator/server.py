"""The socket side of a simulated endpoint: an asyncio server that owns the clock."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus

from picows import (
    WSListener,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from harness.simulator.access import Access, Admitted, Denied
from harness.simulator.connection import Connection
from harness.simulator.door import Door, Held
from harness.simulator.endpoint import Endpoint
from harness.simulator.front import Front
from harness.simulator.pages import Page
from harness.simulator.schedule import Schedule

__all__ = ["Server"]

_MAX_MESSAGE = 24 * 1024 * 1024  # bytes: an append of 15 MiB in base64
_BACKLOG = 4096  # connections that wait to be accepted: a swarm dials at once
_FAREWELL = 1.0  # seconds clients have to answer our close
_GOING_AWAY = 1001


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
        self._schedule = Schedule(self.connections)
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
        self._schedule.stop()

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
                connection = Connection(self.endpoint, answer, self._schedule, self.connections)
                return WSUpgradeResponseWithListener(response, connection)
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
