"""Everything the simulator sends is what the API's own types say it is."""

from functools import cache

import pytest
from dialogue import Dialogue, silence, speech
from judge import SERVER, judged

from harness.realtime.events import SERVER_EVENTS

TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


SERVER_TOOLS = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": "https://mcp.example.com",
    "allowed_tools": {"tool_names": ["search", "fetch"]},
    "require_approval": {"never": {"tool_names": ["search"]}},
}


def text(words):
    content = [{"type": "input_text", "text": words}]
    return {"type": "message", "role": "user", "content": content}


def push_to_talk():
    caller = Dialogue(configure={"input": {"transcription": {"model": "gpt-4o-transcribe"}}})
    caller.append(speech(1.0))
    caller.send("input_audio_buffer.clear")
    caller.say()
    caller.wait(5000)
    item_id = caller.last("response.output_item.done")["item"]["id"]
    caller.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=500)
    caller.send("conversation.item.retrieve", item_id=item_id)
    caller.send("conversation.item.delete", item_id=item_id)
    return caller


def open_microphone():
    vad = {"type": "server_vad", "silence_duration_ms": 300}
    caller = Dialogue(
        configure={"turn_detection": vad, "input": {"transcription": {"model": "whisper-1"}}},
        speed=1,
    )
    caller.append((speech(0.5) + silence(1.0)) * 3)
    caller.wait(10_000)
    return caller


def told_apart():
    """Who speaks is told, too."""
    model = {"model": "gpt-4o-transcribe-diarize"}
    caller = Dialogue(configure={"input": {"transcription": model}})
    caller.say()
    caller.wait(5000)
    return caller


def semantic():
    caller = Dialogue(
        configure={
            "turn_detection": {"type": "semantic_vad", "eagerness": "high"},
            "input": {"transcription": {"model": "whisper-1"}},
        },
        faults=["no-transcript=100%"],
    )
    caller.append(speech(0.5) + silence(3.0))
    return caller


def telephone():
    formats = {"format": {"type": "audio/pcmu"}}
    caller = Dialogue(configure={"input": formats, "output": formats})
    caller.say()
    caller.wait(5000)
    return caller


def typed():
    caller = Dialogue(configure={"output_modalities": ["text"]})
    caller.send("conversation.item.create", item=text("Hello"))
    caller.send("response.create", response={"max_output_tokens": 10, "metadata": {"a": "b"}})
    caller.wait(5000)
    return caller


def tools():
    """Something said, and two calls in one response."""
    caller = Dialogue(configure={"tools": [TOOL, {**TOOL, "name": "get_time"}]}, filler_rate=1.0)
    caller.send("conversation.item.create", item=text("Please get_weather and get_time."))
    caller.send("response.create")
    caller.wait(5000)
    assert len(caller.last("response.done")["response"]["output"]) == 3
    return caller


def tool():
    caller = Dialogue(configure={"tools": [TOOL], "tool_choice": "required"})
    caller.send("conversation.item.create", item=text("What is it like outside?"))
    caller.send("response.create")
    caller.wait(5000)
    call = caller.last("response.done")["response"]["output"][0]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
    caller.send("conversation.item.create", item=output)
    caller.send("response.create", response={"conversation": "none", "input": [text("Hm?")]})
    caller.wait(5000)
    return caller


def mcp():
    """Tools of a server: one that needs approval, and one that does not."""
    caller = Dialogue(configure={"tools": [SERVER_TOOLS]})
    caller.wait(1000)
    caller.send("conversation.item.create", item=text("Please search and fetch."))
    caller.send("response.create")
    caller.wait(2000)
    request = caller.last("response.done")["response"]["output"][-1]
    verdict = {"type": "mcp_approval_response", "approval_request_id": request["id"]}
    caller.send("conversation.item.create", item={**verdict, "approve": True})
    caller.wait(1000)
    caller.send("response.create")
    caller.wait(5000)
    assert caller.truths[-1].kind == "tool_followup"
    return caller


def failing_mcp():
    """Servers of which some list no tools, and some of whose calls fail."""
    servers = [{**SERVER_TOOLS, "server_label": f"docs{n}"} for n in range(8)]
    caller = Dialogue(configure={"tools": servers}, mcp_failure_rate=0.5)
    caller.wait(1000)
    for _ in range(8):
        caller.send("conversation.item.create", item=text("Please search."))
        caller.send("response.create")
        caller.wait(2000)
    return caller


def cancelled():
    caller = Dialogue(configure={}, answer="5s", speed=1)
    caller.say()
    caller.wait(1000)
    caller.send("response.cancel")
    caller.send("response.cancel")
    return caller


def refused():
    caller = Dialogue(configure={})
    caller.write(b"{")
    caller.send("nonsense", event_id="mine")
    caller.send("input_audio_buffer.commit")
    return caller


def idle():
    vad = {"type": "server_vad", "idle_timeout_ms": 5000}
    caller = Dialogue(configure={"turn_detection": vad}, answer="1s", speed=0)
    caller.append(speech(0.5) + silence(9.0))
    return caller


def limited():
    caller = Dialogue(configure={}, requests_per_minute=1, session_cap=60.0)
    for _ in range(2):
        caller.say(speech(0.2))
        caller.wait(5000)
    caller.wait(60_000)
    return caller


def struck():
    caller = Dialogue(configure={}, faults=["fail=50%", "incomplete=50%"], answer="1s")
    for _ in range(8):
        caller.say(speech(0.2))
        caller.wait(3000)
    return caller


def written_down():
    caller = Dialogue(type="transcription")
    audio = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
    caller.send("session.update", session={"type": "transcription", "audio": audio})
    caller.append(speech(0.5) + silence(1.0))
    return caller


CONVERSATIONS = (
    *(push_to_talk, open_microphone, told_apart, semantic, telephone),
    *(mcp, failing_mcp),
    *(typed, tool, tools, cancelled, refused, idle, limited, struck, written_down),
)
NEVER_SENT = {
    "conversation.created": "the beta's, which a session of today does not send",
    "conversation.item.created": "likewise: added and done stand for it",
    "input_audio_buffer.dtmf_event_received": "of telephone calls, over SIP only",
    "output_audio_buffer.cleared": "the endpoint plays audio itself over WebRTC and SIP only",
    "output_audio_buffer.started": "likewise",
    "output_audio_buffer.stopped": "likewise",
}
"""Events of the API that it does not send over a WebSocket, and why."""


@cache
def heard_in(conversation):
    return [
        {key: value for key, value in event.items() if key != "at"}
        for event in conversation().heard
    ]


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda function: function.__name__)
def test_every_event_is_what_the_types_of_the_api_say(conversation):
    for event in heard_in(conversation):
        assert judged(event, SERVER).type == event["type"]


def test_these_conversations_show_every_event_that_the_api_sends():
    sent = {event["type"] for conversation in CONVERSATIONS for event in heard_in(conversation)}

    assert sent == set(SERVER) - set(NEVER_SENT)
    assert set(SERVER) == SERVER_EVENTS


def test_these_conversations_show_every_way_a_response_ends():
    done = [
        event["response"]["status"]
        for conversation in CONVERSATIONS
        for event in heard_in(conversation)
        if event["type"] == "response.done"
    ]

    assert set(done) == {"completed", "cancelled", "failed", "incomplete"}
