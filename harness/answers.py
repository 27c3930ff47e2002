"""
What the endpoint said, folded into the turns its responses belong to: audio, text, ends, errors.

Events enter with their receive instants, in integer nanoseconds of the monotonic clock.
"""

from collections.abc import Callable
from typing import Any

from harness.audio import AudioFormat
from harness.cost import merge_usage
from harness.open_turn import OVER, OpenTurn, Role, Track
from harness.realtime.errors import ServerError
from harness.realtime.events import (
    AudioDelta,
    BufferCommitted,
    Error,
    IdleTimeout,
    InputTranscript,
    RateLimits,
    ResponseCreated,
    ResponseDone,
    SpeechStopped,
    TextDelta,
    TextDone,
    TranscriptDelta,
    TranscriptDone,
)
from harness.realtime.objects import ErrorDetails, RateLimit, Response, StatusDetails
from harness.records import Identity
from harness.samples import first_audible
from harness.tool_calls import CALL_EVENTS, ToolCalls

__all__ = ["Answers"]


class Answers(ToolCalls):
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
        super().__init__(identity=identity, buffer=buffer, vad=vad, tool_rounds=tool_rounds)
        self.format = format
        self.audio_received_ns = 0
        self.stale_ns = 0  # received after its turn was interrupted or closed: never heard
        self.late_usage: dict[str, Any] | None = None  # told after its turn had closed
        self.rate_limits: tuple[list[RateLimit], int] | None = None  # told last, and when

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
            return begins == at  # nothing played: who waits for so much of it looks again
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
            self._complete_item(track, item, at, uncertainty)
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


_FOLD: dict[type, Callable[[Answers, Any, int, int], bool]] = {
    **CALL_EVENTS,
    AudioDelta: Answers._audio,
    TranscriptDelta: Answers._text,
    TextDelta: Answers._text,
    TranscriptDone: Answers._text_done,
    TextDone: Answers._text_done,
    ResponseCreated: Answers._created,
    ResponseDone: Answers._done,
    SpeechStopped: Answers._detected,
    BufferCommitted: Answers._committed,
    IdleTimeout: Answers._idle_timeout,
    InputTranscript: Answers._input_transcript,
    RateLimits: Answers._rate_limits,
    Error: Answers._error,
}
