"""
The events of a server as structs: those we act on, and the names of all the rest.

Wire names and fields are those of the GA API (``openai.types.realtime``). A field that a lenient
server leaves out or sets to null reads as its default; what the harness does not use is skipped
by the decoder.
"""

from typing import Any

import msgspec

from harness.realtime.objects import ErrorDetails, Item, RateLimit, Response

__all__ = [
    "ACTED_ON",
    "BETA_NAMES",
    "SERVER_EVENTS",
    "ArgumentsDelta",
    "ArgumentsDone",
    "AudioDelta",
    "AudioDone",
    "BufferCleared",
    "BufferCommitted",
    "Error",
    "IdleTimeout",
    "InputTranscript",
    "InputTranscriptFailed",
    "ItemAdded",
    "ItemDone",
    "ItemTruncated",
    "ListToolsBegun",
    "ListToolsCompleted",
    "ListToolsFailed",
    "Malformed",
    "McpArgumentsDone",
    "McpCallBegun",
    "McpCallCompleted",
    "McpCallFailed",
    "OutputItemAdded",
    "OutputItemDone",
    "Passed",
    "RateLimits",
    "Received",
    "ResponseCreated",
    "ResponseDone",
    "ServerEvent",
    "SessionCreated",
    "SessionUpdated",
    "SpeechStarted",
    "SpeechStopped",
    "TextDelta",
    "TextDone",
    "TranscriptDelta",
    "TranscriptDone",
    "Unknown",
]


# What we act on. Every field has a default: a server may leave out anything.
# No event refers to itself: the garbage collector need not look at them.
class ServerEvent(msgspec.Struct, tag_field="type", kw_only=True, gc=False):
    """An event of the server. Each field of those below is required of a GA server."""

    event_id: str | None = None

    @property
    def type(self) -> str:
        """Its wire name."""
        return str(self.__struct_config__.tag)


class SessionCreated(ServerEvent, tag="session.created", kw_only=True):
    """The session exists."""

    session: dict[str, Any] | None = None


class SessionUpdated(ServerEvent, tag="session.updated", kw_only=True):
    """The session is configured, as stated."""

    session: dict[str, Any] | None = None


class ItemAdded(ServerEvent, tag="conversation.item.added", kw_only=True):
    """An item entered the conversation."""

    item: Item | None = None


class ItemDone(ServerEvent, tag="conversation.item.done", kw_only=True):
    """An item of the conversation is complete."""

    item: Item | None = None


class ItemTruncated(ServerEvent, tag="conversation.item.truncated", kw_only=True):
    """An answer was cut to what was heard of it."""

    item_id: str | None = None
    audio_end_ms: int | None = None


class SpeechStarted(ServerEvent, tag="input_audio_buffer.speech_started", kw_only=True):
    """VAD heard the caller begin."""

    item_id: str | None = None
    audio_start_ms: int | None = None


class SpeechStopped(ServerEvent, tag="input_audio_buffer.speech_stopped", kw_only=True):
    """VAD decided that the caller has finished."""

    item_id: str | None = None
    audio_end_ms: int | None = None


class BufferCommitted(ServerEvent, tag="input_audio_buffer.committed", kw_only=True):
    """The caller's audio became an item."""

    item_id: str | None = None


class BufferCleared(ServerEvent, tag="input_audio_buffer.cleared"):
    """The audio not yet committed is forgotten."""


class IdleTimeout(ServerEvent, tag="input_audio_buffer.timeout_triggered", kw_only=True):
    """Nobody spoke for the idle timeout: an unasked answer follows."""

    item_id: str | None = None


class InputTranscript(
    ServerEvent, tag="conversation.item.input_audio_transcription.completed", kw_only=True
):
    """What the caller said, and what knowing it cost."""

    item_id: str | None = None
    transcript: str | None = None
    usage: dict[str, Any] | None = None


class InputTranscriptFailed(
    ServerEvent, tag="conversation.item.input_audio_transcription.failed", kw_only=True
):
    """The caller's words could not be told."""

    item_id: str | None = None
    error: ErrorDetails | None = None


class ResponseCreated(ServerEvent, tag="response.created", kw_only=True):
    """An answer is being made."""

    response: Response | None = None


class OutputItemAdded(ServerEvent, tag="response.output_item.added", kw_only=True):
    """A message or a function call began in an answer."""

    response_id: str | None = None
    output_index: int | None = None
    item: Item | None = None


class OutputItemDone(ServerEvent, tag="response.output_item.done", kw_only=True):
    """A message or a function call of an answer is complete."""

    response_id: str | None = None
    output_index: int | None = None
    item: Item | None = None


class _OfItem(ServerEvent, kw_only=True):
    """Something that belongs to one item of one response."""

    response_id: str | None = None
    item_id: str | None = None
    output_index: int | None = None


