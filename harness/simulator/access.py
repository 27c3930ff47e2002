"""Who may connect, and to what: path, key and model of a handshake."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import structs

from harness.simulator.client_secrets import PREFIX, ClientSecrets
from harness.simulator.config import SessionConfig
from harness.simulator.refusal import Refusal

__all__ = ["DEFAULT_MODEL", "Access", "Admitted", "Denied"]

DEFAULT_MODEL = "gpt-realtime-2.1-mini"

_PREVIEW_PATH = "/openai/realtime"  # Azure's, before its protocol was generally available
_PATHS = ("/v1/realtime", "/openai/v1/realtime", _PREVIEW_PATH)
_BETA_PROTOCOL = "openai-beta.realtime-v1"
_KEY_PROTOCOL = "openai-insecure-api-key."


class Admitted(msgspec.Struct, frozen=True):
    """A session may begin."""

    config: SessionConfig  # as it begins
    protocol: str | None = None  # the subprotocol to select
    beta: bool = False  # the shape of the beta was asked for


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
        self._secrets = ClientSecrets()

    def __repr__(self) -> str:
        return f"Access({'***' if self._key else None})"

    def admit(self, target: str, headers: Mapping[str, str], now: int = 0) -> Admitted | Denied:
        """
        Judge a handshake.

        Args:
            target: Path and query.
            headers: Looked up without regard to case.
            now: Seconds since 1970.

        """
        url = urlsplit(target)
        if url.path.rstrip("/") not in _PATHS:
            return Denied(404, "not_found", f"There is nothing at {url.path}.")
        protocols = [word.strip() for word in headers.get("Sec-WebSocket-Protocol", "").split(",")]
        shown = _shown(headers, protocols)
        secret = next((word for word in shown if word.startswith(PREFIX)), None)
        config = self._secrets.config(secret, now) if secret else SessionConfig()
        if config is None or (secret is None and not self._knows(shown)):
            return _WRONG_KEY
        query = parse_qs(url.query)
        if "transcription" in query.get("intent", ()):
            config = structs.replace(config, type="transcription")
        asked = (query.get("model") or query.get("deployment") or [config.model or DEFAULT_MODEL])[
            0
        ]
        return Admitted(
            structs.replace(config, model=asked),
            "realtime" if "realtime" in protocols else None,
            beta=url.path.rstrip("/") == _PREVIEW_PATH
            or "realtime=v1" in headers.get("OpenAI-Beta", "")
            or _BETA_PROTOCOL in protocols,
        )

    def issue(
        self, target: str, headers: Mapping[str, str], body: bytes, now: int
    ) -> dict[str, Any] | Denied:
        """Answer the POST that asks for a client secret; arguments as of ``admit``."""
        path = urlsplit(target).path.rstrip("/")
        if path not in (f"{realtime}/client_secrets" for realtime in _PATHS):
            return Denied(404, "not_found", f"There is nothing to post to at {path}.")
        if not self._knows(_shown(headers, [])):
            return _WRONG_KEY
        try:
            return self._secrets.issue(body, now)
        except Refusal as refusal:
            return Denied(400, refusal.code, refusal.message)

    def _knows(self, shown: list[str]) -> bool:
        """Whether one of the words is the key, if there is one."""
        key = (self._key or "").encode()
        return not key or any(hmac.compare_digest(word.encode(), key) for word in shown)


def _shown(headers: Mapping[str, str], protocols: list[str]) -> list[str]:
    """What a client shows as its key."""
    return [
        (headers.get("Authorization") or "").removeprefix("Bearer "),
        headers.get("api-key") or "",
        *(word.removeprefix(_KEY_PROTOCOL) for word in protocols if _KEY_PROTOCOL in word),
    ]


_WRONG_KEY = Denied(401, "invalid_api_key", "Incorrect API key provided.")
