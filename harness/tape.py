"""
A turn's tape: every timed fact of it, in order, so that it can be folded again.

What the endpoint sent stands there as it was received; what we did stands there by name.
"""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

import msgspec

from harness.audio import AudioFormat
from harness.limits import Limits
from harness.metrics import measure
from harness.open_turn import OpenTurn
from harness.realtime.client_events import TruncateItem
from harness.realtime.events import (
    BufferCommitted,
    Error,
    Malformed,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    SpeechStopped,
    Unknown,
)
from harness.realtime.objects import Response
from harness.records import Flag, Identity, Kind, Outcome, Phase, Turn
from harness.turn import TurnRecorder

__all__ = ["Deed", "Fact", "Tape", "TapedRecorder", "replay"]

Verb = Literal["spoken", "committed", "requested", "tool_answered"]
VerbOfAll = Literal["talk_over", "cancelled", "resume"]  # about no turn in particular


class Deed(msgspec.Struct, frozen=True):
    """Something we did: the verb of ``TurnRecorder`` that was told of it, and with what."""

    verb: Verb | VerbOfAll
    details: dict[str, Any] = {}


class Fact(msgspec.Struct, frozen=True):
    """What happened ``at`` an instant, in ns, or at most ``uncertainty`` ns before."""

    at: int
    event: Deed | ServerEvent | Unknown | Malformed
    uncertainty: int = 0
    turn: Turn | None = None  # whose it is; None: of all that are open


class Tape(msgspec.Struct, kw_only=True):
    """One turn as it was recorded, and all facts from its first to the one that closed it."""

    turn: Turn
    format: AudioFormat  # of the audio received
    limits: Limits
    vad: bool
    hear_out: bool
    buffer_ns: int
    tool_rounds: int
    commit_at: int | None  # the newest commit before it began
    closed_at: int
    facts: list[Fact]

    @property
    def name(self) -> str:
        """Of its file, unique in a run."""
        turn = self.turn
        return self.file_of(turn.worker, turn.caller, turn.call, turn.turn)

    @staticmethod
    def file_of(worker: str, caller: int, call: int, turn: int) -> str:
        """The file name of the tape of one turn."""
        word = re.sub(r"[^\w.-]", "_", worker)
        return f"{word}-{caller}-{call}-{turn}.jsonl"


