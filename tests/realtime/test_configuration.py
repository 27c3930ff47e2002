import json

import pytest
from judge import CLIENT, judged

from harness.audio import PCM16, PCMA, PCMU
from harness.durations import Distribution
from harness.realtime import client_events as client
from harness.realtime.configuration import merge, session_update
from harness.realtime.session import Session
from harness.tools import SimulatedTools

TOOLS = SimulatedTools(Distribution("fixed", 0.1)).schemas


def sent(event):
    """What the openai package makes of an event as it goes over the wire."""
    session = Session()
    session.opened()
    session.receive(b'{"type":"session.created","event_id":"e","session":{}}')
    session.sending_audio(48_000)
    return judged(json.loads(session.send(event)), CLIENT)


@pytest.mark.parametrize(
    "event",
    [
        client.Append(audio=b"\1\2\3\4"),
        client.Commit(),
        client.ClearBuffer(),
        client.CreateItem(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Hi"}],
            },
            previous_item_id="root",
        ),
        client.CreateItem(item={"type": "function_call_output", "call_id": "c", "output": "{}"}),
        client.DeleteItem(item_id="i"),
        client.RetrieveItem(item_id="i"),
        client.TruncateItem(item_id="i", content_index=0, audio_end_ms=0),
        client.CreateResponse(),
        client.CreateResponse(response={"instructions": "Greet.", "tool_choice": "none"}),
        client.CancelResponse(),
        client.CancelResponse(response_id="r", event_id="mine"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_all_we_send_is_valid_to_the_openai_package(event):
    parsed = sent(event)

    assert parsed.type == event.__struct_config__.tag
    assert parsed.to_dict(exclude_unset=True) == json.loads(client.encode(event))


@pytest.mark.parametrize("audio_format", [PCM16, PCMU, PCMA], ids=lambda f: f.name)
@pytest.mark.parametrize(
    "turn_detection",
    [
        None,
        "none",
        "server_vad",
        {
            "type": "server_vad",
            "threshold": 0.4,
            "silence_duration_ms": 300,
            "idle_timeout_ms": 6000,
        },
        "semantic_vad",
        {"type": "semantic_vad", "eagerness": "high", "interrupt_response": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("tool_choice", [None, "required", "look_up"])
def test_every_configuration_is_valid_to_the_openai_package(
    audio_format, turn_detection, tool_choice
):
    session = session_update(
        voice="marin",
        instructions="Be brief.",
        turn_detection=turn_detection,
        audio_format=audio_format,
        transcription="gpt-4o-transcribe",
        tools=TOOLS,
        tool_choice=tool_choice,
    )

    parsed = sent(client.UpdateSession(session=session))

    assert parsed.session.type == "realtime"
    assert parsed.to_dict(exclude_unset=True) == {"type": "session.update", "session": session}


def test_the_least_configuration_is_push_to_talk():
    assert session_update() == {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "turn_detection": None,
                "transcription": None,
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}},
        },
    }


def test_the_beta_has_a_shape_of_its_own():
    assert session_update(
        beta=True,
        voice="alloy",
        instructions="Be brief.",
        turn_detection="server_vad",
        audio_format=PCMU,
        transcription="whisper-1",
    ) == {
        "modalities": ["audio", "text"],
        "voice": "alloy",
        "instructions": "Be brief.",
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_ulaw",
        "turn_detection": {"type": "server_vad"},
        "input_audio_transcription": {"model": "whisper-1"},
    }


def test_the_users_session_is_laid_over_ours():
    override = {
        "output_modalities": ["text"],
        "audio": {"input": {"noise_reduction": {"type": "near_field"}, "transcription": None}},
        "max_output_tokens": "inf",
    }
    session = session_update(voice="alloy", transcription="whisper-1", override=override)

    assert session["output_modalities"] == ["text"]
    assert session["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
    assert session["audio"]["input"]["transcription"] is None
    assert session["audio"]["output"]["voice"] == "alloy"
    assert session["max_output_tokens"] == "inf"


def test_merging_changes_neither_side():
    base, over = {"a": {"b": 1}, "c": [1]}, {"a": {"d": 2}, "c": [2], "e": {"f": None}}

    assert merge(base, over) == {"a": {"b": 1, "d": 2}, "c": [2], "e": {"f": None}}
    assert (base, over) == (
        {"a": {"b": 1}, "c": [1]},
        {"a": {"d": 2}, "c": [2], "e": {"f": None}},
    )
