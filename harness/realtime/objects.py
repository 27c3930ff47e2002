"""
The objects that events carry: items, responses, errors, rate limits.

Names and fields are the API's. Every field has a default: a server may leave out anything.
"""

from typing import Any

import msgspec

from harness.realtime.codes import LONGEST_CODE

__all__ = ["ErrorDetails", "Item", "ListedTool", "RateLimit", "Response", "StatusDetails"]


class _Details(msgspec.Struct, kw_only=True):
    """Part of an event."""


class ErrorDetails(_Details, kw_only=True):
    """What an error event or a failed response says; some servers put the code in ``type``."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None

    @property
    def kind(self) -> str:
        """By what it is classified: its code, else its type."""
        return (self.code or self.type or "unknown")[:LONGEST_CODE]


class StatusDetails(_Details, kw_only=True):
    """Why a response did not complete."""

    type: str | None = None
    reason: str | None = None  # turn_detected, client_cancelled, max_output_tokens, content_filter
    error: ErrorDetails | None = None


class ListedTool(_Details, kw_only=True):
    """A tool of an MCP server."""

    name: str | None = None


class Item(_Details, kw_only=True):
    """An item of the conversation."""

    id: str | None = None
    type: str | None = None  # message, function_call, function_call_output, mcp_call, …
    role: str | None = None
    status: str | None = None
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    server_label: str | None = None  # of MCP's items
    approval_request_id: str | None = None
    output: str | None = None  # what a tool said
    error: Any = None  # why an MCP server's tool said nothing
    tools: list[ListedTool] | None = None  # of an MCP server


class Response(_Details, kw_only=True):
    """A response, as it stands when it is created and when it is done."""

    id: str | None = None
    status: str | None = None  # in_progress, completed, cancelled, failed, incomplete
    status_details: StatusDetails | None = None
    output: list[Item] | None = None
    usage: dict[str, Any] | None = None


class RateLimit(_Details, kw_only=True):
    """One quota: what is left of it, and in how many seconds it is whole again."""

    name: str | None = None
    limit: float | None = None
    remaining: float | None = None
    reset_seconds: float | None = None
