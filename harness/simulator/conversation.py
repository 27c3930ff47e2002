"""The items of one conversation, as the endpoint keeps them, and the tokens they are worth."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from harness.simulator.items import text_of
from harness.simulator.refusal import Refusal

__all__ = ["Conversation", "Item", "Tokens", "text_tokens"]

USER_AUDIO_TOKENS = 10  # a second
ASSISTANT_AUDIO_TOKENS = 20  # a second


class Tokens(msgspec.Struct, frozen=True):
    """A number of tokens, as they are priced."""

    text: int = 0
    audio: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.text + other.text, self.audio + other.audio)

    def at_most(self, other: Tokens) -> Tokens:
        """The smaller of each."""
        return Tokens(min(self.text, other.text), min(self.audio, other.audio))

    @property
    def total(self) -> int:
        """Both."""
        return self.text + self.audio


class Item(msgspec.Struct):
    """An item: what the API shows of it, and its audio's length in seconds."""

    wire: dict[str, Any]
    seconds: float = 0.0

    @property
    def id(self) -> str:
        """Its identity on the wire."""
        return str(self.wire["id"])

    @property
    def tokens(self) -> Tokens:
        """What it adds to the context."""
        texts = [text_of(self.wire), *(self.wire.get(key, "") for key in ("arguments", "output"))]
        spoken = self.wire.get("role") == "assistant"
        rate = ASSISTANT_AUDIO_TOKENS if spoken else USER_AUDIO_TOKENS
        return Tokens(sum(map(text_tokens, texts)), math.ceil(self.seconds * rate))


def text_tokens(text: str) -> int:
    """About four letters a token."""
    return math.ceil(len(text) / 4)


class Conversation:
    """Items in their order; ``id`` is the conversation's on the wire."""

    def __init__(self, id: str) -> None:
        self.id = id
        self._items: dict[str, Item] = {}

    @property
    def last_id(self) -> str | None:
        """The newest item's."""
        return next(reversed(self._items), None)

    @property
    def newest(self) -> dict[str, Any]:
        """The newest item as the API shows it; empty while there is none."""
        last_id = self.last_id
        return self._items[last_id].wire if last_id else {}

    @property
    def has_spoken(self) -> bool:
        """Whether the endpoint has said anything aloud."""
        return any(
            item.seconds and item.wire.get("role") == "assistant" for item in self._items.values()
        )

    @property
    def tokens(self) -> Tokens:
        """Of the whole context."""
        return sum((item.tokens for item in self._items.values()), Tokens())

    def add(self, item: Item, after: str | None = None) -> str | None:
        """
        Add an item at the end, or after another (``root``: as the first).

        Returns:
            The id of the item before it.

        Raises:
            Refusal: If there is no such other, or its own id is taken.

        """
        if item.id in self._items:
            raise Refusal(
                "item_create_duplicate_item_id", f"Item '{item.id}' exists already.", "item.id"
            )
        if after is None:
            before = self.last_id
            self._items[item.id] = item
            return before
        if after != "root":
            self._find(after, "item_create_invalid_previous_item_id", "previous_item_id")
        ids = list(self._items)
        place = 0 if after == "root" else ids.index(after) + 1
        entries = list(self._items.items())
        self._items = dict([*entries[:place], (item.id, item), *entries[place:]])
        return None if after == "root" else after

    def retrieve(self, item_id: str) -> Item:
        """
        The item.

        Raises:
            Refusal: If there is none.

        """
        return self._find(item_id, "item_retrieve_invalid_item_id", "item_id")

    def delete(self, item_id: str) -> None:
        """
        Remove the item.

        Raises:
            Refusal: If there is none.

        """
        del self._items[self._find(item_id, "item_delete_invalid_item_id", "item_id").id]

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """
        Cut an answer to what was heard of it; its transcript goes.

        Raises:
            Refusal: If there is no such answer, or it is shorter.

        """
        item = self._find(item_id, "item_truncate_invalid_item_id", "item_id")
        if item.wire.get("role") != "assistant":
            raise Refusal("invalid_value", "Only answers can be truncated.", "item_id")
        if not 0 <= content_index < len(item.wire["content"]):
            raise Refusal("invalid_value", f"There is no content {content_index}.", "content_index")
        length_ms = round(item.seconds * 1000)
        if not 0 <= audio_end_ms <= length_ms:
            raise Refusal(
                "invalid_value",
                f"Audio content of {length_ms}ms is already shorter than {audio_end_ms}ms",
                "audio_end_ms",
            )
        item.seconds = audio_end_ms / 1000
        item.wire["content"][content_index].pop("transcript", None)

    def has_call(self, call_id: str) -> bool:
        """Whether a tool was called under this id."""
        return any(
            item.wire["type"] == "function_call" and item.wire.get("call_id") == call_id
            for item in self._items.values()
        )

    def has(self, item_id: str, type: str) -> bool:
        """Whether there is an item of this id and type."""
        item = self._items.get(item_id)
        return item is not None and item.wire["type"] == type

    def before(self, item_id: str) -> str | None:
        """The id of the item before this one; ``None`` if it is the first, or gone."""
        before = None
        for each in self._items:
            if each == item_id:
                return before
            before = each
        return None

    def _find(self, item_id: str, code: str, param: str) -> Item:
        item = self._items.get(item_id)
        if item is None:
            raise Refusal(code, f"There is no item '{item_id}' in the conversation.", param)
        return item
