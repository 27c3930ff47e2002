import pytest
from judge import CLIENT, SERVER

from harness.realtime import client_events as client
from harness.realtime import events as ev


def test_all_server_events_are_known():
    assert set(SERVER) == ev.SERVER_EVENTS


def test_all_client_events_are_known():
    assert set(CLIENT) == client.CLIENT_EVENTS


@pytest.mark.parametrize("name", sorted(ev.ACTED_ON))
def test_each_field_we_read_is_one_a_ga_server_must_send(name):
    # What is left out then is a deviation, without a list of exceptions.
    fields = SERVER[name].model_fields
    read = set(ev.ACTED_ON[name].__struct_fields__)

    assert read <= {field for field, info in fields.items() if info.is_required()}


def test_an_event_knows_its_wire_name():
    assert ev.ResponseDone().type == "response.done"
