"""Ephemeral keys: a key of short life, asked for by HTTP, with which one session is dialled."""

from functools import cache
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import gevent
import gevent.ssl
import msgspec
from geventhttpclient import HTTPClient

from harness.handshake import ConnectError, Handshake, Refused
from harness.realtime.endpoint import Endpoint

__all__ = ["STEP", "ephemeral_key"]

STEP = "client_secret"
LONGEST_ANSWER = 1 << 16  # bytes
SHOWN = 200  # characters of a refusal


class _Secret(msgspec.Struct):
    """What is read of the answer."""

    value: str


def ephemeral_key(endpoint: Endpoint, timeout: float) -> str:
    """
    Ask an endpoint for a key; other greenlets run meanwhile. Redirects are not followed.

    Args:
        endpoint: With the key that is allowed to ask.
        timeout: Seconds.

    Raises:
        Refused: If the endpoint answers with something else.
        ConnectError: If there is no key for another reason.

    """
    peer = f"{endpoint.host}:{endpoint.port}"
    clock = gevent.Timeout(timeout)
    try:
        with clock:
            status, headers, body = _post(endpoint, timeout)
    except (gevent.Timeout, TimeoutError) as late:
        if isinstance(late, gevent.Timeout) and late is not clock:
            raise
        text = f"{peer} gave no ephemeral key within {timeout:g} s"
        raise ConnectError(text, step=STEP, timed_out=True) from None
    except (OSError, ValueError, HTTPException) as error:
        text = f"can't ask {peer} for an ephemeral key: {error}"
        raise ConnectError(endpoint.redact(text), step=STEP) from None
    if not 200 <= status < 300:
        raise _refused(endpoint, status, headers, body)
    try:
        key = msgspec.json.decode(body, type=_Secret).value
    except (msgspec.DecodeError, UnicodeDecodeError):
        key = ""
    if not (key.isascii() and key.isprintable() and key):
        raise ConnectError(f"{peer} answered without an ephemeral key", step=STEP)
    return key


def _post(endpoint: Endpoint, timeout: float) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer."""
    url = urlsplit(endpoint.secrets_url)
    client = HTTPClient(
        endpoint.host,
        endpoint.port,
        ssl=url.scheme == "https",
        ssl_context_factory=lambda **_: _context(endpoint.ca_file),
        connection_timeout=timeout,
        network_timeout=timeout,
    )
    session = {"type": "realtime"} | ({"model": endpoint.model} if endpoint.model else {})
    headers = {
        "Content-Type": "application/json",
        **dict(endpoint.by_header.upgrade_request().headers),
    }
    try:
        answer = client.request(
            "POST", url.path, body=msgspec.json.encode({"session": session}), headers=headers
        )
        body = bytes(answer.read(LONGEST_ANSWER))
        return int(answer.status_code), {str(k): str(v) for k, v in answer.items()}, body
    finally:
        client.close()


@cache
def _context(ca_file: Path | None) -> gevent.ssl.SSLContext:
    """The context of this process; to make one costs more than to ask for a key."""
    return gevent.ssl.create_default_context(cafile=ca_file)


def _refused(endpoint: Endpoint, status: int, headers: dict[str, str], body: bytes) -> Refused:
    answer = Handshake(status, headers, endpoint.redact(body.decode(errors="replace")))
    said = " ".join(answer.body.split())[:SHOWN]
    text = f"{endpoint.host}:{endpoint.port} gave no ephemeral key: {answer.status_line}"
    if status == HTTPStatus.NOT_FOUND:
        text += " (it may not make any: then leave --ephemeral-keys out)"
    return Refused(f"{text}: {said}" if said else text, answer)
