"""The dialects of the protocol: how each family of endpoints is dialled, and who speaks which."""

import msgspec

from harness.realtime.hosts import take_apart, vendor_of

__all__ = ["DIALECTS", "Dialect", "dialect_of"]


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How one family of endpoints is dialled, and what it speaks."""

    vendor: str  # who issues its keys
    path: str
    model: str = "model"  # the query parameter that names the model
    query: tuple[tuple[str, str], ...] = ()
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    headers: tuple[tuple[str, str], ...] = ()
    beta: bool = False  # it speaks the protocol as it was as a beta


DIALECTS = {
    "openai": Dialect(vendor="openai", path="/v1/realtime"),
    "azure": Dialect(
        vendor="azure", path="/openai/v1/realtime", key_header="api-key", key_prefix=""
    ),
    "azure-preview": Dialect(
        vendor="azure",
        path="/openai/realtime",
        model="deployment",
        query=(("api-version", "2025-04-01-preview"),),
        key_header="api-key",
        key_prefix="",
        beta=True,
    ),
    "beta": Dialect(
        vendor="openai",
        path="/v1/realtime",
        headers=(("OpenAI-Beta", "realtime=v1"),),
        beta=True,
    ),
}
"""By name; compatible servers speak ``openai``."""


def dialect_of(host: str, dialect: str = "auto") -> str:
    """
    The dialect spoken at ``host``.

    Raises:
        ValueError: If there can be no such host or dialect.

    """
    place = take_apart(host)
    if dialect != "auto":
        if dialect not in DIALECTS:
            raise ValueError(f"dialect must be auto, {', '.join(DIALECTS)}, not {dialect!r}")
        return dialect
    if vendor_of(place.host) != "azure":
        return "openai"
    dated = place.path == DIALECTS["azure-preview"].path or "api-version" in place.query
    return "azure-preview" if dated else "azure"
