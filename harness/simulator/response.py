"""One response as a script: what is sent, in order, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec

from harness.simulator.agenda import Script
from harness.simulator.answer import Answer, ToolUse
from harness.simulator.capacity import Slot
from harness.simulator.config import ResponseParams, SessionConfig
from harness.simulator.conversation import Conversation, Item, Tokens, text_tokens
from harness.simulator.outbound import Messages, Out, audio_delta_head
from harness.simulator.settings import Settings
from harness.simulator.track import Track
from harness.simulator.truth import Truth

__all__ = ["Request", "Response"]

_HEADSTART_NS = 5_000_000  # of what announces an item: it must not make the first delta late
_TICK_NS = 1_000_000
_TEXT_PACE_NS = 30_000_000  # from one word of a text to the next
_LEFTOVERS = 5  # deltas after the end
_ARGUMENTS_PIECE = 24  # characters of a tool's arguments a delta


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A response that was asked for, and all it is made from."""

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


class Response:
    """
    A response while it is made.

    ``script`` is what happens if nobody interferes; ``end`` is what is sent in place of its rest.
    """

    def __init__(self, request: Request, truth: Truth, messages: Messages) -> None:
        self.request = request
        self.truth = truth
        self._event = partial(messages.about, truth, ())
        self._stamped = partial(messages.about, truth)
        self._audio_delta = messages.audio_delta
        self._output: list[Item] = []
        self._open: Item | None = None
        self._said = ""
        self._next: tuple[bytes, int] | None = None  # head and index of the next audio delta

    def script(self) -> Script:
        """The whole response."""
        request, answer = self.request, self.request.answer
        resource = self._resource("in_progress")
        yield self._stamped(("created_out",), "response.created", response=resource)
        yield self._event("rate_limits.updated", rate_limits=request.limits)
        if request.refused is not None:
            yield request.slot.start
            yield from self.end("failed", error=request.refused)
            return
        due = request.due
        yield max(request.slot.start, due - _HEADSTART_NS)
        if answer.tool is not None:
            yield from self._call(answer.tool, due)
        elif request.modalities == ("text",):
            yield from self._write(due)
        else:
            yield from self._speak(due)
        if answer.cut_short:
            yield from self.end("incomplete", "max_output_tokens")
        else:
            yield from self.end("completed")

    def end(
        self, status: str, reason: str | None = None, error: dict[str, str] | None = None
    ) -> Iterator[Out]:
        """Close what is open, and the response."""
        if self._open is not None:
            yield from self._close_item("completed" if status == "completed" else "incomplete")
        self.truth.status = status
        resource = self._resource(status, _details(status, reason, error))
        self.truth.input_tokens = resource["usage"]["input_tokens"]
        self.truth.output_tokens = resource["usage"]["output_tokens"]
        yield self._stamped(("done_out",), "response.done", response=resource)

    def leftovers(self, at: int) -> Script:
        """Audio that goes on although the response has ended."""
        if self._next is None:
            return
        head, begin = self._next
        for index in range(begin, begin + _LEFTOVERS):
            at += self.request.settings.pace_ns
            yield at
            yield self._audio_delta(head, self.request.track.delta(index), self.truth, ())

    @property
    def _place(self) -> dict[str, Any]:
        """Where a delta belongs."""
        assert self._open is not None
        return {
            "response_id": self.request.id,
            "item_id": self._open.id,
            "output_index": len(self._output) - 1,
        }

    def _open_item(self, **fields: Any) -> Iterator[Out]:
        """Begin an item of the output."""
        item = Item(
            {
                "id": self.request.new_item_id(),
                "object": "realtime.item",
                "status": "in_progress",
                **fields,
            }
        )
        self._open, self._said = item, ""
        self._output.append(item)
        yield self._event(
            "response.output_item.added",
            response_id=self.request.id,
            output_index=len(self._output) - 1,
            item=item.wire,
        )
        if not self.request.beside:
            before = self.request.conversation.add(item)
            yield self._event("conversation.item.added", previous_item_id=before, item=item.wire)

    def _open_message(self, part: dict[str, Any]) -> Iterator[Out]:
        """Begin a message and its only content part."""
        yield from self._open_item(type="message", role="assistant", content=[])
        assert self._open is not None
        self._open.wire["content"] = [{**part, "type": f"output_{part['type']}"}]
        yield self._event("response.content_part.added", **self._place, content_index=0, part=part)

    def _speak(self, due: int) -> Iterator[int | Out]:
        """Audio and its transcript; the first delta is due at ``due``."""
        settings, answer = self.request.settings, self.request.answer
        track, truth = self.request.track, self.truth
        truth.first_due = due
        yield from self._open_message({"type": "audio", "transcript": ""})
        item, place = self._open, self._place
        assert item is not None
        head = audio_delta_head(**place)
        for index in range(answer.deltas):
            at = due + answer.offset(index, settings.pace_ns)
            # All but the first on whole milliseconds: many sessions then wake up together.
            yield -(-at // _TICK_NS) * _TICK_NS if index else at
            if piece := self._piece(index):
                yield self._event(
                    "response.output_audio_transcript.delta", **place, content_index=0, delta=piece
                )
            item.seconds = (index + 1) * settings.delta_ms / 1000
            truth.audio_s = item.seconds
            stamps = _stamps(index, track.first_audible)
            yield self._audio_delta(head, track.delta(index), truth, stamps)
            self._next = (head, index + 1)

    def _write(self, due: int) -> Iterator[int | Out]:
        """Text, word by word."""
        yield from self._open_message({"type": "text", "text": ""})
        pace = _TEXT_PACE_NS if self.request.settings.speed else 0
        count = 0
        for index in range(self.request.answer.deltas):
            if self.request.track.words(index):
                yield due + count * pace
                count += 1
                yield self._event(
                    "response.output_text.delta",
                    **self._place,
                    content_index=0,
                    delta=self._piece(index),
                )

    def _piece(self, index: int) -> str:
        """The words that come with delta ``index``, as a delta of text."""
        words = self.request.track.words(index)
        piece = f" {words}" if words and self._said else words
        self._said += piece
        return piece

    def _call(self, tool: ToolUse, due: int) -> Iterator[int | Out]:
        """A function call, its arguments due at ``due``."""
        call_id = self.request.new_item_id().replace("item_", "call_")
        yield from self._open_item(
            type="function_call", name=tool.name, call_id=call_id, arguments=""
        )
        yield due
        for start in range(0, len(tool.arguments), _ARGUMENTS_PIECE):
            piece = tool.arguments[start : start + _ARGUMENTS_PIECE]
            self._said += piece
            yield self._event(
                "response.function_call_arguments.delta",
                **self._place,
                call_id=call_id,
                delta=piece,
            )
        yield self._stamped(
            ("call_out",),
            "response.function_call_arguments.done",
            **self._place,
            call_id=call_id,
            name=tool.name,
            arguments=tool.arguments,
        )
        self.truth.tool_calls += 1

    def _close_item(self, status: str) -> Iterator[Out]:
        """End the open item as far as it came."""
        item, place = self._open, self._place
        assert item is not None
        item.wire["status"] = status
        if item.wire["type"] == "function_call":
            item.wire["arguments"] = self._said
        else:
            yield from self._close_content(item, place)
        yield self._event("response.output_item.done", **_without_item_id(place), item=item.wire)
        if not self.request.beside:
            yield self._event("conversation.item.done", item=item.wire)
        self._open = None

    def _close_content(self, item: Item, place: dict[str, Any]) -> Iterator[Out]:
        """End the content of a message."""
        content = item.wire["content"][0]
        place = {**place, "content_index": 0}
        if content["type"] == "output_text":
            content["text"] = self._said
            yield self._event("response.output_text.done", **place, text=self._said)
            part = {"type": "text", "text": self._said}
        else:
            content["transcript"] = self._said
            yield self._event("response.output_audio.done", **place)
            yield self._event(
                "response.output_audio_transcript.done", **place, transcript=self._said
            )
            part = {"type": "audio", "transcript": self._said}
        yield self._event("response.content_part.done", **place, part=part)

    def _resource(self, status: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
        """The response as events show it."""
        request = self.request
        done = status != "in_progress"
        output = request.config.audio.output
        return {
            "object": "realtime.response",
            "id": request.id,
            "status": status,
            "status_details": details,
            "output": [item.wire for item in self._output],
            "conversation_id": None if request.beside else request.conversation.id,
            "output_modalities": request.modalities,
            "max_output_tokens": request.params.max_output_tokens
            or request.config.max_output_tokens,
            "audio": {"output": {"format": output.format, "voice": output.voice}},
            "metadata": request.params.metadata,
            "usage": self._usage() if done else None,
        }

    def _usage(self) -> dict[str, Any]:
        """What the response cost so far."""
        context, cached = self.request.context, self.request.cached
        made = sum((_made_tokens(item) for item in self._output), Tokens())
        return {
            "total_tokens": context.total + made.total,
            "input_tokens": context.total,
            "output_tokens": made.total,
            "input_token_details": {
                "text_tokens": context.text,
                "audio_tokens": context.audio,
                "image_tokens": 0,
                "cached_tokens": cached.total,
                "cached_tokens_details": {
                    "text_tokens": cached.text,
                    "audio_tokens": cached.audio,
                    "image_tokens": 0,
                },
            },
            "output_token_details": {"text_tokens": made.text, "audio_tokens": made.audio},
        }


def _made_tokens(item: Item) -> Tokens:
    """What an item of the output costs; of speech, the transcript too."""
    spoken = "".join(str(part.get("transcript", "")) for part in item.wire.get("content", ()))
    return item.tokens + Tokens(text_tokens(spoken))


def _stamps(index: int, first_audible: int | None) -> tuple[str, ...]:
    """What is noted of the audio delta ``index``."""
    stamps: tuple[str, ...] = ("last_out",)
    if index == 0:
        stamps += ("first_out",)
    if index == first_audible:
        stamps += ("first_audible_out",)
    return stamps


def _details(status: str, reason: str | None, error: dict[str, str] | None) -> dict[str, Any]:
    more = {"reason": reason, "error": error}
    return {"type": status, **{key: value for key, value in more.items() if value}}


def _without_item_id(place: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in place.items() if key != "item_id"}
