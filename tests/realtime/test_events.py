import typing

import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent

from harness.realtime import events as ev


def models(union):
    """The openai package's models of an annotated union, by wire name."""
    members = typing.get_args(typing.get_args(union)[0])
    return {typing.get_args(m.model_fields["type"].annotation)[0]: m for m in members}


def test_all_server_events_are_known():
    assert set(models(RealtimeServerEvent)) == ev.SERVER_EVENTS


def test_all_client_events_are_known():
    assert set(models(RealtimeClientEvent)) == ev.CLIENT_EVENTS


@pytest.mark.parametrize("name", sorted(ev.ACTED_ON))
def test_each_field_we_read_is_one_a_ga_server_must_send(name):
    # What is left out then is a deviation, without a list of exceptions.
    fields = models(RealtimeServerEvent)[name].model_fields
    read = set(ev.ACTED_ON[name].__struct_fields__)

    assert read <= {field for field, info in fields.items() if info.is_required()}


def test_an_event_knows_its_wire_name():
    assert ev.ResponseDone().type == "response.done"
