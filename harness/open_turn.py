"""A turn while it runs: its responses, what is heard of them, what it waits for, how it closes."""

from enum import Enum, auto

from harness.limits import Limit, Limits
from harness.playback import Playback
from harness.realtime.client_events import TruncateItem
from harness.realtime.codes import LONGEST_CODE, RATE_LIMIT_CODES
from harness.realtime.errors import ServerError
from harness.realtime.objects import Response, StatusDetails
from harness.records import Flag, Kind, Outcome, Phase, ToolCall, Turn
from harness.serving import ServedCalls

__all__ = ["OVER", "OpenTurn", "Role", "Round", "Track"]


class Role(Enum):
    """What a response is to its turn."""

    ANSWER = auto()
    FOLLOW_UP = auto()  # to the output of our tool
    PREMATURE = auto()  # the caller had not finished
    SECOND = auto()  # one more answer to one commit: a gateway's


class Round:
    """One round trip to tools, ours or MCP servers': instants in nanoseconds."""

    __slots__ = ("answered", "call", "created", "output", "response_id")

    def __init__(self, call: int, response_id: str) -> None:
        self.call = call  # the first call complete
        self.response_id = response_id  # of what called
        self.output: int | None = None  # the last output of ours written
        self.answered: int | None = None  # that, or the last result of an MCP server received
        self.created: int | None = None  # the response that follows


class Track:
    """One response on its way."""

    __slots__ = (
        *("bytes", "call_at", "created_at", "delta_at", "first_audio_at", "id", "in_text", "ns"),
        *("odd", "open", "role", "transcript"),
    )

    def __init__(self, response_id: str, open_turn: "OpenTurn", role: Role, at: int) -> None:
        self.id = response_id
        self.open = open_turn
        self.role = role
        self.created_at = at
        self.first_audio_at: int | None = None
        self.delta_at: int | None = None  # its last audio, heard or not
        self.call_at: int | None = None
        self.in_text = False  # it answers in text, not in audio
        self.bytes = 0
        self.ns = 0  # duration of those bytes
        self.odd = b""  # half a sample, completed by the next delta
        self.transcript = ""


