"""The types of the ``openai`` package, as the judge of what either side sends."""

import typing

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel

__all__ = ["CLIENT", "SERVER", "judged"]


def models(union):
    """The models of an annotated union, by wire name."""
    members = typing.get_args(typing.get_args(union)[0])
    return {typing.get_args(m.model_fields["type"].annotation)[0]: m for m in members}


CLIENT = models(RealtimeClientEvent)
SERVER = models(RealtimeServerEvent)
UNTOLD = {"session.id", "session.object", "session.expires_at"}  # sent, but not in the types


def judged(event, types):
    """
    What the package makes of an event, by the type of its name alone.

    A union would fall back to a loose match. Fields that its types do not have, at any depth, are
    none of the API's.
    """
    parsed = types[event["type"]].model_validate(event, strict=True)
    assert set(strangers(parsed)) <= UNTOLD
    return parsed


def strangers(value, path=""):
    """Names of fields that the types do not know."""
    match value:
        case BaseModel():
            yield from (f"{path}{name}" for name in value.model_extra or ())
            for name in value.model_fields_set:
                yield from strangers(getattr(value, name, None), f"{path}{name}.")
        case list():
            for each in value:
                yield from strangers(each, path)
