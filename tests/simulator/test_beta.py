"""Sessions that are spoken to as the protocol was as a beta."""

import pytest
from dialogue import Dialogue, error_of, of, silence, speech, types

from harness.audio import PCMU
from harness.simulator.access import Access, Admitted

ANSWER = [
    "response.created",
    "rate_limits.updated",
    "response.output_item.added",
    "conversation.item.created",
    "response.content_part.added",
    "response.audio_transcript.delta",
    "response.audio.delta",
    "response.audio.done",
    "response.audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]
TOOL = {"type": "function", "name": "get_time", "parameters": {}}
FLAT = {
    "modalities": ["text", "audio"],
    "instructions": "Be brief.",
    "voice": "sage",
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "g711_alaw",
    "input_audio_transcription": {"model": "whisper-1"},
    "input_audio_noise_reduction": {"type": "near_field"},
    "turn_detection": {"type": "server_vad", "threshold": 0.4},
    "tools": [TOOL],
    "tool_choice": "none",
    "temperature": 0.6,
    "max_response_output_tokens": 1000,
    "speed": 1.1,
}


@pytest.fixture
def caller():
    caller = Dialogue(asks_for_beta=True, answer="1s")
    caller.send("session.update", session={"turn_detection": None})
    return caller


def spoken(caller):
    heard = caller.say(speech(0.5))
    return [*heard, *caller.wait(5000)]


def test_a_session_begins_with_a_conversation_and_a_flat_configuration():
    created, conversation = Dialogue(asks_for_beta=True).heard

    assert (created["type"], conversation["type"]) == ("session.created", "conversation.created")
    assert conversation["conversation"]["object"] == "realtime.conversation"
    session = created["session"]
    assert "audio" not in session
    assert session["modalities"] == ["text", "audio"]
    assert session["input_audio_format"] == session["output_audio_format"] == "pcm16"
    assert session["temperature"] == 0.8


def test_what_is_configured_is_told_back_in_the_same_shape(caller):
    (updated,) = caller.send("session.update", session=FLAT)

    session = updated["session"]
    detection = session.pop("turn_detection")
    assert (detection["type"], detection["threshold"]) == ("server_vad", 0.4)
    transcription = session.pop("input_audio_transcription")
    assert transcription["model"] == "whisper-1"
    assert session.pop("input_audio_noise_reduction")["type"] == "near_field"
    told = {name: FLAT[name] for name in FLAT if name in session}
    assert {name: session[name] for name in told} == told
    assert len(told) == len(FLAT) - 3


WRITTEN = {
    "input_audio_format": "g711_ulaw",
    "input_audio_transcription": {"model": "gpt-4o-transcribe"},
    "input_audio_noise_reduction": {"type": "far_field"},
    "turn_detection": {"type": "server_vad", "threshold": 0.4, "silence_duration_ms": 200},
    "include": ["item.input_audio_transcription.logprobs"],
}


def test_a_session_that_writes_down_has_events_of_its_own():
    caller = Dialogue(asks_for_beta=True, type="transcription")
    (updated,) = caller.send(
        "transcription_session.update", session={**WRITTEN, "modalities": ["text"]}
    )

    assert caller.heard[0]["type"] == "transcription_session.created"
    assert updated["type"] == "transcription_session.updated"
    session = updated["session"]
    assert session["object"] == "realtime.transcription_session"
    assert session["turn_detection"] == {**WRITTEN["turn_detection"], "prefix_padding_ms": 300}
    told = {name: session[name] for name in WRITTEN if name != "turn_detection"}
    assert told == {name: WRITTEN[name] for name in told}
    assert "modalities" not in session

    heard = caller.append(speech(0.5, PCMU) + silence(1.0, PCMU), format=PCMU)
    assert of("conversation.item.input_audio_transcription.completed", heard)
    assert not of("response.created", heard)


def test_what_it_leaves_out_stays_too():
    caller = Dialogue(asks_for_beta=True, type="transcription")
    caller.send("transcription_session.update", session=WRITTEN)

    (updated,) = caller.send("transcription_session.update", session={"turn_detection": None})

    assert updated["session"]["turn_detection"] is None
    assert updated["session"]["input_audio_format"] == "g711_ulaw"


def test_today_there_is_but_one_event_to_configure_a_session():
    caller = Dialogue(type="transcription")

    error = error_of(caller.send("transcription_session.update", session=WRITTEN))

    assert (error["code"], error["param"]) == ("invalid_value", "type")


def test_what_is_left_out_stays(caller):
    caller.send("session.update", session={"voice": "sage", "output_audio_format": "g711_ulaw"})

    session = caller.send("session.update", session={"instructions": "Hm."})[0]["session"]

    assert (session["voice"], session["output_audio_format"]) == ("sage", "g711_ulaw")
    assert session["turn_detection"] is None


def test_an_answer_has_the_names_and_the_order_of_the_beta(caller):
    heard = spoken(caller)

    order = [name for name in types(heard) if name in ANSWER]
    assert order[order.index("response.created") :][: len(ANSWER[:5])] == ANSWER[:5]
    assert list(dict.fromkeys(order[order.index("response.created") :])) == ANSWER
    assert not {"conversation.item.added", "conversation.item.done"} & set(types(heard))
    response = heard[-1]["response"]
    assert response["modalities"] == ["text", "audio"]
    assert (response["voice"], response["output_audio_format"]) == ("alloy", "pcm16")
    (item,) = response["output"]
    assert [part["type"] for part in item["content"]] == ["audio"]


def test_the_audio_is_that_of_today(caller):
    today = Dialogue(configure={}, answer="1s")

    before = [event["delta"] for event in of("response.audio.delta", spoken(caller))]

    assert before == [event["delta"] for event in of("response.output_audio.delta", spoken(today))]


def test_a_response_can_be_asked_for_in_text(caller):
    item = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi"}]}
    (created,) = caller.send("conversation.item.create", item=item)
    caller.send("response.create", response={"modalities": ["text"], "temperature": 0.7})
    heard = caller.wait(5000)

    assert (created["type"], created["item"]["content"][0]["type"]) == (
        "conversation.item.created",
        "text",
    )
    assert of("response.text.delta", heard)
    assert heard[-1]["response"]["modalities"] == ["text"]
    assert heard[-1]["response"]["output"][0]["content"][0]["type"] == "text"


def test_items_beside_the_conversation_have_its_shape_too(caller):
    part = {"type": "text", "text": "Hi"}
    item = {"type": "message", "role": "assistant", "content": [part]}

    heard = caller.send("response.create", response={"conversation": "none", "input": [item]})

    assert not of("error", heard)


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"colour": "red"}, "session.colour"),
        ({"input_audio_format": "mp3"}, "session.audio.input.format.type"),
        ({"turn_detection": 7}, "session.audio.input.turn_detection"),
        ({"modalities": "audio"}, "session.output_modalities"),
        ({"audio": 7, "voice": "sage"}, "session.audio"),
    ],
)
def test_what_makes_no_sense_is_refused(caller, session, param):
    assert error_of(caller.send("session.update", session=session))["param"] == param