class OpenTurn:
    """
    A turn that has not closed.

    ``tracks`` are the responses that run; ``calls`` the tool calls by id, with the arguments of
    functions beside them until they are complete; ``served`` those that the endpoint runs itself.
    """

    __slots__ = (
        *("answer", "arguments", "asked", "calls", "closed", "detected", "final", "follow_up_at"),
        *("heard_from", "interrupted_at", "items", "last_delta", "last_delta_slack", "loops"),
        *("output_at", "playback", "premature", "received", "receiving", "rounds", "served"),
        *("speech_end", "texts", "tracks", "turn", "vad"),
    )

    def __init__(self, turn: Turn, playback: Playback, *, vad: bool) -> None:
        self.turn = turn
        self.playback = playback
        self.vad = vad
        self.speech_end: int | None = None  # or, of what is not speech, its request
        self.detected: int | None = None
        self.tracks: list[Track] = []
        self.answer: Track | None = None
        self.premature = False
        self.final: Response | None = None  # how the answer, or the last follow-up, ended
        self.calls: dict[str, ToolCall] = {}
        self.arguments: dict[str, str] = {}
        self.served = ServedCalls()
        self.rounds: list[Round] = []
        self.loops = False  # it calls tools again and again
        self.output_at: int | None = None
        self.follow_up_at: int | None = None  # response.create after a tool written, none created
        self.asked: set[str] = set()  # event ids of what asked for an answer
        self.interrupted_at: int | None = None
        self.last_delta: int | None = None
        self.last_delta_slack = 0  # nanoseconds by which that may be too late
        self.received = 0  # nanoseconds of audio, heard or not
        self.receiving = 0  # nanoseconds it took, from the first to the last of each response
        self.items: list[tuple[str, int, int]] = []  # item, content index, its start in the audio
        self.heard_from: int | None = None  # position in the audio of the first audible sample
        self.texts: list[str] = []
        self.closed = False

    def tool_answered(self, call: ToolCall, at: int, outcome: str, uncertainty: int = 0) -> None:
        """A tool has answered: our output was written, or an MCP server's result received."""
        call.answered_at, call.outcome = at, outcome
        self.output_at = self.turn.marks["tool_output"] = at
        self.turn.marks.pop("answer_audio", None)  # what came before the last output was no answer
        for name in ("tool_output", "answer_audio"):
            self.turn.uncertainty.pop(name, None)
        if uncertainty:
            self.turn.uncertainty["tool_output"] = uncertainty
        trip = self.rounds[-1]
        trip.answered = at
        if not call.server:
            trip.output = at

    # What it waits for.

    @property
    def unanswered_calls(self) -> list[ToolCall]:
        """Tool calls complete, not answered by us or by an MCP server."""
        return [c for c in self.calls.values() if c.called_at and c.answered_at is None]

    @property
    def followed_up(self) -> bool:
        """Whether a response followed the last round of tools."""
        return bool(self.rounds) and self.rounds[-1].created is not None

    @property
    def goes_on_itself(self) -> bool:
        """Whether the endpoint, which ran all tools of the last round, may go on unasked."""
        trip = self.rounds[-1] if self.rounds else None
        ran = trip is not None and trip.answered is not None and trip.output is None
        return ran and not (self.followed_up or self.unanswered_calls or self.interrupted_at)

    @property
    def settled(self) -> bool:
        """Whether nothing more is expected on the wire."""
        if self.speech_end is None or any(t.role is not Role.PREMATURE for t in self.tracks):
            return False
        if self.follow_up_at is not None:
            return False
        if self.loops or (self.interrupted_at is not None and self.answer is not None):
            return True
        return self.final is not None and not self.unanswered_calls

    @property
    def asks(self) -> bool:
        """Whether it has asked for a response, and none runs."""
        waits = self.final is None or self.follow_up_at is not None
        return waits and self.speech_end is not None and not self.tracks

    @property
    def awaits(self) -> bool:
        """Whether we asked for a response that was neither created nor refused yet."""
        first = self.turn.marks.get("request") is not None and self.answer is None
        return self.follow_up_at is not None or (first and self.final is None)

    def over_at(self, *, hear_out: bool) -> int:
        """When a settled turn closes: heard out, or complete on the wire."""
        done = self.turn.marks.get("done") or 0
        if not hear_out or self.interrupted_at is not None or not self.playback.received:
            return done
        return max(done, self.playback.ends_at)

    def limit(self, limits: Limits) -> Limit | None:
        """The next instant at which waiting is given up; ``None``: it waits for nobody."""
        if self.speech_end is None and self.turn.kind in (Kind.GREETING, Kind.TEXT):
            return limits.timeout(self.turn.due_at, Phase.RESPONSE)  # of what it waits to ask after
        if self.speech_end is None or self.settled:
            return None
        silence = None
        if limits.patience is not None and self.interrupted_at is None:
            since = self.playback.ends_at if self.playback.received else self.speech_end
            silence = Limit(since + limits.patience, Outcome.ABANDONED)
        waiting = self._waiting(limits, self.speech_end)
        return waiting if silence is None else min(waiting, silence)

    def _waiting(self, limits: Limits, speech_end: int) -> Limit:
        if calls := self.unanswered_calls:
            return limits.timeout(min(c.called_at or 0 for c in calls), Phase.TOOL)
        running = [t for t in self.tracks if t.role is not Role.PREMATURE]
        if running:
            return self._running(running[-1], limits)
        if self.detected is None and self.vad and self.turn.kind is Kind.SPEECH:
            return limits.timeout(speech_end, Phase.DETECTION)
        return limits.timeout(self._waits_since(), Phase.FIRST_AUDIO)

    def _running(self, track: Track, limits: Limits) -> Limit:
        # A server may add answers without end: they have the time that the answer had.
        first = self.answer if track.role is Role.SECOND and self.answer else track
        whole = limits.timeout(first.created_at, Phase.RESPONSE)
        if track.first_audio_at is not None and self.last_delta is not None:
            dry = max(self.last_delta, self.playback.ends_at)
            return min(whole, limits.timeout(dry, Phase.STALL))
        if track.in_text or track.call_at is not None:
            return whole
        return min(whole, limits.timeout(self._waits_since(), Phase.FIRST_AUDIO))

    def _waits_since(self) -> int:
        """From when first audio is waited for; the tools' time does not count."""
        if self.output_at is not None and self.playback.received:
            return self.output_at
        since = self.detected or self.speech_end or 0
        return since + sum(r.answered - r.call for r in self.rounds if r.answered is not None)

    @property
    def own_delay(self) -> int:
        """Nanoseconds our own tools took."""
        return sum(r.output - r.call for r in self.rounds if r.output is not None)

    # What was heard of it.

    def has_heard(self, audible: int, now: int) -> bool:
        """Whether so many nanoseconds were heard, from the answer's first audible sample."""
        return self.heard_from is not None and self.playback.heard(now) >= self.heard_from + audible

    def hears_at(self, audible: int, now: int) -> int | None:
        """When that will be so, by what has arrived; look again then."""
        if self.heard_from is None or self.playback.ends_at <= now:
            return None
        missing = self.playback.received - (self.heard_from + audible)
        return self.playback.ends_at - max(0, missing)

    def truncation(self, now: int) -> TruncateItem | None:
        """Cut the item that plays ``now`` to what was heard of it; ``None`` when none did."""
        heard = self.playback.heard(now)
        playing = None
        for item_id, content_index, start in self.items:
            if playing is None or start < heard:
                playing = (item_id, content_index, start)
        if playing is None:
            return None
        item_id, content_index, start = playing
        return TruncateItem(
            item_id=item_id,
            content_index=content_index,
            audio_end_ms=max(0, heard - start) // 1_000_000,
        )

    def overtalk(self, duration: int) -> None:
        """Count audio that came while the caller talked over it: it is not heard."""
        self.turn.overtalk_s += duration / 1e9
        if self.turn.marks.get("cancel") is not None:
            self.turn.leaked_s += duration / 1e9

    # How it closes.

    def verdict(self) -> tuple[Outcome, str | None]:
        """Outcome and code of a settled turn, by the status of its last response."""
        if self.interrupted_at is not None:
            return Outcome.CANCELLED, None
        if self.loops:
            return Outcome.FAILED, "tool_loop"
        final = self.final or Response()
        details = final.status_details or StatusDetails()
        error = ServerError(details.error) if details.error else None
        reason = (details.reason or (error.kind if error else None) or "")[:LONGEST_CODE]
        match final.status:
            case "failed":
                limited = reason in RATE_LIMIT_CODES or (error is not None and error.rate_limited)
                return (Outcome.RATE_LIMITED if limited else Outcome.FAILED), reason or "failed"
            case "incomplete":
                return Outcome.INCOMPLETE, reason or "incomplete"
            case "cancelled" if self.turn.marks.get("cancel"):
                return Outcome.CANCELLED, None
            case "cancelled":
                return Outcome.FAILED, reason or "cancelled"
        return Outcome.COMPLETED, None

    def _message(self) -> str:
        """What the endpoint said of a failure."""
        details = self.final.status_details if self.final else None
        return (details.error.message if details and details.error else None) or ""

    def close(
        self, outcome: Outcome, phase: Phase | None, code: str | None, limits: Limits, now: int
    ) -> Turn:
        """Fill the turn, once."""
        self.closed = True
        if outcome not in (Outcome.COMPLETED, Outcome.CANCELLED):
            self.playback.stop(now)
        turn, playback = self.turn, self.playback
        turn.phase, turn.code, turn.message = phase, code, self._message()
        marks = turn.marks
        marks["last_delta"] = self.last_delta
        if self.last_delta_slack and self.interrupted_at is not None:  # else nothing depends on it
            turn.uncertainty["last_delta"] = self.last_delta_slack
        self._forget_unheard()
        if playback.received:
            marks["playback_end"] = playback.ends_at
            turn.audio_heard_s = playback.heard(playback.ends_at) / 1e9
        turn.gaps = [(b - a) / 1e9 for a, b in playback.gaps if a < playback.ends_at]
        turn.own_delay_s = self.own_delay / 1e9
        self._add_up(limits)
        turn.transcript = " ".join(filter(None, self.texts))
        turn.tools = list(self.calls.values())
        turn.segments = self._segments()
        self._flag(outcome)
        turn.outcome = outcome
        return turn

    def _add_up(self, limits: Limits) -> None:
        """Note how long an answer could have taken: the limits in force, those of tools too."""
        turn, end, rounds = self.turn, self.speech_end, len(self.rounds)
        turn.limits_s = limits.unanswered(vad=self.vad and turn.kind is Kind.SPEECH, rounds=rounds)
        if end is None:
            return
        if self.rounds and self.playback.received:
            heard = self.playback.ends_at - end
            turn.limits_s = limits.unanswered_after(self.rounds[-1].call - end, heard=heard)
        if self.detected is not None:
            turn.answer_limits_s = limits.unanswered_since(
                self.detected, speech_end=end, rounds=rounds
            )

    def _forget_unheard(self) -> None:
        """Take back a first sound that was to play when playback had been stopped."""
        audible, stopped = self.turn.marks.get("first_audible"), self.playback.stopped_at
        if audible is not None and stopped is not None and stopped < audible:
            self.turn.marks["first_audible"] = None
            self.turn.uncertainty.pop("first_audible", None)

    def flag(self, flag: Flag) -> None:
        """Note something remarkable, once."""
        if flag not in self.turn.flags:
            self.turn.flags.append(flag)

    def _flag(self, outcome: Outcome) -> None:
        marks = self.turn.marks
        unheard = marks.get("first_audio") is None
        if unheard and outcome in (Outcome.CUT, Outcome.CANCELLED):
            self.flag(Flag.CENSORED)
        if unheard and self.premature and self.answer is None:
            self.flag(Flag.CENSORED)
        text = self.turn.audio and marks.get("first_text") is not None
        if unheard and text and outcome is Outcome.COMPLETED:
            self.flag(Flag.TEXT_ONLY)

    def _segments(self) -> dict[str, float]:
        """The waterfall: a chain without a gap, from the end of speech to the first sound."""
        marks = self.turn.marks
        origin, end = self.speech_end, marks.get("first_audible")
        first_audio = marks.get("first_audio")
        if origin is None or end is None or first_audio is None:
            return {}
        if self.turn.kind is Kind.UNSOLICITED:
            return {}  # nobody waited for it
        chain: list[tuple[str, int | None]] = [
            ("detect", self.detected),
            ("create", marks.get("created")),
        ]
        for trip in self.rounds:
            if trip.call <= first_audio:
                chain += [("call", trip.call), ("tool", trip.answered), ("create", trip.created)]
        chain += [("generate", first_audio), ("audible", end)]
        segments: dict[str, float] = {}
        before = origin
        for name, at in chain:
            if at is not None:
                boundary = min(max(at, before), end)
                segments[name] = segments.get(name, 0.0) + (boundary - before) / 1e9
                before = boundary
        return segments


def _over() -> OpenTurn:
    over = OpenTurn(Turn(), Playback(0), vad=False)
    over.closed = True
    return over


OVER = _over()
"""Stands for a turn that has closed where only that matters, so that nobody keeps the turn."""
