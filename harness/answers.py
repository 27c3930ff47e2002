"""
What the endpoint did, folded into the turns its responses belong to: audio, text, calls, ends.

Events enter with their receive instants, in integer nanoseconds of the monotonic clock.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from harness.attribution import Attribution
from harness.audio import AudioFormat, first_audible
from harness.cost import merge_usage
from harness.open_turn import OVER, OpenTurn, Role, Round, Track
from harness.realtime.errors import ServerError
from harness.realtime.events import (
    ArgumentsDelta,
    ArgumentsDone,
    AudioDelta,
    BufferCommitted,
    Error,
    IdleTimeout,
    InputTranscript,
    ItemDone,
    McpArgumentsDone,
    McpCallCompleted,
    McpCallFailed,
    OutputItemAdded,
    OutputItemDone,
    RateLimits,
    ResponseCreated,
    ResponseDone,
    SpeechStopped,
    TextDelta,
    TextDone,
    TranscriptDelta,
    TranscriptDone,
)
from harness.realtime.objects import ErrorDetails, Item, RateLimit, Response, StatusDetails
from harness.records import Flag, Identity, ToolCall, Turn

__all__ = ["Answers", "ToolRequest"]

_CALLS = ("function_call", "mcp_call")
"""Items that are tool calls: of ours, and of MCP servers'."""


class ToolRequest(msgspec.Struct, frozen=True):
    """A function call of the endpoint, complete: run it and answer."""

    turn: Turn
    call_id: str
    name: str
    arguments: str
    at: int  # ns, when it was complete


