"""The events of a client, as structs: what we send, under the names and fields of the GA API."""

from typing import Any

import msgspec

__all__ = [
    "CLIENT_EVENTS",
    "Append",
    "CancelResponse",
    "ClearBuffer",
    "ClientEvent",
    "Commit",
    "CreateItem",
    "CreateResponse",
    "DeleteItem",
    "RetrieveItem",
    "TruncateItem",
    "UpdateSession",
    "approval",
    "encode",
]


class ClientEvent(msgspec.Struct, tag_field="type", omit_defaults=True, kw_only=True):
    """An event of the client."""

    event_id: str | None = None


class UpdateSession(ClientEvent, tag="session.update", kw_only=True):
    """Configure the session; fields left out stay as they are."""

    session: dict[str, Any]


class Append(ClientEvent, tag="input_audio_buffer.append", kw_only=True):
    """Audio of the caller, at most 15 MiB; base64 on the wire."""

    audio: bytes


class Commit(ClientEvent, tag="input_audio_buffer.commit"):
    """End of what the caller says, push to talk."""


class ClearBuffer(ClientEvent, tag="input_audio_buffer.clear"):
    """Forget the audio not yet committed."""


class CreateItem(ClientEvent, tag="conversation.item.create", kw_only=True):
    """Add a message, or the output of a function call, to the conversation."""

    item: dict[str, Any]
    previous_item_id: str | None = None


class DeleteItem(ClientEvent, tag="conversation.item.delete", kw_only=True):
    """Remove an item."""

    item_id: str


class RetrieveItem(ClientEvent, tag="conversation.item.retrieve", kw_only=True):
    """Ask for an item as the server keeps it."""

    item_id: str


class TruncateItem(ClientEvent, tag="conversation.item.truncate", kw_only=True):
    """Cut an answer to what the caller heard of it, in milliseconds."""

    item_id: str
    content_index: int
    audio_end_ms: int


class CreateResponse(ClientEvent, tag="response.create", kw_only=True):
    """Ask for an answer."""

    response: dict[str, Any] | None = None


class CancelResponse(ClientEvent, tag="response.cancel", kw_only=True):
    """Stop the answer that is being made."""

    response_id: str | None = None


CLIENT_EVENTS = frozenset(
    {
        "conversation.item.create",
        "conversation.item.delete",
        "conversation.item.retrieve",
        "conversation.item.truncate",
        "input_audio_buffer.append",
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
        "output_audio_buffer.clear",
        "response.cancel",
        "response.create",
        "session.update",
    }
)

_encoder = msgspec.json.Encoder()


def approval(request_id: str, item_id: str) -> CreateItem:
    """Allow the endpoint what it asked for in an item: to call a tool of an MCP server."""
    verdict = {"approval_request_id": request_id, "approve": True}
    return CreateItem(item={"type": "mcp_approval_response", "id": item_id, **verdict})


def encode(event: ClientEvent) -> bytes:
    """An event as the message that carries it."""
    return _encoder.encode(event)