class TapedRecorder(TurnRecorder):
    """
    A recorder that keeps what it is told until the turns that it concerns have closed.

    Attributes:
        tapes: Of the turns in ``finished``, in the same order.

    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.tapes: list[Tape] = []
        self._facts: list[Fact] = []
        self._starts: dict[int, tuple[int, int | None]] = {}  # of open turns, by identity

    def begin(self, kind: Kind, *, due: int, at: int | None, said: str = "") -> Turn:
        """As ever; its tape begins here, or with the response that nobody asked for."""
        turn = super().begin(kind, due=due, at=at, said=said)
        first = len(self._facts) - (kind is Kind.UNSOLICITED)
        self._starts[id(turn)] = first, self._commit_at
        return turn

    def receive(self, event: object, at: int, uncertainty: int = 0) -> bool:
        """As ever; an event that names no response stands on tape with the one it was taken for."""
        place = len(self._facts)
        self._facts.append(Fact(at, Unknown("")))
        milestone = super().receive(event, at, uncertainty)
        turn, named = self._owner(event)
        self._facts[place] = Fact(at, named, uncertainty, turn)
        if not self._open:
            self._facts.clear()
        return milestone

    def _owner(self, event: Any) -> tuple[Turn | None, Any]:
        """Whose an event is: that of its response, else of the newest turn."""
        if isinstance(event, ResponseCreated | ResponseDone):
            response_id = event.response.id if event.response else None
        elif hasattr(event, "response_id"):
            response_id = event.response_id
        elif isinstance(event, Error) and event.error is not None and event.error.event_id:
            return None, event  # about what any of them asked for
        else:
            item = getattr(event, "item", None)  # of a call that the endpoint runs itself, perhaps
            item_id = getattr(event, "item_id", item and item.id)
            calling = (o.turn for o in self._open if o.served.speaks_of(item_id))
            return next(calling, self._open[-1].turn if self._open else None), event
        track = self._tracks.get(response_id) or self._newest
        if track is not None and response_id is None:
            event = _naming(event, track.id)
        return (track.open.turn if track else None), event

    def spoken(self, turn: Turn, at: int, audio_s: float) -> None:
        """As ever."""
        self._note(at, "spoken", turn, audio_s=audio_s)
        super().spoken(turn, at, audio_s)

    def committed(self, turn: Turn, at: int, event_id: str | None = None) -> None:
        """As ever."""
        self._note(at, "committed", turn, event_id=event_id)
        super().committed(turn, at, event_id)

    def requested(self, turn: Turn, at: int, event_id: str | None = None) -> None:
        """As ever."""
        self._note(at, "requested", turn, event_id=event_id)
        super().requested(turn, at, event_id)

    def tool_answered(
        self, turn: Turn, call_id: str, at: int, outcome: str, *, valid: bool
    ) -> None:
        """As ever."""
        self._note(at, "tool_answered", turn, call_id=call_id, outcome=outcome, valid=valid)
        super().tool_answered(turn, call_id, at, outcome, valid=valid)

    def talk_over(self, at: int) -> list[TruncateItem]:
        """As ever."""
        self._note(at, "talk_over")
        return super().talk_over(at)

    def cancelled(self, at: int) -> None:
        """As ever."""
        self._note(at, "cancelled")
        super().cancelled(at)

    def _note(
        self, at: int, verb: Verb | VerbOfAll, turn: Turn | None = None, **details: Any
    ) -> None:
        if self._open:
            self._facts.append(Fact(at, Deed(verb, details), 0, turn))

    def _close(
        self,
        o: OpenTurn,
        outcome: Outcome,
        code: str | None,
        phase: Phase | None = None,
        *,
        now: int,
    ) -> None:
        super()._close(o, outcome, code, phase, now=now)
        turn = o.turn
        start, commit_at = self._starts.pop(id(turn))
        seen = (_seen_by(turn, fact, vad=self.vad) for fact in self._facts[start:])
        self.tapes.append(
            Tape(
                turn=turn,
                format=self.format,
                limits=self.limits,
                vad=o.vad,
                hear_out=self.hear_out,
                buffer_ns=self.buffer,
                tool_rounds=self.tool_rounds,
                commit_at=commit_at,
                closed_at=now,
                facts=[fact for fact in seen if fact is not None],
            )
        )
        self._forget()

    def _forget(self) -> None:
        """Drop the facts before all turns that are still open."""
        first = min((start for start, _ in self._starts.values()), default=len(self._facts))
        del self._facts[:first]
        self._starts = {
            turn: (start - first, commit) for turn, (start, commit) in self._starts.items()
        }

    def resume(self, at: int | None, *, idle: bool = False) -> None:
        """
        Take it that the newest commit, of another turn, was written or received ``at``.

        ``idle``: the endpoint has waited for the caller in vain, too.

        """
        self._commit_at, self._idle = at, idle


def _seen_by(turn: Turn, fact: Fact, *, vad: bool) -> Fact | None:
    """What a fact is to a turn: itself, nothing, or that something else was committed."""
    if fact.turn is None or fact.turn is turn:
        return fact
    event = fact.event
    committed = isinstance(event, Deed) and event.verb == "committed"
    if committed or (vad and isinstance(event, SpeechStopped | BufferCommitted)):
        return Fact(fact.at, Deed("resume"))
    return None


def _naming(event: Any, response_id: str) -> Any:
    """An event that names its response."""
    if not isinstance(event, ResponseCreated | ResponseDone):
        return msgspec.structs.replace(event, response_id=response_id)
    response = msgspec.structs.replace(event.response or Response(), id=response_id)
    return msgspec.structs.replace(event, response=response)


def replay(tape: Tape, *, buffer_ns: int | None = None) -> Turn:
    """
    Fold a tape again.

    Args:
        tape: Of one turn.
        buffer_ns: Of another listener's jitter buffer. When the caller went on, talked over it or
            lost patience stays as it was.

    """
    was = tape.turn
    recorder = TapedRecorder(
        identity=Identity(**{name: getattr(was, name) for name in Identity.__struct_fields__}),
        limits=tape.limits,
        buffer=tape.buffer_ns if buffer_ns is None else buffer_ns,
        format=tape.format,
        vad=tape.vad,
        hear_out=tape.hear_out,
        tool_rounds=tape.tool_rounds,
    )
    recorder.turns, recorder.audio = was.turn, was.audio
    unsolicited = was.kind is Kind.UNSOLICITED
    recorder.resume(tape.commit_at, idle=unsolicited and Flag.IDLE_TIMEOUT in was.flags)
    if not unsolicited:  # that begins by itself
        recorder.begin(was.kind, due=was.due_at, at=was.written_at, said=was.said)
    for fact in tape.facts:
        if isinstance(fact.event, Deed):
            about = () if fact.event.verb in get_args(VerbOfAll) else recorder.open_turns[:1]
            getattr(recorder, fact.event.verb)(*about, at=fact.at, **fact.event.details)
        else:
            recorder.receive(fact.event, fact.at, fact.uncertainty)
    assert was.outcome is not None
    recorder.end(was.outcome, was.code, tape.closed_at)
    return _as_recorded(recorder.finished[0], was)


def _as_recorded(turn: Turn, was: Turn) -> Turn:
    """With what is no matter of the fold."""
    for name in ("phase", "message", "session_age_s", "worker_concurrency", "cost_usd"):
        setattr(turn, name, getattr(was, name))
    listed = {call.call_id for call in was.tools if call.listed}
    for call in turn.tools:
        call.listed = call.call_id in listed
    measure(turn)
    if Flag.SUSPECT in was.flags:
        turn.flags.append(Flag.SUSPECT)
    return turn
