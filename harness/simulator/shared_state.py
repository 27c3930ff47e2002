"""The session that responses and items belong to, as its parts see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.simulator.agenda import Agenda
from harness.simulator.conversation import Conversation, Item
from harness.simulator.outbound import Messages

if TYPE_CHECKING:
    from harness.simulator.endpoint import Endpoint

__all__ = ["SharedState"]


class SharedState:
    """
    What the parts of one session share.

    Args:
        endpoint: Whose session it is.
        ordinal: Among the sessions of the endpoint.
        began: When, ns.

    """

    def __init__(self, endpoint: Endpoint, ordinal: int, began: int) -> None:
        self.endpoint = endpoint
        self.ordinal = ordinal
        self.began = began
        self.name = f"{endpoint.name}{ordinal:05d}"
        """Part of all ids of the session."""
        self.session_id = f"sess_{self.name}"
        self.conversation = Conversation(f"conv_{self.name}")
        self.agenda = Agenda()
        self.messages = Messages(self.name)
        self._items = 0

    def new_item_id(self) -> str:
        """An id that no other item has."""
        self._items += 1
        return f"item_{self.name}_{self._items}"

    def say(self, type: str, /, **fields: Any) -> None:
        """Send an event at once."""
        self.agenda.add(self.messages.event(type, **fields))

    def add_item(self, item: Item, after: str | None = None) -> str | None:
        """Add an item to the conversation and say so; the id of the one before it."""
        before = self.conversation.add(item, after)
        self.say_item(item, before)
        return before

    def say_item(self, item: Item, before: str | None) -> None:
        """Tell of an item that is in the conversation, whole."""
        self.say("conversation.item.added", previous_item_id=before, item=item.wire)
        self.say("conversation.item.done", previous_item_id=before, item=item.wire)
