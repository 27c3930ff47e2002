"""Who may connect, and to what: path, key and model of a handshake."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import msgspec

__all__ = ["DEFAULT_MODEL", "Access", "Admitted", "Denied"]

DEFAULT_MODEL = "gpt-realtime-2.1-mini"

_PATHS = ("/v1/realtime", "/openai/v1/realtime", "/openai/realtime")
_KEY_PROTOCOL = "openai-insecure-api-key."


class Admitted(msgspec.Struct, frozen=True):
    """A session may begin."""

    model: str
    protocol: str | None = None  # the subprotocol to select


class Denied(msgspec.Struct, frozen=True):
    """No upgrade: an HTTP status, and the body's error."""

    status: int
    code: str
    message: str
    retry_after: int | None = None  # seconds

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        again = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return {"Content-Type": "application/json", **again}

    @property
    def body(self) -> bytes:
        """As the API says it."""
        return msgspec.json.encode(
            {
                "error": {
                    "message": self.message,
                    "type": "invalid_request_error",
                    "param": None,
                    "code": self.code,
                }
            }
        )


class Access:
    """
    The rule of one endpoint.

    Args:
        key: What clients must show; ``None`` lets in everyone.

    """

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"Access({'***' if self._key else None})"

    def admit(self, target: str, headers: Mapping[str, str]) -> Admitted | Denied:
        """
        Judge a handshake.

        Args:
            target: Path and query.
            headers: Looked up without regard to case.

        """
        url = urlsplit(target)
        if url.path.rstrip("/") not in _PATHS:
            return Denied(404, "not_found", f"There is nothing at {url.path}.")
        protocols = [word.strip() for word in headers.get("Sec-WebSocket-Protocol", "").split(",")]
        if self._key is not None and not self._shown(headers, protocols):
            return Denied(401, "invalid_api_key", "Incorrect API key provided.")
        query = parse_qs(url.query)
        model = (query.get("model") or query.get("deployment") or [DEFAULT_MODEL])[0]
        return Admitted(model, "realtime" if "realtime" in protocols else None)

    def _shown(self, headers: Mapping[str, str], protocols: list[str]) -> bool:
        shown = [
            headers.get("Authorization", "").removeprefix("Bearer "),
            headers.get("api-key", ""),
            *(word.removeprefix(_KEY_PROTOCOL) for word in protocols if _KEY_PROTOCOL in word),
        ]
        key = (self._key or "").encode()
        return any(hmac.compare_digest(word.encode(), key) for word in shown)
