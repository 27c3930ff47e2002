"""
Messages to events: one typed decode for what is well formed, a salvage for what is not.

Nearly every message of a run passes here, in the hub, so the first way is a single call into
msgspec that knows all events of the protocol by name, skips what the harness has no use for and
turns the base64 of audio into bytes as it goes.
"""

from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from harness.realtime.events import (
    ACTED_ON,
    BETA_NAMES,
    SERVER_EVENTS,
    Malformed,
    Passed,
    Received,
    ResponseDone,
    ServerEvent,
    Unknown,
)
from harness.realtime.objects import ErrorDetails, Response

__all__ = ["BETA_EVENTS", "PASSED", "UNDECODABLE", "decode", "modernise", "salvage"]


def _event(name: str, base: type[ServerEvent]) -> type[ServerEvent]:
    """A struct for an event of this wire name."""
    fields = [("response_id", str | None, None)] if name == "response.cancelled" else []
    title = "".join(word.capitalize() for word in name.replace(".", "_").split("_"))
    made = msgspec.defstruct(title, fields, bases=(base,), tag=name, kw_only=True)
    assert issubclass(made, ServerEvent)
    return made


PASSED = {
    name: _event(name, Passed) for name in sorted(SERVER_EVENTS - set(ACTED_ON) - set(BETA_NAMES))
}
"""The events passed over, by wire name."""

BETA_EVENTS = {
    _event(name, ACTED_ON[modern]): ACTED_ON[modern] for name, modern in BETA_NAMES.items()
}
"""The events under their beta names, to those of today."""

_BY_NAME: dict[str, type[ServerEvent]] = {
    **ACTED_ON,
    **PASSED,
    **{str(cls.__struct_config__.tag): cls for cls in BETA_EVENTS},
}

decode: Callable[[bytes], ServerEvent] = msgspec.json.Decoder(
    Union[tuple(_BY_NAME.values())]  # noqa: UP007 - made at run time
).decode
"""
The event of a well-formed message.

Raises:
    one of ``UNDECODABLE``: If it is anything else; ``salvage`` then says what.

"""

# A string of invalid UTF-8 raises UnicodeDecodeError, a ValueError as msgspec's own errors are.
UNDECODABLE = (ValueError, RecursionError)


def salvage(message: bytes) -> tuple[Received, list[str]]:
    """
    What can be made of a message that ``decode`` refuses, and the fields that were bad in it.

    A field whose value is of the wrong type takes its default; the rest is kept.
    """
    try:
        raw = msgspec.json.decode(message)
    except UNDECODABLE as error:
        return Malformed(str(error)[:200]), []
    if not isinstance(raw, dict):
        return Malformed(f"expected an object, got {type(raw).__name__}"), []
    name = raw.get("type")
    if not isinstance(name, str):
        return Unknown(""), []
    cls = _BY_NAME.get(name)
    return (Unknown(name), []) if cls is None else _keep_valid(cls, raw)


def _keep_valid(
    cls: type[msgspec.Struct], raw: dict[str, Any], path: str = ""
) -> tuple[Any, list[str]]:
    """A struct of the valid fields of ``raw``, and where the others stood."""
    kept: dict[str, Any] = {}
    bad: list[str] = []
    for field in _fields(cls):
        if field.encode_name not in raw:
            continue
        where = path + field.encode_name
        try:
            kept[field.name] = msgspec.convert(raw[field.encode_name], field.type)
        except msgspec.ValidationError:
            value, worse = _repair(field.type, raw[field.encode_name], where + ".")
            bad.extend(worse or [where])
            if value is not None:
                kept[field.name] = value
    return cls(**kept), bad


@cache
def _fields(cls: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(cls)


def _repair(annotation: Any, value: Any, path: str) -> tuple[Any, list[str]]:
    """What of a nested value can be kept; ``None`` for nothing."""
    struct, many = _nested(annotation)
    if struct is ErrorDetails and isinstance(value, str):
        return ErrorDetails(message=value), []
    if struct is None or many is not isinstance(value, list):
        return None, []
    parts = [
        _keep_valid(struct, raw, path)
        for raw in (value if many else [value])
        if isinstance(raw, dict)
    ]
    found = [part for part, _ in parts]
    bad = sorted({where for _, worse in parts for where in worse})
    return (found if many else found[0] if found else None), bad


@cache
def _nested(annotation: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """The struct that an annotation such as ``list[Item] | None`` holds, and whether in a list."""
    for option in (
        get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    ):
        many = get_origin(option) is list
        inner = get_args(option)[0] if many else option
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            return inner, many
    return None, False


def modernise(event: ServerEvent, active: str | None) -> ServerEvent:
    """
    An event under its beta name as the event of today.

    Args:
        event: One of ``BETA_EVENTS``.
        active: The only response being made: the one meant by a ``response.cancelled`` that names
            none.

    """
    values = msgspec.structs.asdict(event)
    cancelled = values.pop("response_id", active) if event.type == "response.cancelled" else None
    modern = BETA_EVENTS[type(event)](**values)
    if event.type == "response.cancelled":
        assert isinstance(modern, ResponseDone)
        modern.response = modern.response or Response(id=cancelled or active)
        modern.response.status = "cancelled"
    return modern
