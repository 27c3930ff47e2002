"""API keys: where they come from, and how they stay out of everything that is shown."""

from collections.abc import Mapping

__all__ = ["KEY_VARIABLES", "Secret", "resolve_key"]

KEY_VARIABLES = {
    "openai": ("OPENAI_REALTIME_API_KEY", "OPENAI_API_KEY"),
    "azure": ("AZURE_OPENAI_API_KEY",),
}
"""The environment variables that hold a vendor's key, the first that is set wins."""


class Secret:
    """A string that shows as ``***`` and that no encoder takes; ``reveal`` returns it."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """The string itself, for the wire."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "'***'" if self._value else "''"

    __str__ = __repr__


def resolve_key(vendor: str, environ: Mapping[str, str], explicit: str | None = None) -> str:
    """
    The key to use: the one given explicitly, else the environment's, else none ("").

    Args:
        vendor: Who issued it, one of ``KEY_VARIABLES``.
        environ: The process's environment, read by the caller, at the edge.
        explicit: A key given in code.

    Raises:
        ValueError: If the key can't be sent in a header; the message does not repeat it.

    """
    names = KEY_VARIABLES[vendor]
    found = [("the API key", explicit or ""), *((name, environ.get(name, "")) for name in names)]
    for name, value in found:
        key = value.strip()
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ValueError(f"{name} holds spaces, line breaks or other characters no key has")
        if key:
            return key
    return ""
