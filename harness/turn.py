"""
The fold of a conversation's timed facts into turns.

What we wrote and what the endpoint sent enter with their instants, in integer nanoseconds of the
monotonic clock; finished turns come out. What belongs to which turn and when a turn is over is
decided here and in the modules that it builds on, and nowhere else. No clock, no socket.
"""

from harness.answers import Answers
from harness.audio import AudioFormat
from harness.limits import Limit, Limits
from harness.open_turn import OVER, OpenTurn
from harness.realtime.client_events import TruncateItem
from harness.records import Flag, Identity, Kind, Outcome, Phase, Turn

__all__ = ["TurnRecorder"]


class TurnRecorder(Answers):
    """
    One conversation's turns: what we did, what time does, what a caller may ask.

    Args:
        identity: Whose turns they are; copied to each.
        limits: How long a turn may wait.
        buffer: Nanoseconds of the listener's jitter buffer.
        format: Of the audio received; set again once it is negotiated.
        vad: Whether the endpoint detects turns, or the caller commits.
        hear_out: Whether a turn closes when it has been heard, or when it is done on the wire.
        tool_rounds: How often a turn may call tools and go on; once more, and it has failed.

    """

    def __init__(
        self,
        *,
        identity: Identity,
        limits: Limits,
        buffer: int,
        format: AudioFormat,
        vad: bool = False,
        hear_out: bool = True,
        tool_rounds: int = 8,
    ) -> None:
        super().__init__(
            identity=identity, buffer=buffer, format=format, vad=vad, tool_rounds=tool_rounds
        )
        self.limits = limits
        self.hear_out = hear_out
        self.finished: list[Turn] = []  # closed turns that the caller has not taken yet

    # What we did.

    def spoken(self, turn: Turn, at: int, audio_s: float) -> None:
        """The caller's last voiced sample was spoken ``at``; ``audio_s`` seconds were sent."""
        if (o := self._find(turn)) is not None:
            o.speech_end = turn.marks["speech_end"] = at
            turn.audio_sent_s = audio_s

    def committed(self, turn: Turn, at: int, event_id: str | None = None) -> None:
        """``input_audio_buffer.commit`` was written."""
        self._commit_at = at
        if (o := self._find(turn)) is not None:
            turn.marks["commit"] = turn.marks["detected"] = o.detected = at
            self._asked(o, event_id)

    def requested(self, turn: Turn, at: int, event_id: str | None = None) -> None:
        """``response.create`` was written; a greeting or a text begins with it."""
        if (o := self._find(turn)) is not None:
            self._asked(o, event_id)
            if o.rounds:
                o.follow_up_at = at
                self._follow_up = o
                return
            turn.marks["request"] = at
            if turn.kind is not Kind.SPEECH:
                o.speech_end = at

    def _asked(self, o: OpenTurn, event_id: str | None) -> None:
        if event_id is not None:
            o.asked.add(event_id)

    def tool_answered(
        self, turn: Turn, call_id: str, at: int, outcome: str, *, valid: bool
    ) -> None:
        """``function_call_output`` was written."""
        o = self._find(turn)
        if o is None or (call := o.calls.get(call_id)) is None:
            return
        call.valid = valid
        o.tool_answered(call, at, outcome)

    def talk_over(self, at: int) -> list[TruncateItem]:
        """
        Stop what plays: the caller talks over it.

        Returns:
            What the endpoint must be told of how much was heard.

        """
        cuts = []
        for o in self._open:
            if o.settled and o.over_at(hear_out=self.hear_out) <= at:
                continue  # heard out: it only has not been closed yet
            if o.interrupted_at is None and o.answer is not None and o.speech_end is not None:
                cuts.append(o.truncation(at))
                o.interrupted_at = o.turn.marks["barge_in"] = at
                o.playback.stop(at)
                o.flag(Flag.INTERRUPTED)
        return [cut for cut in cuts if cut is not None]

    def cancelled(self, at: int) -> None:
        """``response.cancel`` was written."""
        for o in self._open:
            if o.tracks or o.follow_up_at is not None:
                o.turn.marks["cancel"] = at

    # What time does.

    def limit(self) -> Limit | None:
        """The next instant at which an open turn stops waiting."""
        limits = (o.limit(self.limits) for o in self._open)
        return min((limit for limit in limits if limit is not None), default=None)

    def next_close(self) -> int | None:
        """The next instant at which a settled turn will have been heard out."""
        ends = (o.over_at(hear_out=self.hear_out) for o in self._open if o.settled)
        return min(ends, default=None)

    def advance(self, now: int) -> list[Outcome]:
        """
        Close what is over by ``now``: heard out, or waited for in vain.

        Returns:
            The outcomes of those that were given up, but not of those talked over before.

        """
        given_up = []
        for o in list(self._open):
            limit = o.limit(self.limits)
            if o.settled and o.over_at(hear_out=self.hear_out) <= now:
                self._close(o, *o.verdict(), now=now)
            elif limit is not None and limit.at <= now:
                if o.interrupted_at is not None:
                    self._close(o, Outcome.CANCELLED, None, now=now)
                    continue
                given_up.append(limit.outcome)
                self._close(o, limit.outcome, None, limit.phase, now=now)
        return given_up

    def end(self, outcome: Outcome, code: str | None, now: int) -> None:
        """Close every turn: the session is gone, or the run is over."""
        for o in list(self._open):
            if o.settled:
                self._close(o, *o.verdict(), now=now)
            else:
                self._close(o, outcome, code, now=now)

    def _close(
        self,
        o: OpenTurn,
        outcome: Outcome,
        code: str | None,
        phase: Phase | None = None,
        *,
        now: int,
    ) -> None:
        self._open.remove(o)
        if self._follow_up is o:
            self._follow_up = None
        for track in self._tracks.values():
            if track.open is o and track not in o.tracks:
                track.open = OVER
        o.turn.audio_received_s, o.turn.receiving_s = o.received / 1e9, o.receiving / 1e9
        self.finished.append(o.close(outcome, phase, code, self.limits, now))

    # What the caller asks.

    @property
    def open_turns(self) -> list[Turn]:
        """Turns that have not closed, oldest first."""
        return [o.turn for o in self._open]

    @property
    def unasked(self) -> list[Turn]:
        """What the endpoint has detected and nobody has asked it to answer, oldest first."""
        return [
            o.turn
            for o in self._open
            if o.turn.kind is Kind.SPEECH and o.detected and not o.asked and o.answer is None
        ]

    @property
    def responding(self) -> bool:
        """Whether a response of an open turn is being made."""
        return any(o.tracks for o in self._open)

    @property
    def going_on(self) -> bool:
        """Whether a turn was asked to go on after our tools' outputs, and does not yet."""
        return self._follow_up is not None

    @property
    def awaited(self) -> bool:
        """Whether a response was asked for, for somebody to hear, and none was created yet."""
        return any(o.awaits and o.interrupted_at is None for o in self._open)

    def waits_for_tools(self, turn: Turn) -> bool:
        """Whether a tool that it called has not answered."""
        o = self._find(turn)
        return o is not None and bool(o.unanswered_calls)

    def goes_on(self, turn: Turn) -> bool:
        """Whether its answer is to be asked to go on after its tools' outputs."""
        o = self._find(turn)
        return o is not None and not (o.loops or o.interrupted_at or o.followed_up)

    def has_heard(self, turn: Turn, audible: int, now: int) -> bool:
        """Whether ``audible`` ns of its answer were heard, from the first audible sample."""
        o = self._find(turn)
        return o is not None and o.has_heard(audible, now)

    def hears_at(self, turn: Turn, audible: int, now: int) -> int | None:
        """
        The instant at which so much of its answer will have been heard, as far as is known.

        ``None``: what has arrived is heard, or nothing has; the next audio is a milestone.

        """
        o = self._find(turn)
        return None if o is None else o.hears_at(audible, now)
