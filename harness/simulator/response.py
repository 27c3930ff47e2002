"""One response as a script: what is sent, in order, and when."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.simulator import response_resource
from harness.simulator.mcp import McpCall
from harness.simulator.outbound import Messages, Out, audio_delta_head
from harness.simulator.output import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.simulator.agenda import Script
    from harness.simulator.request import Request
    from harness.simulator.tool_choice import ToolUse
    from harness.simulator.truth import Truth

__all__ = ["Response"]

_HEADSTART_NS = 5_000_000  # of what announces an item: it must not make the first delta late
_TICK_NS = 1_000_000
_TEXT_PACE_NS = 30_000_000  # from one word of a text to the next
_LEFTOVERS = 5  # deltas after the end
_ARGUMENTS_PIECE = 24  # characters of a tool's arguments a delta


class Response:
    """
    A response while it is made.

    ``script`` is what happens if nobody interferes; ``end`` is what is sent in place of its rest.

    Args:
        request: What was asked for.
        truth: What is recorded of it.
        messages: Of the session.

    """

    def __init__(self, request: Request, truth: Truth, messages: Messages) -> None:
        self.request = request
        self.truth = truth
        self._event = partial(messages.about, truth, ())
        self._stamped = partial(messages.about, truth)
        self._audio_delta = messages.audio_delta
        self._output = Output(request, truth, messages)
        self.mcp_calls: list[McpCall] = []  # to be run when it is complete
        self._next: tuple[bytes, int] | None = None  # head and index of the next audio delta

    def script(self) -> Script:
        """The whole response."""
        request, answer = self.request, self.request.answer
        resource = response_resource.begun(request)
        yield self._stamped(("created_out",), "response.created", response=resource)
        yield self._event("rate_limits.updated", rate_limits=request.limits)
        if request.refused is not None:
            yield request.slot.start
            yield from self.end("failed", error=request.refused)
            return
        due = request.due
        yield max(request.slot.start, due - _HEADSTART_NS)
        if answer.deltas:
            yield from self._write(due) if request.modalities == ("text",) else self._speak(due)
            due += answer.offset(answer.deltas - 1, request.settings.pace_ns)
        for tool in answer.tools:
            yield from self._output.close("completed")
            yield from self._call_server(tool, due) if tool.server else self._call(tool, due)
        if answer.cut_short:
            yield from self.end("incomplete", "max_output_tokens")
        else:
            yield from self.end("completed")

    def end(
        self, status: str, reason: str | None = None, error: dict[str, str] | None = None
    ) -> Iterator[Out]:
        """Close what is open, and the response."""
        yield from self._output.close("completed" if status == "completed" else "incomplete")
        self.truth.status = status
        resource = response_resource.ended(self.request, self._output.items, status, reason, error)
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

    def _speak(self, due: int) -> Iterator[int | Out]:
        """Audio and its transcript; the first delta is due at ``due``."""
        settings, answer = self.request.settings, self.request.answer
        track, truth = self.request.track, self.truth
        truth.first_due = due
        yield from self._output.open_message({"type": "audio", "transcript": ""})
        item, place = self._output.open_item, self._output.place
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
        yield from self._output.open_message({"type": "text", "text": ""})
        pace = _TEXT_PACE_NS if self.request.settings.speed else 0
        place, count = self._output.place, 0
        for index in range(self.request.answer.deltas):
            if self.request.track.words(index):
                yield due + count * pace
                count += 1
                yield self._event(
                    "response.output_text.delta",
                    **place,
                    content_index=0,
                    delta=self._piece(index),
                )

    def _piece(self, index: int) -> str:
        """The words that come with delta ``index``, as a delta of text."""
        words = self.request.track.words(index)
        piece = f" {words}" if words and self._output.said else words
        self._output.said += piece
        return piece

    def _call(self, tool: ToolUse, due: int) -> Iterator[int | Out]:
        """A function call, its arguments due at ``due``."""
        call_id = self.request.new_item_id().replace("item_", "call_")
        yield from self._output.open_call(tool.name, call_id)
        yield due
        place = self._output.place
        for start in range(0, len(tool.arguments), _ARGUMENTS_PIECE):
            piece = tool.arguments[start : start + _ARGUMENTS_PIECE]
            self._output.said += piece
            yield self._event(
                "response.function_call_arguments.delta", **place, call_id=call_id, delta=piece
            )
        yield self._stamped(
            ("call_out",),
            "response.function_call_arguments.done",
            **place,
            call_id=call_id,
            name=tool.name,
            arguments=tool.arguments,
        )
        self.truth.tool_calls += 1

    def _call_server(self, tool: ToolUse, due: int) -> Iterator[int | Out]:
        """A call of an MCP server's tool, and the request for approval if it needs one."""
        output = self._output
        fields = {"server_label": tool.server, "name": tool.name}
        yield from output.open_mcp("mcp_call", "", **fields)
        yield due
        place, item, approval_id = output.place, output.open_item, None
        for start in range(0, len(tool.arguments), _ARGUMENTS_PIECE):
            piece = tool.arguments[start : start + _ARGUMENTS_PIECE]
            output.said += piece
            yield self._event("response.mcp_call_arguments.delta", **place, delta=piece)
        yield self._stamped(
            ("call_out",),
            "response.mcp_call_arguments.done",
            **place,
            arguments=tool.arguments,
        )
        self.truth.tool_calls += 1
        if tool.needs_approval:
            yield from output.close("completed")
            yield from output.open_mcp("mcp_approval_request", tool.arguments, **fields)
            approval_id = item.wire["approval_request_id"] = output.open_item.id
        self.mcp_calls.append(McpCall(item, place["output_index"], approval_id))


def _stamps(index: int, first_audible: int | None) -> tuple[str, ...]:
    """What is noted of the audio delta ``index``."""
    stamps: tuple[str, ...] = ("last_out",)
    if index == 0:
        stamps += ("first_out",)
    if index == first_audible:
        stamps += ("first_audible_out",)
    return stamps
