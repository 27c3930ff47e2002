"""Which response belongs to which turn, and as what: its answer, a follow-up, premature."""

from harness.open_turn import OpenTurn, Role, Track
from harness.playback import Playback
from harness.realtime.events import BufferCommitted, IdleTimeout, ResponseCreated, SpeechStopped
from harness.records import Flag, Identity, Kind, Turn

__all__ = ["Attribution"]

KEPT_TRACKS = 32  # responses whose late events are still told apart from unknown ones


class Attribution:
    """
    The open turns of one conversation, and the responses that run in them.

    Args:
        identity: Whose turns they are; copied to each.
        buffer: Nanoseconds of the listener's jitter buffer.
        vad: Whether the endpoint detects turns, or the caller commits.

    """

    def __init__(self, *, identity: Identity, buffer: int, vad: bool) -> None:
        self.identity = identity
        self.buffer = buffer
        self.vad = vad
        self.audio = True  # the session is asked to answer in it
        self.turns = 0
        self.responses = 0
        self._open: list[OpenTurn] = []
        self._tracks: dict[str | None, Track] = {}
        self._newest: Track | None = None
        self._commit_at: int | None = None
        self._follow_up: OpenTurn | None = None
        self._idle = False  # the endpoint waited for the caller in vain, and will say so

    def begin(self, kind: Kind, *, due: int, at: int | None, said: str = "") -> Turn:
        """Open a turn: its first frame, or its request, was due and written at these instants."""
        who = self.identity
        turn = Turn(
            **{name: getattr(who, name) for name in who.__struct_fields__},
            turn=self.turns,
            kind=kind,
            said=said,
            audio=self.audio,
            due_at=due,
            written_at=at,
        )
        self.turns += 1
        self._open.append(OpenTurn(turn, Playback(self.buffer), vad=self.vad))
        return turn

    def start_over(self) -> None:
        """Know nothing of the session before: another may name its responses alike."""
        self._tracks.clear()
        self._newest = self._commit_at = self._follow_up = None
        self._idle = False

    def _created(self, event: ResponseCreated, at: int, uncertainty: int) -> bool:
        response_id = event.response.id if event.response else None
        if response_id is None:
            response_id = f"unnamed-{self.responses}"
        if response_id not in self._tracks:
            self._begin_response(response_id, at, uncertainty)
        return True

    def _track(self, response_id: str | None, at: int) -> Track:
        """The response of this id, begun now if the endpoint never said that it had created it."""
        return self._tracks.get(response_id) or self._implied(response_id, at)

    def _implied(self, response_id: str | None, at: int) -> Track:
        """The response of an event that names none, or one that was never created."""
        if response_id is None and self._newest is not None:
            return self._newest
        return self._begin_response(response_id or f"unnamed-{self.responses}", at, 0)

    def _begin_response(self, response_id: str, at: int, uncertainty: int) -> Track:
        o, role = self._belongs(at)
        idle, self._idle = self._idle, False
        track = Track(response_id, o, role, at)
        self.responses += 1
        while len(self._tracks) >= KEPT_TRACKS:
            del self._tracks[next(iter(self._tracks))]
        self._tracks[response_id] = self._newest = track
        o.tracks.append(track)
        o.turn.response_ids.append(response_id)
        match role:
            case Role.ANSWER:
                o.answer = track
                self._mark(o, "created", at, uncertainty)
            case Role.FOLLOW_UP:
                o.rounds[-1].created = at
                o.follow_up_at = self._follow_up = None
                o.final = None
                o.playback.pause()
            case Role.PREMATURE:
                o.premature = True
                o.flag(Flag.PREMATURE)
            case Role.SECOND:
                o.flag(Flag.IDLE_TIMEOUT if idle else Flag.SECOND_ANSWER)
        return track

    def _belongs(self, at: int) -> tuple[OpenTurn, Role]:
        """Which turn a response created ``at`` belongs to, and as what."""
        if self._follow_up is not None:
            return self._follow_up, Role.FOLLOW_UP
        if not self._open:
            turn = self.begin(Kind.UNSOLICITED, due=at, at=None)
            self._open[-1].speech_end = at
            if self._idle:
                turn.flags.append(Flag.IDLE_TIMEOUT)
        o = self._open[-1]
        if o.goes_on_itself:
            return o, Role.FOLLOW_UP
        end, commit = o.speech_end, self._commit_at
        early = end is None or at < end
        if o.turn.kind is Kind.SPEECH and end is not None and commit is not None:
            early = early or commit < end
        if early:
            return o, Role.PREMATURE
        return o, Role.ANSWER if o.answer is None else Role.SECOND

    def _detected(self, event: SpeechStopped, at: int, uncertainty: int) -> bool:
        if not self.vad:
            return False
        self._commit_at = at
        o = self._open[-1] if self._open else None
        if o is not None and o.speech_end is not None and at >= o.speech_end and o.answer is None:
            o.detected = at
            self._mark(o, "detected", at, uncertainty, again=True)
            self._answers_next(o)
        return True

    def _committed(self, event: BufferCommitted, at: int, uncertainty: int) -> bool:
        if not self.vad:
            return False
        before, self._commit_at = self._commit_at, at
        o = self._open[-1] if self._open else None
        # A server without speech_stopped tells by the commit alone that it noticed.
        waiting = o is not None and o.detected is None and o.answer is None
        if o is not None and waiting and o.speech_end is not None:
            alone = before is None or before < o.turn.due_at
            if alone and at >= o.speech_end:
                o.detected = at
                self._mark(o, "detected", at, uncertainty)
                self._answers_next(o)
        return True

    def _answers_next(self, o: OpenTurn) -> None:
        """Expect no follow-up any more of a turn that this one talked over."""
        if self._follow_up is not None and self._follow_up is not o:
            self._follow_up.follow_up_at = None
            self._follow_up = None

    def _idle_timeout(self, event: IdleTimeout, at: int, uncertainty: int) -> bool:
        self._idle = True
        return False

    def _find(self, turn: Turn) -> OpenTurn | None:
        return next((o for o in self._open if o.turn is turn), None)

    @staticmethod
    def _mark(o: OpenTurn, name: str, at: int, uncertainty: int, *, again: bool = False) -> None:
        marks = o.turn.marks
        if not again and marks.get(name) is not None:
            return
        marks[name] = at
        if uncertainty:
            o.turn.uncertainty[name] = uncertainty
        elif again:
            o.turn.uncertainty.pop(name, None)
