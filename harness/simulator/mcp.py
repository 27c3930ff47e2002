"""The MCP servers of one session, whose tools the endpoint imports and runs itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harness.simulator.conversation import Item
from harness.simulator.refusal import Refusal
from harness.simulator.tool_choice import INPUT_SCHEMA, tools_of_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.simulator.agenda import Script
    from harness.simulator.shared_state import SharedState

__all__ = ["McpCall", "McpServers"]

_FAILED = {"type": "tool_execution_error", "message": "The tool was chosen to fail."}


class McpCall(msgspec.Struct, frozen=True):
    """A call of a server's tool that a response has made."""

    item: Item
    output_index: int
    approval_id: str | None = None  # of the request that the client has to approve first


class McpServers:
    """
    Those that the client has named so far.

    Args:
        shared: What the parts of the session share.
        answered: Told when a tool has been run, or may not be, with the instant.

    """

    def __init__(self, shared: SharedState, answered: Callable[[int], None]) -> None:
        self._shared = shared
        self._answered = answered
        self._met: set[str] = set()
        self.imported: set[str] = set()
        """Labels of those whose tools are known."""
        self._waiting: dict[str, McpCall] = {}  # for approval, by the request's id
        self._verdicts: dict[str, bool] = {}  # likewise
        self._asked = 0  # how often

    def meet(self, tools: Iterable[dict[str, Any]], at: int) -> None:
        """Import the tools of the servers among ``tools`` that are new."""
        for server in tools:
            if server.get("type") == "mcp" and server["server_label"] not in self._met:
                self._met.add(server["server_label"])
                self._shared.agenda.follow(self._import(server, at), at)

    def take(self, call: McpCall, at: int) -> None:
        """Run a call, now or once it is approved."""
        approved = call.approval_id is None or self._verdicts.get(call.approval_id)
        if approved:
            self._shared.agenda.follow(self._run(call, at), at)
        elif call.approval_id is not None and approved is None:
            self._waiting[call.approval_id] = call

    def decide(self, verdict: dict[str, Any], at: int) -> None:
        """
        The client has approved a call, or not.

        Raises:
            Refusal: If nobody asked it to.

        """
        asked = str(verdict["approval_request_id"])
        if not self._shared.conversation.has(asked, "mcp_approval_request"):
            text = f"There is no approval request '{asked}' in the conversation."
            raise Refusal("invalid_value", text, "item.approval_request_id")
        self._verdicts[asked] = verdict["approve"]
        call = self._waiting.pop(asked, None)
        if not verdict["approve"]:
            self._answered(at)
        elif call is not None:
            self._shared.agenda.follow(self._run(call, at), at)

    def _import(self, server: dict[str, Any], at: int) -> Script:
        """A server lists its tools."""
        event, label = self._shared.messages.event, server["server_label"]
        wire = {"id": self._shared.new_item_id(), "type": "mcp_list_tools", "server_label": label}
        item = Item({**wire, "tools": []})
        before = self._shared.conversation.add(item)
        yield event("conversation.item.added", previous_item_id=before, item=item.wire)
        yield event("mcp_list_tools.in_progress", item_id=item.id)
        took, fails = self._drawn()
        yield at + took
        if fails:
            yield event("mcp_list_tools.failed", item_id=item.id)
        else:
            item.wire["tools"] = [
                {"name": name, "input_schema": INPUT_SCHEMA} for name in tools_of_server(server)
            ]
            self.imported.add(label)
            yield event("mcp_list_tools.completed", item_id=item.id)
        yield self._done(item)

    def _run(self, call: McpCall, at: int) -> Script:
        """A server runs a tool."""
        event, item = self._shared.messages.event, call.item
        where = {"item_id": item.id, "output_index": call.output_index}
        yield event("response.mcp_call.in_progress", **where)
        took, fails = self._drawn()
        yield at + took
        if fails:
            item.wire["error"] = _FAILED
        else:
            item.wire["output"] = '{"status":"ok"}'
        self._answered(at + took)
        yield event(f"response.mcp_call.{'failed' if fails else 'completed'}", **where)
        if self._shared.conversation.has(item.id, "mcp_call"):
            yield self._done(item)

    def _done(self, item: Item) -> Any:
        before = self._shared.conversation.before(item.id)
        return self._shared.messages.event(
            "conversation.item.done", previous_item_id=before, item=item.wire
        )

    def _drawn(self) -> tuple[int, bool]:
        """How long a server takes for what it is asked next, ns, and whether it fails."""
        settings = self._shared.endpoint.settings
        self._asked += 1
        rng = self._shared.endpoint.rng(self._shared.ordinal, f"mcp/{self._asked}")
        fails = rng.random() < settings.mcp_failure_rate
        return round(settings.mcp_delay.sample(rng) * 1e9), fails
