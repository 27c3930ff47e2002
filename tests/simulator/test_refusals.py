"""Events that can't be done: each is answered by an error, and the session goes on."""

import json

import pytest
from dialogue import Dialogue, error_of, of, speech
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.realtime.client_events import CLIENT_EVENTS


@pytest.fixture
def caller():
    return Dialogue(configure={})


def session(**fields):
    return {"type": "session.update", "session": {"type": "realtime", **fields}}


def item(**fields):
    return {"type": "conversation.item.create", "item": fields}


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({}, "missing_required_parameter", "type"),
        ({"type": 3}, "missing_required_parameter", "type"),
        ({"type": "response.begin"}, "invalid_value", "type"),
        ({"type": "output_audio_buffer.clear"}, "invalid_value", "type"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        ({"type": "input_audio_buffer.append", "audio": 5}, "invalid_type", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "%%%"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
        ({"type": "response.cancel"}, "response_cancel_not_active", None),
        (
            {"type": "response.cancel", "response_id": "resp_none"},
            "response_cancel_not_active",
            None,
        ),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": {}}, "missing_required_parameter", "session.type"),
        (session(temperature=0.8), "unknown_parameter", "session.temperature"),
        (session(modalities=["audio"]), "unknown_parameter", "session.modalities"),
        (session(instructions=5), "invalid_type", "session.instructions"),
        (session(output_modalities=["audio", "text"]), "invalid_type", "session.output_modalities"),
        (session(max_output_tokens=0), "invalid_value", "session.max_output_tokens"),
        (
            session(tools=[{"type": "function"}]),
            "missing_required_parameter",
            "session.tools[0].name",
        ),
        (session(audio={"input": {"gain": 2}}), "unknown_parameter", "session.audio.input.gain"),
        (session(audio={"input": 2}), "invalid_type", "session.audio.input"),
        (
            session(audio={"input": {"turn_detection": {"type": "ears"}}}),
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
        (
            session(audio={"output": {"format": {"type": "audio/opus"}}}),
            "invalid_value",
            "session.audio.output.format.type",
        ),
        (
            session(audio={"output": {"speed": 9}}),
            "invalid_value",
            "session.audio.output.speed",
        ),
        (
            {"type": "response.create", "response": {"mood": 1}},
            "unknown_parameter",
            "response.mood",
        ),
        ({"type": "conversation.item.create"}, "missing_required_parameter", "item"),
        (item(), "missing_required_parameter", "item.type"),
        (item(type="song"), "invalid_value", "item.type"),
        (item(type="message", content=[]), "missing_required_parameter", "item.role"),
        (item(type="message", role="cat", content=[]), "invalid_value", "item.role"),
        (
            item(type="message", role="user", content=[{"type": "output_text", "text": "x"}]),
            "invalid_value",
            "item.content[0].type",
        ),
        (
            item(type="message", role="user", content=[{"type": "input_text", "text": 5}]),
            "invalid_type",
            "item.content[0].text",
        ),
        (
            item(type="function_call_output", output="x"),
            "missing_required_parameter",
            "item.call_id",
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0},
            "missing_required_parameter",
            "audio_end_ms",
        ),
        (
            {
                "type": "conversation.item.truncate",
                "item_id": "x",
                "content_index": 0,
                "audio_end_ms": 1,
            },
            "item_truncate_invalid_item_id",
            "item_id",
        ),
        (
            {"type": "conversation.item.delete", "item_id": "x"},
            "item_delete_invalid_item_id",
            "item_id",
        ),
        (
            {**item(type="message", role="user", content=[]), "previous_item_id": "x"},
            "item_create_invalid_previous_item_id",
            "previous_item_id",
        ),
    ],
)
def test_an_event_that_cannot_be_done_is_refused_with_code_and_param(caller, event, code, param):
    heard = caller.write(json.dumps({**event, "event_id": "mine"}).encode())

    error = error_of(heard)
    assert (error["code"], error["param"]) == (code, param)
    assert error["type"] == "invalid_request_error"
    assert error["event_id"] == "mine"
    assert error["message"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        (b"[]", "invalid_type"),
        (b"5", "invalid_type"),
        (b"null", "invalid_type"),
        (b"0 \0", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
    ],
)
def test_a_message_that_is_no_event_is_refused(caller, message, code):
    assert error_of(caller.write(message))["code"] == code


def test_the_session_goes_on_after_a_refusal(caller):
    caller.write(b"{")
    caller.say()

    assert caller.wait(5000)[-1]["response"]["status"] == "completed"
    assert caller.endpoint.totals.errors == 1


def test_a_refused_update_changes_nothing(caller):
    caller.configure(instructions="before")
    caller.configure(instructions="after", temperature=1)

    assert caller.configure()[0]["session"]["instructions"] == "before"


def test_a_model_that_does_not_exist_is_told_and_ends_the_session():
    caller = Dialogue(models=("gpt-other",))

    (event,) = caller.heard
    assert event["error"]["code"] == "model_not_found"
    assert caller.session.closing == (4000, "invalid_request_error.model_not_found")
    assert caller.send("response.create") == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5000)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
WORDS = st.sampled_from(
    [
        "message",
        "function_call",
        "function_call_output",
        "user",
        "assistant",
        "realtime",
        "input_text",
    ]
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "type",
            "role",
            "content",
            "audio",
            "tools",
            "name",
            "call_id",
            "output",
            "arguments",
            "id",
            "input",
            "instructions",
            "tool_choice",
            "parallel_tool_calls",
            "output_modalities",
            "modalities",
            "voice",
            "input_audio_format",
            "turn_detection",
            "temperature",
        ]
    ),
    JSON | WORDS,
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(CLIENT_EVENTS))},
    optional={
        "event_id": JSON,
        "audio": JSON | st.just("AAAA" * 2000),
        "session": JSON | FIELDS.map(lambda fields: {"type": "realtime", **fields}),
        "item": JSON | FIELDS,
        "response": JSON | FIELDS,
        "item_id": JSON,
        "previous_item_id": JSON,
        "content_index": JSON,
        "audio_end_ms": JSON,
        "response_id": JSON,
    },
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(EVENTS.map(lambda event: json.dumps(event).encode()) | st.binary(max_size=20)),
    st.booleans(),
)
def test_no_event_of_a_client_breaks_the_session(messages, asks_for_beta):
    caller = Dialogue(configure={}, answer="300ms", asks_for_beta=asks_for_beta)

    for message in messages:
        caller.write(message)
        caller.wait(100)

    caller.wait(20_000)
    caller.configure()
    assert caller.heard[-1]["type"] == "session.updated"
    created = {event["response"]["id"] for event in of("response.created", caller.heard)}
    assert {event["response"]["id"] for event in of("response.done", caller.heard)} == created


def test_a_refused_item_is_not_what_is_answered(caller):
    caller.append(speech(0.5))
    item_id = caller.send("input_audio_buffer.commit")[0]["item_id"]
    content = [{"type": "input_text", "text": "Hi"}]
    message = {"id": item_id, "type": "message", "role": "user", "content": content}

    assert error_of(caller.send("conversation.item.create", item=message))
    caller.send("response.create")
    caller.wait(5000)

    assert [truth.kind for truth in caller.truths] == ["speech"]


def test_a_refused_response_counts_for_nothing(caller):
    assert error_of(caller.send("response.create", response={"input": [{"type": "song"}]}))
    caller.say()
    caller.wait(5000)

    assert [truth.response_id for truth in caller.truths] == ["resp_t00000_0"]
