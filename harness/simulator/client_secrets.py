"""Ephemeral keys: handed out for a session's configuration, shown in place of the key."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from harness.simulator.config import SessionConfig, updated
from harness.simulator.refusal import Refusal, refusal_of

__all__ = ["PREFIX", "ClientSecrets"]

PREFIX = "ek_"


class _ExpiresAfter(msgspec.Struct, frozen=True):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Meta(ge=10, le=7200)] = 600


class _Request(msgspec.Struct, frozen=True):
    expires_after: _ExpiresAfter = _ExpiresAfter()
    session: dict[str, Any] = {}


class ClientSecrets:
    """Those of one endpoint; instants are seconds since 1970."""

    def __init__(self) -> None:
        self._issued: dict[str, tuple[int, SessionConfig]] = {}

    def __repr__(self) -> str:
        return f"ClientSecrets({len(self._issued)})"

    def issue(self, body: bytes, now: int) -> dict[str, Any]:
        """
        A new secret, as the API answers.

        Raises:
            Refusal: If the request makes no sense.

        """
        try:
            request = msgspec.json.decode(body or b"{}", type=_Request)
        except msgspec.ValidationError as error:
            raise refusal_of(error) from None
        except msgspec.DecodeError as error:
            raise Refusal("invalid_json", f"The body is not JSON: {error}") from None
        config = updated(SessionConfig(), {"type": "realtime", **request.session})
        value, expires_at = PREFIX + secrets.token_hex(16), now + request.expires_after.seconds
        self._issued = {key: known for key, known in self._issued.items() if known[0] > now}
        self._issued[value] = (expires_at, config)
        session = config.resource(f"sess_{secrets.token_hex(8)}", 0)
        return {"value": value, "expires_at": expires_at, "session": session}

    def config(self, value: str, now: int) -> SessionConfig | None:
        """What a secret was issued for; ``None`` if it is unknown or has expired."""
        expires_at, config = self._issued.get(value, (0, None))
        return config if expires_at > now else None
