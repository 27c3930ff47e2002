"""Messages of a server that speaks the GA protocol, for tests."""

import base64
import itertools
import json

_ids = itertools.count()

SESSION = {
    "id": "sess_1",
    "type": "realtime",
    "model": "gpt-realtime-2.1-mini",
    "audio": {
        "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": None},
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"},
    },
}


def message(name, /, **fields):
    """An event as bytes; a fresh ``event_id`` unless given."""
    return json.dumps({"type": name, "event_id": f"event_{next(_ids)}", **fields}).encode()


def created(**session):
    return message("session.created", session={**SESSION, **session})


def updated(**session):
    return message("session.updated", session={**SESSION, **session})


def response_created(response="resp_1"):
    return message("response.created", response={"id": response, "status": "in_progress"})


def item_added(response="resp_1", item="item_1", **fields):
    content = {"id": item, "type": "message", "role": "assistant", "status": "in_progress"}
    return message(
        "response.output_item.added", response_id=response, output_index=0, item=content | fields
    )


def item_done(response="resp_1", item="item_1", **fields):
    content = {"id": item, "type": "message", "role": "assistant", "status": "completed"}
    return message(
        "response.output_item.done", response_id=response, output_index=0, item=content | fields
    )


def _part(response, item):
    return {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}


def mcp_call(response="resp_1", item="mcp_1", **fields):
    """The messages of a whole response that calls a tool of an MCP server."""
    call = {"type": "mcp_call", "server_label": "docs", "name": "search", **fields}
    made = {"response_id": response, "item_id": item, "output_index": 0}
    return [
        response_created(response),
        item_added(response, item, **call, arguments=""),
        message("response.mcp_call_arguments.done", **made, arguments='{"query": "x"}'),
        item_done(response, item, **call, arguments='{"query": "x"}'),
        response_done(response),
    ]


def mcp_ended(item="mcp_1", how="completed"):
    """The endpoint has run it."""
    return message(f"response.mcp_call.{how}", item_id=item, output_index=0)


def audio_delta(pcm=b"\1\2" * 480, response="resp_1", item="item_1", **fields):
    delta = base64.b64encode(pcm).decode()
    return message(
        "response.output_audio.delta", **(_part(response, item) | {"delta": delta} | fields)
    )


def audio_done(response="resp_1", item="item_1"):
    return message("response.output_audio.done", **_part(response, item))


def transcript_delta(delta="Hello ", response="resp_1", item="item_1"):
    name = "response.output_audio_transcript.delta"
    return message(name, **_part(response, item), delta=delta)


def response_done(response="resp_1", status="completed", **fields):
    body = {"id": response, "status": status, "output": [], "usage": {"total_tokens": 3}} | fields
    return message("response.done", response=body)


def committed(item="item_0"):
    return message("input_audio_buffer.committed", item_id=item, previous_item_id=None)


def error(code="invalid_value", **fields):
    body = {"type": "invalid_request_error", "code": code, "message": "No.", "param": None}
    return message("error", error={**body, "event_id": None, **fields})


def answer(response="resp_1", item="item_1", deltas=3):
    """The messages of one whole spoken answer."""
    return [
        response_created(response),
        item_added(response, item),
        *(audio_delta(response=response, item=item) for _ in range(deltas)),
        transcript_delta(response=response, item=item),
        audio_done(response, item),
        item_done(response, item),
        response_done(response),
    ]
