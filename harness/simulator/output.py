"""The items that a response is made of: opened, filled, closed, each step told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from harness.simulator.conversation import Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.simulator.outbound import Messages, Out
    from harness.simulator.request import Request
    from harness.simulator.truth import Truth

__all__ = ["Output"]


class Output:
    """
    What one response has said so far; one item at a time is open.

    Args:
        request: That it answers.
        truth: What is recorded of it.
        messages: Of the session.

    Attributes:
        items: In their order.
        said: Text of the open item: words, or a tool's arguments.

    """

    def __init__(self, request: Request, truth: Truth, messages: Messages) -> None:
        self._request = request
        self._event = partial(messages.about, truth, ())
        self.items: list[Item] = []
        self.said = ""
        self._open: Item | None = None
        self._before: str | None = None  # the item before it

    @property
    def place(self) -> dict[str, Any]:
        """Where a delta of the open item belongs."""
        return {
            "response_id": self._request.id,
            "item_id": self.open_item.id,
            "output_index": len(self.items) - 1,
        }

    @property
    def open_item(self) -> Item:
        """The item that is being made."""
        assert self._open is not None
        return self._open

    def open_message(self, part: dict[str, Any]) -> Iterator[Out]:
        """Begin a message and its only content part."""
        yield from self._begin(type="message", role="assistant", content=[])
        self.open_item.wire["content"] = [{**part, "type": f"output_{part['type']}"}]
        yield self._event("response.content_part.added", **self.place, content_index=0, part=part)

    def open_call(self, name: str, call_id: str) -> Iterator[Out]:
        """Begin a function call."""
        yield from self._begin(type="function_call", name=name, call_id=call_id, arguments="")

    def open_mcp(self, type: str, arguments: str, **fields: str) -> Iterator[Out]:
        """Begin a call of an MCP server's tool, or ask whether it may be called."""
        yield from self._begin(type=type, arguments=arguments, **fields)
        self.said = arguments

    def close(self, status: str) -> Iterator[Out]:
        """End the open item, if there is one, as far as it came."""
        if self._open is None:
            return
        item, place = self._open, self.place
        if "status" in item.wire:
            item.wire["status"] = status
        if "arguments" in item.wire:
            item.wire["arguments"] = self.said
        else:
            yield from self._close_content(item, place)
        del place["item_id"]
        yield self._event("response.output_item.done", **place, item=item.wire)
        if not self._request.beside and item.wire["type"] != "mcp_call":  # done when it has run
            yield self._event(
                "conversation.item.done", previous_item_id=self._before, item=item.wire
            )
        self._open = None

    def _begin(self, **fields: Any) -> Iterator[Out]:
        wire = {"id": self._request.new_item_id(), **fields}
        if not fields["type"].startswith("mcp_"):
            wire = {"object": "realtime.item", "status": "in_progress", **wire}
        item = Item(wire)
        self._open, self.said = item, ""
        self.items.append(item)
        yield self._event(
            "response.output_item.added",
            response_id=self._request.id,
            output_index=len(self.items) - 1,
            item=item.wire,
        )
        if not self._request.beside:
            before = self._before = self._request.conversation.add(item)
            yield self._event("conversation.item.added", previous_item_id=before, item=item.wire)

    def _close_content(self, item: Item, place: dict[str, Any]) -> Iterator[Out]:
        """End the content of a message."""
        content = item.wire["content"][0]
        place = {**place, "content_index": 0}
        if content["type"] == "output_text":
            content["text"] = self.said
            yield self._event("response.output_text.done", **place, text=self.said)
            part = {"type": "text", "text": self.said}
        else:
            content["transcript"] = self.said
            yield self._event("response.output_audio.done", **place)
            yield self._event(
                "response.output_audio_transcript.done", **place, transcript=self.said
            )
            part = {"type": "audio", "transcript": self.said}
        yield self._event("response.content_part.done", **place, part=part)