@pytest.mark.parametrize(
    ("beta", "asks", "name"),
    [
        ("asked", False, "response.output_audio.delta"),
        ("asked", True, "response.audio.delta"),
        ("always", False, "response.audio.delta"),
        ("refused", False, "response.output_audio.delta"),
    ],
)
def test_it_is_spoken_to_whom_the_option_says(beta, asks, name):
    caller = Dialogue(asks_for_beta=asks, beta=beta, answer="1s")
    caller.send("response.create")

    assert of(name, caller.wait(5000))


def test_who_asks_for_it_may_be_refused_as_openai_does_now():
    caller = Dialogue(asks_for_beta=True, beta="refused")

    assert error_of(caller.heard)["code"] == "beta_api_shape_disabled"
    assert caller.session.closing == (4000, "invalid_request_error.beta_api_shape_disabled")


def test_faults_are_asked_for_by_the_names_of_today():
    caller = Dialogue(asks_for_beta=True, faults=["drop:response.output_audio.delta=100%"])
    caller.send("response.create")

    heard = caller.wait(10_000)

    assert "response.audio_transcript.delta" in types(heard)
    assert not of("response.audio.delta", heard)


@pytest.mark.parametrize(
    ("target", "headers", "beta"),
    [
        ("/v1/realtime", {}, False),
        ("/v1/realtime", {"OpenAI-Beta": "realtime=v1"}, True),
        ("/v1/realtime", {"OpenAI-Beta": "assistants=v2"}, False),
        ("/v1/realtime", {"Sec-WebSocket-Protocol": "realtime, openai-beta.realtime-v1"}, True),
        ("/openai/v1/realtime", {}, False),
        ("/openai/realtime?api-version=2025-04-01-preview&deployment=d", {}, True),
    ],
)
def test_a_handshake_says_who_asks_for_it(target, headers, beta):
    admitted = Access(None).admit(target, headers)

    assert isinstance(admitted, Admitted)
    assert admitted.beta is beta


def test_event_ids_are_unique(caller):
    ids = [event["event_id"] for event in spoken(caller)]

    assert len(set(ids)) == len(ids)
