"""
An endpoint under test, and what dialling it takes: URL, headers, key.

A key goes only over TLS or to this machine, and only to the host given at start or to the vendor
who issued it: a host typed into a web form must not be a way to collect keys.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qsl, quote

import msgspec

from harness.realtime.dialects import DIALECTS, dialect_of
from harness.realtime.hosts import is_loopback, is_private, take_apart, vendor_of
from harness.realtime.keys import KEY_VARIABLES, Secret

__all__ = ["Endpoint", "UpgradeRequest", "parse_endpoint"]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SHORTEST_SECRET = 8  # a header may well say "1" or "Bearer"
_AUTHORIZING = frozenset({"authorization", "api-key"})


class UpgradeRequest:
    """
    What opens a session's WebSocket; it holds secrets in clear, of which its ``repr`` shows none.

    Attributes:
        url: With its query.
        headers: Names and values to send beside those of the upgrade.
        subprotocols: To offer.

    """

    __slots__ = ("headers", "subprotocols", "url")

    def __init__(
        self,
        url: str,
        headers: tuple[tuple[str, str], ...] = (),
        subprotocols: tuple[str, ...] = (),
    ) -> None:
        self.url = url
        self.headers = headers
        self.subprotocols = subprotocols

    def __repr__(self) -> str:
        names = ", ".join(name for name, _ in self.headers)
        return f"UpgradeRequest({self.url.partition('?')[0]}, {names})"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint under test. Nothing it shows, and nothing it is encoded to, holds a secret."""

    scheme: str  # ws or wss
    host: str
    port: int
    path: str
    query: Secret = Secret()  # as given: some endpoints take a key in it
    dialect: str = "openai"
    model: str = ""
    api_key: Secret = Secret()
    headers: tuple[tuple[str, Secret], ...] = ()
    ca_file: Path | None = None
    auth: str = "header"  # or subprotocol: the key as browsers send it
    ephemeral: bool = False  # the key is of short life: always a bearer
    notice: str = ""  # what the user must be told: that a secret is not sent, and why

    def __repr__(self) -> str:
        return (
            f"Endpoint({self.target}{self.path}, {self.dialect}, model={self.model!r}, "
            f"api_key={self.api_key!r})"
        )

    @property
    def target(self) -> str:
        """Scheme, host and port, safe to record."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """What to dial: the given query, and what the dialect adds to it. Not for records."""
        given = self.query.reveal()
        names = {name for name, _ in parse_qsl(given, keep_blank_values=True)}
        dialect = DIALECTS[self.dialect]
        added = [*dialect.query, *([(dialect.model, self.model)] if self.model else [])]
        parts = [f"{name}={quote(value, safe='')}" for name, value in added if name not in names]
        query = "&".join([given, *parts] if given else parts)
        return f"{self.target}{self.path}?{query}" if query else f"{self.target}{self.path}"

    @property
    def secrets_url(self) -> str:
        """Where an ephemeral key is asked for."""
        scheme = "https" if self.scheme == "wss" else "http"
        return f"{scheme}{self.target.removeprefix(self.scheme)}{self.path}/client_secrets"

    @property
    def beta(self) -> bool:
        """Whether the protocol is spoken as it was as a beta."""
        return DIALECTS[self.dialect].beta

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(self.host)

    @property
    def private(self) -> bool:
        """Whether it is on a network of one's own, this machine included."""
        return is_private(self.host)

    @property
    def vendor(self) -> bool:
        """Whether it is a vendor's own, which costs money and takes no one without a key."""
        return vendor_of(self.host) is not None

    def upgrade_request(self) -> UpgradeRequest:
        """URL, headers and subprotocols, secrets in clear."""
        dialect = DIALECTS[self.dialect]
        headers = [*dialect.headers, *((name, value.reveal()) for name, value in self.headers)]
        if not self.api_key or _authorizes(self.headers):
            return UpgradeRequest(self.url, tuple(headers))
        key = self.api_key.reveal()
        if self.auth == "subprotocol":
            protocols = ("realtime", f"openai-insecure-api-key.{key}")
            return UpgradeRequest(self.url, tuple(headers), protocols)
        shown = (dialect.key_header, dialect.key_prefix + key)
        headers.insert(0, ("Authorization", f"Bearer {key}") if self.ephemeral else shown)
        return UpgradeRequest(self.url, tuple(headers))

    def with_key(self, key: str, *, ephemeral: bool = False) -> "Endpoint":
        """The same endpoint dialled with another key."""
        return msgspec.structs.replace(self, api_key=Secret(key), ephemeral=ephemeral)

    @property
    def by_header(self) -> "Endpoint":
        """The same endpoint shown the key in a header."""
        return msgspec.structs.replace(self, auth="header")

    def redact(self, text: str) -> str:
        """``text``, of a server perhaps, without our secrets in it."""
        values = " ".join(value.reveal() for _, value in self.headers)
        secrets = {word for word in values.split() if len(word) >= _SHORTEST_SECRET}
        for secret in {self.api_key.reveal(), self.query.reveal(), *secrets} - {""}:
            text = text.replace(secret, "***")
        return text


