"""Everything the simulator sends in the beta's shape is what the types of the beta say it is."""

from functools import cache

import pytest
from dialogue import Dialogue, silence, speech
from judge import models, strangers
from openai.types.beta.realtime import RealtimeServerEvent

from harness.realtime.configuration import session_update

SERVER = models(RealtimeServerEvent)
# Real servers send these, the types left them out.
UNTOLD = {
    "session.id",
    "session.object",
    "session.expires_at",
    "session.include",
    "session.input_audio_noise_reduction",
    "response.usage.input_token_details.image_tokens",
    "response.usage.input_token_details.cached_tokens_details",
    "usage",
}
TOOL = {"type": "function", "name": "get_weather", "parameters": {}}


def caller(*faults, **session):
    options = {"answer": "1s", "filler_rate": 1.0, "faults": faults}
    caller = Dialogue(asks_for_beta=True, model="gpt-realtime", **options)
    caller.send("session.update", session=session_update(beta=True, **session))
    return caller


def push_to_talk():
    talking = caller(transcription="gpt-4o-transcribe")
    talking.say()
    talking.wait(5000)
    item_id = talking.last("response.output_item.done")["item"]["id"]
    talking.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=500)
    talking.send("conversation.item.retrieve", item_id=item_id)
    talking.send("conversation.item.delete", item_id=item_id)
    talking.send("input_audio_buffer.clear")
    talking.send("nonsense")
    return talking


def open_microphone():
    talking = caller(
        "no-transcript=100%", turn_detection="server_vad", transcription="gpt-4o-transcribe"
    )
    talking.append(speech(0.5) + silence(3.0))
    return talking


def typed():
    talking = caller(tools=[TOOL], tool_choice="required")
    content = [{"type": "input_text", "text": "Hello"}]
    item = {"type": "message", "role": "user", "content": content}
    talking.send("conversation.item.create", item=item)
    talking.send("response.create")
    talking.wait(5000)
    text = {"modalities": ["text"], "tool_choice": "none", "max_response_output_tokens": 50}
    talking.send("response.create", response=text)
    talking.wait(5000)
    return talking


def written_down():
    talking = Dialogue(asks_for_beta=True, type="transcription")
    session = {"input_audio_transcription": {"model": "gpt-4o-transcribe"}}
    talking.send("transcription_session.update", session=session)
    talking.append(speech(0.5) + silence(1.0))
    return talking


CONVERSATIONS = (push_to_talk, open_microphone, typed, written_down)
NEVER_SENT = {
    "output_audio_buffer.cleared",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
}


@cache
def heard_in(conversation):
    return [{k: v for k, v in event.items() if k != "at"} for event in conversation().heard]


def known(event):
    """An event as the types have it: they know the created one by its twin, and by HTTP only."""
    if not event["type"].startswith("transcription_session."):
        return event
    session = {**event["session"], "client_secret": {"value": "ek_1", "expires_at": 1}}
    return {**event, "type": "transcription_session.updated", "session": session}


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda function: function.__name__)
def test_every_event_is_what_the_types_of_the_beta_say(conversation):
    for event in map(known, heard_in(conversation)):
        parsed = SERVER[event["type"]].model_validate(event, strict=True)
        assert set(strangers(parsed)) <= UNTOLD, event["type"]


def test_these_conversations_show_every_event_of_the_beta():
    sent = {known(event)["type"] for talk in CONVERSATIONS for event in heard_in(talk)}

    assert sent == set(SERVER) - NEVER_SENT
