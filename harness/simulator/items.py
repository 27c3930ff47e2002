"""Items that a client may add to a conversation."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from harness.simulator.refusal import Refusal, refusal_of

__all__ = ["checked_item", "text_of"]


class _Part(msgspec.Struct):
    """Of a message's content."""

    type: Literal[
        "input_text", "input_audio", "input_image", "output_text", "output_audio", "text", "audio"
    ]
    text: str | None = None
    audio: str | None = None
    transcript: str | None = None


class _Item(msgspec.Struct, tag_field="type"):
    id: str | None = None


class _Message(_Item, tag="message", kw_only=True):
    role: Literal["user", "assistant", "system"]
    content: list[_Part]


class _FunctionCall(_Item, tag="function_call", kw_only=True):
    name: str
    arguments: str
    call_id: str | None = None


class _FunctionCallOutput(_Item, tag="function_call_output", kw_only=True):
    call_id: str
    output: str


class _McpApprovalResponse(_Item, tag="mcp_approval_response", kw_only=True):
    approval_request_id: str
    approve: bool
    reason: str | None = None


_Known = _Message | _FunctionCall | _FunctionCallOutput | _McpApprovalResponse
_OF_ROLE = {
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text", "output_audio"),
    "system": ("input_text",),
}


def checked_item(raw: dict[str, Any], new_id: str, within: str = "item") -> dict[str, Any]:
    """
    An item as it is kept: with an id, and completed.

    Args:
        raw: As the client sent it.
        new_id: For an item that has none.
        within: Where it stands in the event, for the refusal.

    Raises:
        Refusal: If the API would not take it.

    """
    try:
        item = msgspec.convert(raw, _Known)
    except msgspec.ValidationError as error:
        raise refusal_of(error, within) from None
    if isinstance(item, _Message):
        for index, part in enumerate(item.content):
            if part.type not in _OF_ROLE[item.role]:
                name = f"{within}.content[{index}].type"
                raise Refusal(
                    "invalid_value", f"Invalid '{name}': {part.type!r} for {item.role}.", name
                )
    wire = {**raw, "id": item.id if item.id is not None else new_id}
    if isinstance(item, _McpApprovalResponse):  # MCP's items have neither
        return wire
    return {"object": "realtime.item", **wire, "status": "completed"}


def text_of(wire: dict[str, Any]) -> str:
    """The text of a message's content."""
    return " ".join(str(part.get("text") or "") for part in wire.get("content", ()))
