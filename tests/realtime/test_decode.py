import json

import msgspec
import pytest

from harness.realtime import events as ev
from harness.realtime.decode import BETA_EVENTS, PASSED, decode, salvage
from harness.realtime.objects import ErrorDetails, Item, Response

DEEP = b"[" * 200_000
HUGE = b"9" * 5_000


@pytest.mark.parametrize("name", sorted(ev.SERVER_EVENTS | set(ev.BETA_NAMES)))
def test_every_name_of_the_protocol_is_known(name):
    event = decode(json.dumps({"type": name}).encode())

    assert event.type == name
    expected = ev.ACTED_ON.get(ev.BETA_NAMES.get(name, name), ev.Passed)
    assert isinstance(event, expected)


def test_the_three_kinds_of_names_do_not_overlap():
    beta = {cls.__struct_config__.tag for cls in BETA_EVENTS}

    assert beta == set(ev.BETA_NAMES)
    assert not set(PASSED) & (beta | set(ev.ACTED_ON))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"null",
        b"5",
        b'"response.done"',
        b'[{"type":"response.done"}]',
        b'{"type":"response.done"',
        b'{"type":"response.done"}}',
        b"{'type':'response.done'}",
        b'{"type":"error","event_id":"\xff\xfe"}',
        b'\xef\xbb\xbf{"type":"error"}',
        b'{"type":"error","error":{"message":"\\ud800"}}',
        b'{"type":"session.created","session":{"n":NaN}}',
        b'{"type":"session.created","session":{"n":' + HUGE + b"}}",
        DEEP,
        b'{"type":"error","error":' + DEEP,
        b'{"type":"session.created","session":' + b'{"a":' * 100_000,
        b"\0" * 10,
    ],
    ids=lambda message: repr(message[:40]),
)
def test_what_is_no_json_object_is_malformed(message):
    event, bad = salvage(message)

    assert isinstance(event, ev.Malformed)
    assert 0 < len(event.reason) <= 200
    assert bad == []


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (b"{}", ""),
        (b'{"type":null}', ""),
        (b'{"type":7}', ""),
        (b'{"type":["error"]}', ""),
        (b'{"type":""}', ""),
        (b'{"type":"response.dance"}', "response.dance"),
        (b'{"type":"error","type":"last wins"}', "last wins"),
    ],
)
def test_an_object_of_no_known_type_is_unknown(message, name):
    assert salvage(message) == (ev.Unknown(name), [])


@pytest.mark.parametrize(
    ("message", "event", "bad"),
    [
        (
            b'{"type":"error","event_id":"e","error":"boom"}',
            ev.Error(event_id="e", error=ErrorDetails(message="boom")),
            ["error"],
        ),
        (
            b'{"type":"error","error":{"type":3,"code":"x","message":["y"]}}',
            ev.Error(error=ErrorDetails(code="x")),
            ["error.message", "error.type"],
        ),
        (
            b'{"type":"response.output_audio.delta","delta":null,"response_id":"r"}',
            ev.AudioDelta(response_id="r"),
            ["delta"],
        ),
        (
            b'{"type":"response.output_audio.delta","delta":"A$==","item_id":"i"}',
            ev.AudioDelta(item_id="i"),
            ["delta"],
        ),
        (
            b'{"type":"response.output_audio.delta","delta":{},"output_index":"0"}',
            ev.AudioDelta(),
            ["delta", "output_index"],
        ),
        (
            b'{"type":"input_audio_buffer.speech_stopped","audio_end_ms":12.5,"item_id":"i"}',
            ev.SpeechStopped(item_id="i"),
            ["audio_end_ms"],
        ),
        (
            b'{"type":"response.done","response":{"id":"r","status":1,"output":'
            b'[{"id":7,"name":"f"},null,{"id":"i"}],"usage":[],"status_details":"late"}}',
            ev.ResponseDone(response=Response(id="r", output=[Item(name="f"), Item(id="i")])),
            [
                *("response.output.id", "response.status", "response.status_details"),
                "response.usage",
            ],
        ),
        (b'{"type":"response.done","response":[1]}', ev.ResponseDone(), ["response"]),
        (b'{"type":"session.created","session":"s"}', ev.SessionCreated(), ["session"]),
        (b'{"type":"rate_limits.updated","rate_limits":{}}', ev.RateLimits(), ["rate_limits"]),
    ],
)
def test_bad_fields_take_their_defaults_and_the_rest_is_kept(message, event, bad):
    with pytest.raises(msgspec.ValidationError):
        decode(message)
    found, where = salvage(message)

    assert found == event
    assert sorted(where) == bad


def test_nulls_in_optional_fields_are_no_salvage():
    event = decode(
        b'{"type":"response.done","response":{"id":"r","status":"completed",'
        b'"status_details":null,"output":null,"usage":null,"metadata":null}}'
    )

    assert event.response == Response(id="r", status="completed")


def test_the_last_of_two_equal_keys_counts():
    assert decode(b'{"type":"error","event_id":"a","event_id":"b"}').event_id == "b"


def test_a_type_that_comes_last_is_found():
    delta = decode(b'{"delta":"AQI=","type":"response.output_audio.delta"}')

    assert delta.delta == b"\1\2"
