"""An event of the client that can't be done, as the API's ``error`` event tells it."""

import re
from typing import Any

import msgspec

__all__ = ["Refusal", "missing", "refusal_of"]

_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_FIELD = re.compile(r"field `(?P<field>[^`]+)`")


class Refusal(Exception):
    """
    Why an event of the client was not done; the session goes on.

    Args:
        code: As the API names it.
        message: For people.
        param: The field at fault, as a path: ``session.audio.input``.
        event_id: Of the client's event, where the one who raises knows it.

    """

    def __init__(
        self, code: str, message: str, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id

    def wire(self, event_id: str | None = None) -> dict[str, Any]:
        """The ``error`` of the event; ``event_id`` is the client's."""
        return {
            "type": "invalid_request_error",
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": self.event_id or event_id,
        }


def missing(param: str) -> Refusal:
    """A parameter that must be there is not."""
    return Refusal("missing_required_parameter", f"Missing required parameter: '{param}'.", param)


def refusal_of(error: msgspec.ValidationError, within: str = "") -> Refusal:
    """What is wrong with a value, told from msgspec's message; ``within`` is where it was."""
    text = str(error)
    at = _AT.search(text)
    says = text[: at.start()] if at else text
    field = _FIELD.search(says)
    path = ".".join(
        filter(None, (within, at["path"] if at else "", field["field"] if field else ""))
    )
    if "missing required" in says:
        return missing(path)
    if "unknown field" in says:
        return Refusal("unknown_parameter", f"Unknown parameter: '{path}'.", path)
    code = "invalid_type" if says.startswith("Expected") and ", got" in says else "invalid_value"
    return Refusal(code, f"Invalid '{path}': {says}.", path or None)