class Answers(Attribution):
    """
    The responses of one conversation, folded into its open turns.

    Args:
        identity: Whose turns they are; copied to each.
        buffer: Nanoseconds of the listener's jitter buffer.
        format: Of the audio received; set again once it is negotiated.
        vad: Whether the endpoint detects turns, or the caller commits.
        tool_rounds: How often a turn may call tools and go on.

    """

    def __init__(
        self,
        *,
        identity: Identity,
        buffer: int,
        format: AudioFormat,
        vad: bool = False,
        tool_rounds: int = 8,
    ) -> None:
        super().__init__(identity=identity, buffer=buffer, vad=vad)
        self.format = format
        self.tool_rounds = tool_rounds
        self.audio_received_ns = 0
        self.stale_ns = 0  # received after its turn was interrupted or closed: never heard
        self.late_usage: dict[str, Any] | None = None  # told after its turn had closed
        self.rate_limits: tuple[list[RateLimit], int] | None = None  # told last, and when
        self.requests: list[ToolRequest] = []  # complete calls that the caller has not taken yet
        self.approvals: list[str] = []  # what the endpoint asks to call itself, likewise
        self.served: list[Turn] = []  # those whose calls MCP servers have answered, likewise

    def receive(self, event: object, at: int, uncertainty: int = 0) -> bool:
        """
        Fold one event, received ``at``, at most ``uncertainty`` ns earlier.

        Returns:
            Whether it is a milestone, for which the caller's greenlet should look.

        """
        fold = _FOLD.get(type(event))
        return False if fold is None else fold(self, event, at, uncertainty)

    def _audio(self, event: AudioDelta, at: int, uncertainty: int) -> bool:
        data = event.delta
        if not data:
            return False
        response_id = event.response_id
        track = self._tracks.get(response_id) or self._implied(response_id, at)
        o = track.open
        track.bytes += len(data)
        whole = self.format.nanoseconds(track.bytes)
        duration = whole - track.ns
        since = at if track.delta_at is None else track.delta_at
        track.ns, track.delta_at = whole, at
        self.audio_received_ns += duration
        if o.closed:
            self.stale_ns += duration
            return False
        o.received += duration
        o.receiving += at - since
        if track.role is Role.PREMATURE:
            return False
        o.last_delta, o.last_delta_slack = at, uncertainty
        if o.interrupted_at is not None:
            self.stale_ns += duration
            o.overtalk(duration)
            return False
        if not o.items or o.items[-1][0] != event.item_id:
            o.items.append((event.item_id or "", event.content_index or 0, o.playback.received))
        begins = o.playback.arrive(at, duration)
        if track.first_audio_at is not None and o.heard_from is not None:
            return False
        return self._first_audio(track, data, begins, at, uncertainty)

    def _first_audio(
        self, track: Track, data: bytes, begins: int, at: int, uncertainty: int
    ) -> bool:
        """The first deltas of a response, until one of them holds a sample above silence."""
        o = track.open
        if track.first_audio_at is None:
            track.first_audio_at = at
            if track.role is not Role.SECOND:
                self._mark(o, "first_audio", at, uncertainty)
                if o.output_at is not None:
                    self._mark(o, "answer_audio", at, uncertainty)
        if o.heard_from is None and track.role is not Role.SECOND:
            offset = self._audible(track, data)
            if offset is not None:
                o.heard_from = o.playback.received - (o.playback.ends_at - begins) + offset
                self._mark(o, "first_audible", begins + offset, uncertainty)
        return True

    def _audible(self, track: Track, data: bytes) -> int | None:
        """Nanoseconds into this delta of its first sample above silence."""
        size = self.format.sample_bytes
        carried = len(track.odd)
        data = track.odd + data
        usable = len(data) - len(data) % size
        track.odd = data[usable:]
        index = first_audible(data[:usable], self.format)
        return None if index is None else max(0, self.format.nanoseconds(index * size - carried))

    def _item_added(self, event: OutputItemAdded, at: int, uncertainty: int) -> bool:
        track = self._track(event.response_id, at)
        item = event.item
        if item is None or item.type not in _CALLS or not self._waits_for_call(track):
            return False
        self._call(track, item)
        track.call_at = track.call_at or at
        return False

    @staticmethod
    def _waits_for_call(track: Track) -> bool:
        """Whether a call of this response matters: a premature one's is nobody's to answer."""
        return not track.open.closed and track.role is not Role.PREMATURE

    def _item_done(self, event: OutputItemDone, at: int, uncertainty: int) -> bool:
        track = self._track(event.response_id, at)
        item = event.item
        if item is None or track.open.closed:
            return False
        if item.id is not None and item.id not in track.open.turn.item_ids:
            track.open.turn.item_ids.append(item.id)
        if item.type == "mcp_approval_request" and not _calls_server(track.open, item.name):
            item.type = "mcp_call"  # of an endpoint that tells of the call once it is approved
        if item.type not in _CALLS:
            return False
        return self._complete(track, item, at, uncertainty)

    def _arguments_delta(self, event: ArgumentsDelta, at: int, uncertainty: int) -> bool:
        track = self._track(event.response_id, at)
        if event.call_id is not None and self._waits_for_call(track):
            self._call(track, Item(call_id=event.call_id))
            track.open.arguments[event.call_id] += event.delta
            track.call_at = track.call_at or at
        return False

    def _arguments_done(self, event: ArgumentsDone, at: int, uncertainty: int) -> bool:
        track = self._track(event.response_id, at)
        if track.open.closed:
            return False
        item = Item(call_id=event.call_id, name=event.name, arguments=event.arguments)
        return self._complete(track, item, at, uncertainty)

    def _call(self, track: Track, item: Item) -> ToolCall | None:
        """The call that an item is, with what is now known of it."""
        call_id = item.id if item.type == "mcp_call" else item.call_id
        if call_id is None:
            return None
        o = track.open
        call = o.calls.setdefault(call_id, ToolCall(name="", call_id=call_id))
        call.name = call.name or item.name or ""
        if item.type == "mcp_call":
            call.server = call.server or item.server_label or "mcp"
        known = o.arguments.setdefault(call_id, "")
        if item.arguments is not None and len(item.arguments) > len(known):
            o.arguments[call_id] = item.arguments
        return call

    def _complete(self, track: Track, item: Item, at: int, uncertainty: int) -> bool:
        """A tool call is complete: by its arguments, or with its item, whichever is first."""
        if track.role is Role.PREMATURE:
            return False  # the caller goes on speaking: nobody waits for it
        call = self._call(track, item)
        if call is None or call.called_at is not None:
            return False
        # The arguments' event of a lenient server has no name; the item that follows has.
        if not call.name and item.type is None:
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

    # Calls of MCP servers' tools, which the endpoint runs itself.

    def _mcp_arguments(self, event: McpArgumentsDone, at: int, uncertainty: int) -> bool:
        track = self._track(event.response_id, at)
        if track.open.closed or event.item_id not in track.open.calls:
            return False  # the item that follows has its name
        item = Item(type="mcp_call", id=event.item_id, arguments=event.arguments)
        return self._complete(track, item, at, uncertainty)

    def _mcp_ended(
        self, event: McpCallCompleted | McpCallFailed, at: int, uncertainty: int
    ) -> bool:
        failed = isinstance(event, McpCallFailed)
        return self._served((event.item_id,), at, uncertainty, failed=failed)

    def _conversation_item(self, event: ItemDone, at: int, uncertainty: int) -> bool:
        item = event.item
        if item is None or item.id is None:
            return False
        if item.type == "mcp_approval_request":
            self.approvals.append(item.id)
            return True
        if item.type != "mcp_call" or (item.output is None and item.error is None):
            return False
        ids = (item.id, item.approval_request_id)
        return self._served(ids, at, uncertainty, failed=item.error is not None)

    def _served(
        self, ids: tuple[str | None, ...], at: int, uncertainty: int, *, failed: bool
    ) -> bool:
        """The endpoint has run the tool of one of these items: who waits for it may go on."""
        for o in self._open:
            call = next((call for call in o.unanswered_calls if call.call_id in ids), None)
            if call is not None:
                o.tool_answered(call, at, "error" if failed else "ok", uncertainty)
                self.served.append(o.turn)
                return True
        return False

    def _text(self, event: TextDelta | TranscriptDelta, at: int, uncertainty: int) -> bool:
        track = self._track(event.response_id, at)
        track.transcript += event.delta
        o = track.open
        if event.delta and not o.closed and track.role in (Role.ANSWER, Role.FOLLOW_UP):
            self._mark(o, "first_text", at, uncertainty)
        if type(event) is TextDelta:
            track.in_text = True
        return False

    def _text_done(self, event: TextDone | TranscriptDone, at: int, uncertainty: int) -> bool:
        track = self._track(event.response_id, at)
        whole = event.text if isinstance(event, TextDone) else event.transcript
        if track.role is not Role.PREMATURE and not track.open.closed:
            track.open.texts.append(whole or track.transcript)
        track.transcript = ""
        return False

    def _done(self, event: ResponseDone, at: int, uncertainty: int) -> bool:
        response = event.response or Response()
        track = self._track(response.id, at)
        o = track.open
        if track not in o.tracks:
            return False
        o.tracks.remove(track)
        if track.transcript and track.role is not Role.PREMATURE:
            o.texts.append(track.transcript)
        if o.closed:
            track.open = OVER
            self.late_usage = merge_usage(self.late_usage, response.usage)
            return True
        o.turn.usage = merge_usage(o.turn.usage, response.usage)
        for item in response.output or ():
            if item.type in _CALLS:
                self._complete(track, item, at, uncertainty)
        if track.role in (Role.ANSWER, Role.FOLLOW_UP):
            o.final = response
            self._mark(o, "done", at, uncertainty, again=True)
        if track.role is not Role.PREMATURE:
            o.playback.pause()
        return True

    def _input_transcript(self, event: InputTranscript, at: int, uncertainty: int) -> bool:
        if event.usage is None:
            return False
        usage = {"transcription": event.usage}
        if self._open:
            turn = self._open[-1].turn
            turn.usage = merge_usage(turn.usage, usage)
        else:
            self.late_usage = merge_usage(self.late_usage, usage)
        return False

    def _rate_limits(self, event: RateLimits, at: int, uncertainty: int) -> bool:
        if event.rate_limits:
            self.rate_limits = (event.rate_limits, at)
        return False

    def _error(self, event: Error, at: int, uncertainty: int) -> bool:
        """An error ends a turn only if it refuses what the turn asked for."""
        error = event.error
        if error is None or error.kind == "conversation_already_has_active_response":
            return True
        o = self._refused(error)
        if o is not None and o.asks:
            o.final = Response(status="failed", status_details=StatusDetails(error=error))
            o.turn.marks.setdefault("done", at)
            if self._follow_up is o:
                o.follow_up_at = self._follow_up = None
        return True

    def _refused(self, error: ErrorDetails) -> OpenTurn | None:
        """The turn that asked for what an error refuses; the newest, if that is everything."""
        if error.event_id:
            return next((o for o in self._open if error.event_id in o.asked), None)
        hopeless = self._open and ServerError(error).closes_the_door
        return self._open[-1] if hopeless else None


def _calls_server(o: OpenTurn, name: str | None) -> bool:
    """Whether it waits for a tool of this name that the endpoint runs itself."""
    return any(call.server and call.name == name for call in o.unanswered_calls)


_FOLD: dict[type, Callable[[Answers, Any, int, int], bool]] = {
    AudioDelta: Answers._audio,
    TranscriptDelta: Answers._text,
    TextDelta: Answers._text,
    TranscriptDone: Answers._text_done,
    TextDone: Answers._text_done,
    ResponseCreated: Answers._created,
    ResponseDone: Answers._done,
    OutputItemAdded: Answers._item_added,
    OutputItemDone: Answers._item_done,
    ArgumentsDelta: Answers._arguments_delta,
    ArgumentsDone: Answers._arguments_done,
    McpArgumentsDone: Answers._mcp_arguments,
    McpCallCompleted: Answers._mcp_ended,
    McpCallFailed: Answers._mcp_ended,
    ItemDone: Answers._conversation_item,
    SpeechStopped: Answers._detected,
    BufferCommitted: Answers._committed,
    IdleTimeout: Answers._idle_timeout,
    InputTranscript: Answers._input_transcript,
    RateLimits: Answers._rate_limits,
    Error: Answers._error,
}