class _Part(_OfItem, kw_only=True):
    """Something that belongs to one content part of an item."""

    content_index: int | None = None


class AudioDelta(_Part, tag="response.output_audio.delta", kw_only=True):
    """Audio of an answer, decoded from base64."""

    delta: bytes = b""


class AudioDone(_Part, tag="response.output_audio.done"):
    """The audio of one item is complete."""


class TranscriptDelta(_Part, tag="response.output_audio_transcript.delta", kw_only=True):
    """What the answer's audio says."""

    delta: str = ""


class TranscriptDone(_Part, tag="response.output_audio_transcript.done", kw_only=True):
    """What one item's audio said, whole."""

    transcript: str | None = None


class TextDelta(_Part, tag="response.output_text.delta", kw_only=True):
    """Text of an answer without audio."""

    delta: str = ""


class TextDone(_Part, tag="response.output_text.done", kw_only=True):
    """The text of one item, whole."""

    text: str | None = None


class ArgumentsDelta(_OfItem, tag="response.function_call_arguments.delta", kw_only=True):
    """Arguments of a function call."""

    call_id: str | None = None
    delta: str = ""


class ArgumentsDone(_OfItem, tag="response.function_call_arguments.done", kw_only=True):
    """The arguments of a function call, whole."""

    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class McpArgumentsDone(_OfItem, tag="response.mcp_call_arguments.done", kw_only=True):
    """The arguments for a tool of an MCP server, whole; the endpoint runs it itself."""

    arguments: str | None = None


class _McpCall(ServerEvent, kw_only=True):
    """A tool of an MCP server runs, perhaps after the response that called it is done."""

    item_id: str | None = None
    output_index: int | None = None


class McpCallBegun(_McpCall, tag="response.mcp_call.in_progress"):
    """It has been asked: the call is complete, and approved if it had to be."""


class McpCallCompleted(_McpCall, tag="response.mcp_call.completed"):
    """It has said something."""


class McpCallFailed(_McpCall, tag="response.mcp_call.failed"):
    """It has failed."""


class _ListTools(ServerEvent, kw_only=True):
    """The tools of an MCP server are imported, from when the session names it."""

    item_id: str | None = None


class ListToolsBegun(_ListTools, tag="mcp_list_tools.in_progress"):
    """It has been asked for them."""


class ListToolsCompleted(_ListTools, tag="mcp_list_tools.completed"):
    """They can be called."""


class ListToolsFailed(_ListTools, tag="mcp_list_tools.failed"):
    """There are none."""


class ResponseDone(ServerEvent, tag="response.done", kw_only=True):
    """An answer ended, well or not."""

    response: Response | None = None


class RateLimits(ServerEvent, tag="rate_limits.updated", kw_only=True):
    """What is left of the quotas."""

    rate_limits: list[RateLimit] | None = None


class Error(ServerEvent, tag="error", kw_only=True):
    """Something went wrong; most errors are not the end of a turn."""

    error: ErrorDetails | None = None


ACTED_ON: dict[str, type[ServerEvent]] = {
    str(cls.__struct_config__.tag): cls
    for cls in (
        *(SessionCreated, SessionUpdated, ItemAdded, ItemDone, ItemTruncated),
        *(SpeechStarted, SpeechStopped),
        *(BufferCommitted, BufferCleared, IdleTimeout, InputTranscript, InputTranscriptFailed),
        *(ResponseCreated, OutputItemAdded, OutputItemDone, AudioDelta, AudioDone),
        *(TranscriptDelta, TranscriptDone, TextDelta, TextDone, ArgumentsDelta, ArgumentsDone),
        *(McpArgumentsDone, McpCallBegun, McpCallCompleted, McpCallFailed),
        *(ListToolsBegun, ListToolsCompleted, ListToolsFailed, ResponseDone, RateLimits, Error),
    )
}
"""Wire name to struct."""

BETA_NAMES = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "conversation.item.created": "conversation.item.added",
    "response.cancelled": "response.done",
}
"""Beta wire names, accepted when received, to those of today."""

SERVER_EVENTS = frozenset(ACTED_ON) | {
    "conversation.created",
    "conversation.item.created",
    "conversation.item.deleted",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.segment",
    "conversation.item.retrieved",
    "input_audio_buffer.dtmf_event_received",
    "output_audio_buffer.cleared",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "response.content_part.added",
    "response.content_part.done",
    "response.mcp_call_arguments.delta",
}
"""All events a GA server may send, by wire name."""


# What we pass over.


class Passed(ServerEvent):
    """An event of the protocol that the harness has no use for; ``type`` tells which."""


class Unknown(msgspec.Struct):
    """An object whose ``type`` the protocol does not know, or that has none (``type`` is "")."""

    type: str


class Malformed(msgspec.Struct):
    """A message that is no JSON object."""

    reason: str


Received = ServerEvent | Unknown | Malformed
"""What a message turns out to be."""