def parse_endpoint(
    host: str,
    *,
    model: str = "",
    dialect: str = "auto",
    api_key: str = "",
    headers: Iterable[tuple[str, str]] = (),
    ca_file: Path | None = None,
    given_host: str | None = None,
    send_key_to: str | None = None,
    auth: str = "header",
) -> Endpoint:
    """
    The endpoint that a host names.

    Args:
        host: ``wss://…``, ``ws://…``, ``http(s)://…`` or a bare host, which means wss, or ws on
            this machine; the path may be left out, be a base such as ``/openai/v1``, or end in
            ``/realtime``.
        model: Or the deployment, on Azure.
        dialect: A name of ``DIALECTS``; ``auto`` tells by the host.
        api_key: See ``resolve_key``.
        headers: To send besides; their values are secrets.
        ca_file: Certificates (PEM) to trust instead of the system's.
        given_host: The host given at start, "" if there was none, when ``host`` was chosen later;
            ``None`` when ``host`` is that host.
        send_key_to: Another host that may have the key.
        auth: ``header`` or ``subprotocol``.

    Raises:
        ValueError: If there can be no such endpoint, or it takes no one without a key; the message
            is one line without a secret.

    """
    place = take_apart(host)
    chosen = dialect_of(host, dialect)
    default = DIALECTS[chosen].path
    path = default if place.path == "/" else place.path
    endpoint = Endpoint(
        scheme=place.scheme,
        host=place.host,
        port=place.port,
        path=path if path.endswith("/realtime") else f"{path}/realtime",
        query=Secret(place.query),
        dialect=chosen,
        model=model,
        api_key=Secret(api_key),
        headers=tuple(_checked_header(name, value) for name, value in headers),
        ca_file=ca_file,
        auth=auth,
    )
    trusted = given_host is None or place.host in {
        take_apart(known).host for known in (given_host, send_key_to) if known
    }
    return _with_key_or_refused(_withhold(endpoint, trusted))


def _withhold(endpoint: Endpoint, trusted: bool) -> Endpoint:
    """The endpoint without the secrets that must not go to it, and a notice if there were some."""
    host, notices, kept = endpoint.host, [], endpoint
    if not trusted and endpoint.headers:
        notices.append(f"{host} is not the host given at start: --header values are not sent to it")
        kept = msgspec.structs.replace(kept, headers=())
    issuer = vendor_of(host) == DIALECTS[endpoint.dialect].vendor
    if endpoint.api_key and not (trusted or issuer):
        notices.append(
            f"{host} is not the host given at start: dialling without the API key "
            f"(--send-key-to {host} allows it)"
        )
        kept = msgspec.structs.replace(kept, api_key=Secret())
    elif endpoint.api_key and endpoint.scheme == "ws" and not endpoint.loopback:
        notices.append(f"{host} is dialled without the API key: it goes only over TLS (wss://)")
        kept = msgspec.structs.replace(kept, api_key=Secret())
    return msgspec.structs.replace(kept, notice="; ".join(notices))


def _with_key_or_refused(endpoint: Endpoint) -> Endpoint:
    vendor = vendor_of(endpoint.host)
    if vendor is not None and endpoint.scheme == "ws":
        raise ValueError(f"{endpoint.host} speaks TLS only: write wss://{endpoint.host}")
    if vendor is not None and not endpoint.api_key and not _authorizes(endpoint.headers):
        names = " or ".join(reversed(KEY_VARIABLES[vendor]))
        raise ValueError(f"{endpoint.host} takes no one without a key: set {names}")
    return endpoint


def _checked_header(name: str, value: str) -> tuple[str, Secret]:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("the name of a header holds characters that none may have")
    if not value.isascii() or not value.isprintable():
        raise ValueError(f"the value of header {name} holds characters that no header may carry")
    return name, Secret(value)


def _authorizes(headers: tuple[tuple[str, Secret], ...]) -> bool:
    return any(name.lower() in _AUTHORIZING for name, _ in headers)
