"""
The tool calls of responses, folded into their turns: of our functions, and of MCP servers' tools.

Ours are handed to the caller, who answers them; the endpoint runs those of MCP servers itself,
before its response is done or after, and may ask to be allowed to.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from harness.attribution import Attribution
from harness.open_turn import OpenTurn, Role, Round, Track
from harness.realtime.events import (
    ArgumentsDelta,
    ArgumentsDone,
    ItemDone,
    McpArgumentsDone,
    McpCallBegun,
    McpCallCompleted,
    McpCallFailed,
    OutputItemAdded,
    OutputItemDone,
)
from harness.realtime.objects import Item
from harness.records import Flag, Identity, ToolCall, Turn
from harness.serving import REQUEST, SERVED, ServedCalls

__all__ = ["CALL_EVENTS", "ToolCalls", "ToolRequest"]

_CALLS = frozenset({"function_call", SERVED, REQUEST})
KEPT_REQUESTS = 128  # for approval, told apart from those that are told again


class ToolRequest(msgspec.Struct, frozen=True):
    """A function call of the endpoint, complete: run it and answer."""

    turn: Turn
    call_id: str
    name: str
    arguments: str
    at: int  # ns, when it was complete


class ToolCalls(Attribution):
    """
    The tool calls of one conversation.

    Args:
        identity: Whose turns they are; copied to each.
        buffer: Nanoseconds of the listener's jitter buffer.
        vad: Whether the endpoint detects turns, or the caller commits.
        tool_rounds: How often a turn may call tools and go on.

    """

    def __init__(self, *, identity: Identity, buffer: int, vad: bool, tool_rounds: int) -> None:
        super().__init__(identity=identity, buffer=buffer, vad=vad)
        self.tool_rounds = tool_rounds
        self.requests: list[ToolRequest] = []  # complete calls that the caller has not taken yet
        self.approvals: list[str] = []  # what the endpoint asks to call itself, likewise
        self.served: list[Turn] = []  # those whose calls MCP servers have answered, likewise
        self._requested: dict[str, None] = {}  # approvals ever asked for, oldest first

    def start_over(self) -> None:
        """Know nothing of the session before: another may name its items alike."""
        super().start_over()
        self._requested.clear()

    # What responses say of calls.

    def _item_added(self, event: OutputItemAdded, at: int, uncertainty: int) -> bool:
        track = self._track(event.response_id, at)
        item = event.item
        if item is None or item.type not in _CALLS or not _matters(track):
            return False
        self._call(track, item)
        track.call_at = track.call_at or at
        return False

    def _item_done(self, event: OutputItemDone, at: int, uncertainty: int) -> bool:
        track = self._track(event.response_id, at)
        item = event.item
        if item is None:
            return False
        items = track.open.turn.item_ids
        if not track.open.closed and item.id is not None and item.id not in items:
            items.append(item.id)
        return self._complete_item(track, item, at, uncertainty)

    def _arguments_delta(self, event: ArgumentsDelta, at: int, uncertainty: int) -> bool:
        track = self._track(event.response_id, at)
        if event.call_id is not None and _matters(track):
            self._call(track, Item(call_id=event.call_id))
            track.open.arguments[event.call_id] += event.delta
            track.call_at = track.call_at or at
        return False

    def _arguments_done(self, event: ArgumentsDone, at: int, uncertainty: int) -> bool:
        track = self._track(event.response_id, at)
        item = Item(call_id=event.call_id, name=event.name, arguments=event.arguments)
        # That of a lenient server has no name; the item that follows has.
        if not _matters(track) or (call := self._call(track, item)) is None or not call.name:
            return False
        return self._complete(track, call, at, uncertainty)

    def _complete_item(self, track: Track, item: Item, at: int, uncertainty: int) -> bool:
        """An item is done: a call is complete, and perhaps run; or asks to be approved."""
        asks = item.type == REQUEST and self._request(item)
        broken_off = item.status == "incomplete"  # with its response, in mid-argument
        if item.type not in _CALLS or broken_off or not _matters(track):
            return asks
        call = self._call(track, item)
        if call is None:
            return asks
        look = self._complete(track, call, at, uncertainty)
        return self._result(track.open, call, item, at, uncertainty) or look or asks

    def _call(self, track: Track, item: Item) -> ToolCall | None:
        """The call that an item is, or asks for, with what is now known of it."""
        o = track.open
        if item.type in (SERVED, REQUEST):
            call = o.served.take(item)
            if call is not None and all(call is not each for each in o.calls.values()):
                o.calls[call.call_id] = call
            return call
        call_id = item.call_id
        if call_id is None:
            return None
        call = o.calls.setdefault(call_id, ToolCall(name="", call_id=call_id))
        call.name = call.name or item.name or ""
        known = o.arguments.setdefault(call_id, "")
        if item.arguments is not None and len(item.arguments) > len(known):
            o.arguments[call_id] = item.arguments
        return call

    def _complete(self, track: Track, call: ToolCall, at: int, uncertainty: int) -> bool:
        """A call is complete: by its arguments, or with its item, whichever is first."""
        if call.called_at is not None:
            return False
        o = track.open
        call.called_at = at
        track.call_at = track.call_at or at
        self._mark(o, "call", at, uncertainty)
        if o.turn.marks.get("first_audio") is not None:
            o.flag(Flag.FILLER)
        if not o.rounds or o.rounds[-1].response_id != track.id:
            o.rounds.append(Round(at, track.id))
            o.loops = len(o.rounds) > self.tool_rounds
        if not call.server:
            arguments = o.arguments[call.call_id] or "{}"
            self.requests.append(ToolRequest(o.turn, call.call_id, call.name, arguments, at))
        return True

    # What becomes of the calls that the endpoint runs itself.

    def _request(self, item: Item) -> bool:
        """Whether an approval is asked for that was not before; nobody runs it ungranted."""
        if item.id is None or item.id in self._requested:
            return False
        self._requested[item.id] = None
        if len(self._requested) > KEPT_REQUESTS:
            del self._requested[next(iter(self._requested))]
        self.approvals.append(item.id)
        return True

    def _mcp_arguments(self, event: McpArgumentsDone, at: int, uncertainty: int) -> bool:
        track = self._track(event.response_id, at)
        call = track.open.served.of_item(event.item_id) if _matters(track) else None
        # Of one that is not known yet the item that follows has the name.
        return call is not None and self._complete(track, call, at, uncertainty)

    def _mcp_begun(self, event: McpCallBegun, at: int, uncertainty: int) -> bool:
        found = self._spoken_of(event.item_id)
        return found is not None and self._complete(*found, at, uncertainty)

    def _mcp_ended(
        self, event: McpCallCompleted | McpCallFailed, at: int, uncertainty: int
    ) -> bool:
        found = self._spoken_of(event.item_id)
        if found is None:
            return False
        track, call = found
        self._complete(track, call, at, uncertainty)
        failed = isinstance(event, McpCallFailed)
        return self._ran(track.open, call, at, uncertainty, failed=failed)

    def _conversation_item(self, event: ItemDone, at: int, uncertainty: int) -> bool:
        item = event.item
        if item is None or item.type not in (SERVED, REQUEST):
            return False
        spoken = (self._response_of(o) for o in self._open if o.served.known(item) is not None)
        track = next(spoken, None)
        if track is None and item.type == REQUEST:  # spoken of nowhere else so far
            track = self._newest
        if track is None:
            return item.type == REQUEST and self._request(item)
        return self._complete_item(track, item, at, uncertainty)

    def _spoken_of(self, item_id: str | None) -> tuple[Track, ToolCall] | None:
        """The call of an item, and the response that made it."""
        for find in (ServedCalls.of_item, ServedCalls.claim):
            for o in self._open:
                track, call = self._response_of(o), find(o.served, item_id)
                if track is not None and call is not None:
                    return track, call
        return None

    def _response_of(self, o: OpenTurn) -> Track | None:
        """The newest response of a turn."""
        tracks = (track for track in reversed(self._tracks.values()) if track.open is o)
        return next((track for track in tracks if _matters(track)), None)

    def _result(self, o: OpenTurn, call: ToolCall, item: Item, at: int, uncertainty: int) -> bool:
        """Take what an item says of the tool's result; whether it does."""
        if item.type != SERVED or (item.output is None and item.error is None):
            return False
        return self._ran(o, call, at, uncertainty, failed=item.error is not None)

    def _ran(self, o: OpenTurn, call: ToolCall, at: int, uncertainty: int, *, failed: bool) -> bool:
        """The endpoint has run a tool: who waits for it may go on. Told again, it is no news."""
        if call.called_at is None or call.answered_at is not None:
            return False
        o.tool_answered(call, at, "error" if failed else "ok", uncertainty)
        self.served.append(o.turn)
        return True


def _matters(track: Track) -> bool:
    """Whether a call of this response does: a premature one's is nobody's to answer."""
    return not track.open.closed and track.role is not Role.PREMATURE


CALL_EVENTS: dict[type, Callable[[Any, Any, int, int], bool]] = {
    OutputItemAdded: ToolCalls._item_added,
    OutputItemDone: ToolCalls._item_done,
    ArgumentsDelta: ToolCalls._arguments_delta,
    ArgumentsDone: ToolCalls._arguments_done,
    McpArgumentsDone: ToolCalls._mcp_arguments,
    McpCallBegun: ToolCalls._mcp_begun,
    McpCallCompleted: ToolCalls._mcp_ended,
    McpCallFailed: ToolCalls._mcp_ended,
    ItemDone: ToolCalls._conversation_item,
}
"""What folds each event that is about a call."""
