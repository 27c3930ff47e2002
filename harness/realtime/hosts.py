"""A host as a user writes it, taken apart: what it is called, whose it is, how near."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote, urlsplit

import msgspec

__all__ = ["Place", "is_loopback", "is_private", "take_apart", "vendor_of"]

_VENDOR_HOSTS = {
    "openai.com": "openai",
    "openai.azure.com": "azure",
    "cognitiveservices.azure.com": "azure",
    "services.ai.azure.com": "azure",
    "openai.azure.us": "azure",
    "openai.azure.cn": "azure",
}

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_PRIVATE_NAMES = (".local", ".internal", ".lan", ".home.arpa", ".svc", ".localdomain")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")


class Place(msgspec.Struct, frozen=True):
    """A host as the user wrote it, taken apart."""

    scheme: str
    host: str
    port: int
    path: str
    query: str


def take_apart(text: str) -> Place:
    """
    Scheme, name, port, path and query of a host, whatever of it was written.

    Raises:
        ValueError: If there can be no such host; the message repeats no secret.

    """
    text = text.strip()
    if not text.isprintable() or any(c.isspace() for c in text):
        raise ValueError("a host holds no spaces or line breaks")
    written, separator, rest = text.partition("://")
    scheme = _SCHEMES.get(written.lower(), "") if separator else ""
    if separator and not scheme:
        raise ValueError(f"a host begins with wss://, ws://, https:// or http://, not {written}://")
    try:
        parts = urlsplit("//" + (rest if separator else text))
        name, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"{_shown(text)} is no host: write it like wss://host:port") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("a host holds no user or password: send them by --header")
    if parts.fragment or port == 0 or parts.netloc.endswith(":") or parts.path.startswith("//"):
        raise ValueError(f"{_shown(text)} is no host: write it like wss://host:port")
    name = _checked_name(name, text)
    scheme = scheme or ("ws" if is_loopback(name) else "wss")
    return Place(
        scheme,
        name,
        port or (443 if scheme == "wss" else 80),
        quote(parts.path.rstrip("/") or "/", safe="/%:@!$&'()*+,;=~"),
        quote(parts.query, safe="/%:@!$&'()*+,;=~?"),
    )


def _checked_name(name: str, text: str) -> str:
    """A host name in lower case and ASCII, or an address."""
    name = name.rstrip(".")
    if _address(name) is not None:
        return name
    try:
        ascii_name = name.encode("idna").decode() if not name.isascii() else name
    except UnicodeError:
        ascii_name = ""
    # Resolvers take "8000" or "127.1" for an address; whoever wrote it meant something else.
    if not _NAME.fullmatch(ascii_name) or ascii_name.rpartition(".")[2].isdigit():
        raise ValueError(f"{_shown(text)} is no host: write it like wss://host:port")
    return ascii_name


def _shown(text: str) -> str:
    """A host as it may be repeated to the user: a key can stand in what is left out."""
    return repr("…" if "@" in text else text.partition("?")[0][:100])


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_loopback(host: str) -> bool:
    """Whether it is this machine."""
    if (address := _address(host)) is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def is_private(host: str) -> bool:
    """Whether it is on a network of one's own, this machine included."""
    if (address := _address(host)) is not None:
        return address.is_private or address.is_link_local
    return is_loopback(host) or "." not in host or host.endswith(_PRIVATE_NAMES)


def vendor_of(host: str) -> str | None:
    """Whose host it is, if it is a vendor's own."""
    for suffix, vendor in _VENDOR_HOSTS.items():
        if host == suffix or host.endswith("." + suffix):
            return vendor
    return None
