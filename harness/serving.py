"""
Calls that the endpoint runs itself, on MCP servers, by the ids under which it speaks of them.

One call is spoken of by an item, and by a request for approval if it needs one: the request may
follow the item, or the item be made only once the request is granted.
"""

from collections.abc import Iterator

from harness.realtime.objects import Item
from harness.records import ToolCall

__all__ = ["REQUEST", "SERVED", "ServedCalls"]

SERVED = "mcp_call"
REQUEST = "mcp_approval_request"
MOST_CALLS = 128  # of one answer; an endpoint may call without end
UNNAMED = "mcp"


class ServedCalls:
    """Those of one answer, oldest first."""

    def __init__(self) -> None:
        self._calls: list[ToolCall] = []
        self._items: dict[str, ToolCall] = {}
        self._requests: dict[str, ToolCall] = {}

    def __iter__(self) -> Iterator[ToolCall]:
        return iter(self._calls)

    def take(self, item: Item) -> ToolCall | None:
        """The call that an item is, or asks for, with what is now known of it; new, perhaps."""
        call = self.known(item)
        if call is None and item.id is not None and len(self._calls) < MOST_CALLS:
            call = ToolCall(name="", call_id=item.id)
            self._calls.append(call)
        if call is None or item.id is None:
            return None
        if item.type == REQUEST:
            self._requests[item.id] = call
        else:
            self._items[item.id] = call
            call.call_id = item.id
        call.name = call.name or item.name or ""
        call.server = call.server or item.server_label or UNNAMED
        return call

    def known(self, item: Item) -> ToolCall | None:
        """The call that an item is, or asks for, if it has been spoken of."""
        if item.type not in (SERVED, REQUEST):
            return None
        here, there = self._items, self._requests
        if item.type == REQUEST:
            here, there = there, here
        if (call := here.get(item.id or "")) is not None:
            return call
        wanted = (item.name, item.server_label or UNNAMED)
        alone = [each for each in _only_in(there, here) if (each.name, each.server) == wanted]
        granted = self._requests.get(item.approval_request_id or "")
        if granted is not None and (not alone or any(granted is each for each in alone)):
            return granted
        return alone[0] if alone else None

    def of_item(self, item_id: str | None) -> ToolCall | None:
        """The call of this item."""
        return self._items.get(item_id or "")

    def speaks_of(self, item_id: str | None) -> bool:
        """Whether an id is of one of these calls, its item's or its request's."""
        return item_id in self._items or item_id in self._requests

    def claim(self, item_id: str | None) -> ToolCall | None:
        """Take an id that nobody knows for that of the oldest call that has no item yet."""
        call = next(_only_in(self._requests, self._items), None)
        if call is not None and item_id is not None:
            self._items[item_id] = call
        return call


def _only_in(these: dict[str, ToolCall], others: dict[str, ToolCall]) -> Iterator[ToolCall]:
    """Calls that are spoken of in one way only."""
    for call in these.values():
        if all(call is not each for each in others.values()):
            yield call
