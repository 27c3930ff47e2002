"""A response that was asked for, and all it is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.simulator.answer import Answer
    from harness.simulator.capacity import Slot
    from harness.simulator.config import ResponseParams, SessionConfig
    from harness.simulator.conversation import Conversation, Tokens
    from harness.simulator.settings import Settings
    from harness.simulator.track import Track

__all__ = ["Request"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asked for, and what it will be told."""

    id: str
    slot: Slot  # in which it is made
    refused: dict[str, str] | None = None  # the error, when a rate limit is reached
    settings: Settings
    config: SessionConfig
    params: ResponseParams
    answer: Answer
    track: Track
    conversation: Conversation
    context: Tokens  # read to answer
    cached: Tokens  # of them, read before
    limits: list[dict[str, Any]]  # what may still be asked for
    new_item_id: Callable[[], str]

    @property
    def due(self) -> int:
        """When its first output is, ns."""
        return self.slot.start + self.answer.first_ns

    @property
    def beside(self) -> bool:
        """Whether it is no part of the conversation."""
        return self.params.conversation == "none"

    @property
    def modalities(self) -> tuple[str]:
        """What it is made of: audio, or text."""
        return self.params.output_modalities or self.config.output_modalities
