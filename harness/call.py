"""
One caller's conversation: says things at speaking pace, listens, answers tools, hangs up.

The call's greenlet sleeps until a milestone of its turns, a limit, or its next own action is due;
frames are sent by the pacer, events are folded in the hub.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from time import monotonic_ns
from types import TracebackType
from typing import Any, Self

import gevent
import msgspec

from harness.adapter import NotConnected, RealtimeAdapter, SessionFailed
from harness.audio import AudioChunk
from harness.corpus import (
    Corpus,
    CorpusError,
    Speech,
    Utterance,
    noise_frames,
    silence_frame,
    utterance_from_chunk,
    utterance_from_file,
)
from harness.cost import Prices, cost_usd, load_prices, merge_usage
from harness.ending import session_ending, turn_ending
from harness.health import census
from harness.hub import EXACT_NS, hub_watch
from harness.limits import Limits
from harness.metrics import measure
from harness.options import Workload
from harness.pacer import Microphone, pacer
from harness.realtime.dialects import Endpoint
from harness.realtime.events import (
    CancelResponse,
    ClientEvent,
    Commit,
    CreateItem,
    CreateResponse,
)
from harness.records import Flag, Identity, Kind, Outcome, Session, SessionOutcome, Turn
from harness.speech import Speaker
from harness.toolbox import Toolbox
from harness.turn import TurnRecorder

__all__ = ["Call", "CallEnded", "What"]

NS = 1_000_000_000
A_WHILE = 60 * NS  # nothing is due: look again then

What = str | Path | AudioChunk | Utterance | None


class CallEnded(Exception):
    """The session is gone, or the caller is to stop; every turn that began has been recorded."""


class _Saying:
    """The saying of one utterance: told by the microphone, writes at once what must follow."""

    __slots__ = ("_call", "_speech", "_turn")

    def __init__(self, call: Call, turn: Turn, speech: Speech) -> None:
        self._call = call
        self._turn = turn
        self._speech = speech

    def started(self, at: int) -> None:
        self._turn.written_at = at

    def voiced(self, at: int) -> None:
        self._call._voiced(at)

    def spoken(self, speech_end: int, at: int) -> None:
        self._call._spoken(self._turn, self._speech, speech_end)


class Call:
    """
    A caller on the line, used as a context manager.

    Args:
        endpoint: Whom to call.
        workload: What callers do.
        corpus: What can be said.
        identity: Whose records these are.
        rng: The caller's randomness for this call.
        on_turn: Given each finished turn, from the call's greenlet.
        on_session: Given the session's record when it starts and when it ends.
        stopping: Whether the caller is to stop; looked at before each turn.
        tools: Functions of the locustfile that the endpoint may call.
        instructions: Instead of the workload's.

    """

    def __init__(
        self,
        endpoint: Endpoint,
        workload: Workload,
        *,
        corpus: Corpus,
        identity: Identity,
        rng: random.Random,
        on_turn: Callable[[Turn], None],
        on_session: Callable[[Session], None],
        stopping: Callable[[], bool] = lambda: False,
        tools: Sequence[Any] = (),
        instructions: str | None = None,
    ) -> None:
        self.workload = workload
        self._corpus = corpus
        self._seed = rng.getrandbits(64)
        self._on_turn = on_turn
        self._on_session = on_session
        self._stopping = stopping
        self._vad = workload.turn_detection != "none"
        self._toolbox = Toolbox(tools, workload, rng=random.Random(self._seed))
        self.recorder = TurnRecorder(
            identity=identity,
            limits=_limits(workload),
            buffer=int(workload.jitter_buffer * NS),
            format=workload.audio_format,
            vad=self._vad,
            hear_out=workload.listen == "playback",
        )
        self.adapter = RealtimeAdapter(
            endpoint,
            workload,
            tools=self._toolbox.schemas,
            instructions=instructions,
            listener=self.recorder.receive,
        )
        self._microphone: Microphone | None = None
        self._started_at = 0
        self._frames_due = 0
        self._event_ids = 0
        self._deferred: Turn | None = None  # its response.create waits for the answer before
        self._heard_out = False  # the last thing said was heard to its end
        self._hung_up = False
        self._over = False
        self._usage: dict[str, Any] | None = None
        self._cost_usd: float | None = None

    # The line.

    def __enter__(self) -> Self:
        self._started_at = monotonic_ns()
        self._on_session(self._record("start"))
        try:
            self.adapter.connect()
        except SessionFailed as failure:
            self._over = True
            self._end_session(failure.outcome, failure.code, failure)
            raise CallEnded(str(failure)) from None
        except gevent.GreenletExit:
            self.adapter.abort()
            self._end_session(SessionOutcome.ENDED, None)
            raise
        self._connected()
        return self

    def _connected(self) -> None:
        session, workload = self.adapter.session, self.workload
        recorder = self.recorder
        recorder.identity = msgspec.structs.replace(
            recorder.identity, session=session.session_id or ""
        )
        recorder.format = session.output_format
        idle: tuple[bytes, ...] = ()
        if self._vad:
            idle = (silence_frame(session.input_format, workload.frame_ms),)
            if workload.noise is not None:
                idle = noise_frames(workload.noise, session.input_format, workload.frame_ms)
        frame_ns = workload.frame_ms * 1_000_000
        self._microphone = Microphone(self.adapter.write, frame_ns, pacer().wrote, idle)
        if idle:
            self._microphone.due = monotonic_ns() + frame_ns
            pacer().add(self._microphone, self._microphone.due)
        if workload.speaks_first:
            self.greet()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cut = kind is not None and not issubclass(kind, CallEnded)
        try:
            if not cut:
                self._until(lambda now: not self.recorder.open_turns)
                self._hang_up()
        except gevent.GreenletExit:
            cut = True
            raise
        finally:
            self._finish(cut=cut)

    def _hang_up(self) -> None:
        """Close by handshake; what still comes is folded."""
        self._mute()
        if self.adapter.closed is None:
            self._hung_up = True
            self.adapter.disconnect()

    def _finish(self, *, cut: bool) -> None:
        """Record what is left; must not switch greenlets: the run may be over."""
        self._mute()
        if cut and self.adapter.closed is None:
            self._hung_up = True
            self.adapter.abort()
        self.recorder.end(Outcome.CUT, None, monotonic_ns())
        self._hand_over()
        closed = self.adapter.closed
        if closed is None:
            self._end_session(SessionOutcome.ENDED, None)
        else:
            self._end_session(*session_ending(closed, hung_up=self._hung_up))

    def _mute(self) -> None:
        if self._microphone is not None:
            self._microphone.closed = True

    # What a caller does.

    def say(self, what: What = None, *, listen: float | None = None) -> Turn:
        """
        Say ``what`` at speaking pace and hear the answer.

        Each frame has a due time fixed in advance, so that a late frame delays no later one. What
        is said while an answer plays talks over it.

        Args:
            what: Text of the corpus or to be spoken, an audio file, or audio; ``None`` is one of
                the corpus, chosen by the seed.
            listen: Seconds of the answer to hear, from its first audible sample, before
                returning; ``None`` hears all of it.

        Returns:
            The turn, whatever its outcome; its outcome is ``None`` while its answer still plays.

        Raises:
            CallEnded: If the session is gone or the caller is to stop. Turns that began have been
                recorded.

        """
        rng = random.Random(self._seed ^ self.recorder.turns)
        if self._heard_out:
            self.pause(self.workload.pause.sample(rng))
        self._boundary()
        if what is None and listen is None and rng.random() < self.workload.barge_in_rate:
            listen = rng.uniform(0.4, 1.5)
        speech = self._speech(what, rng)
        turn = self._speak(speech)
        self._heard_out = listen is None
        self._listen(turn, listen)
        return self._returned(turn)

    def greet(self) -> Turn:
        """Let the agent speak first, and hear it out."""
        self._boundary()
        turn = self._begin(Kind.GREETING, "", monotonic_ns())
        self._request(turn)
        self._listen(turn, None)
        self._heard_out = True
        return self._returned(turn)

    def send_text(self, text: str, *, listen: float | None = None) -> Turn:
        """Say something in writing; else as ``say``."""
        self._boundary()
        self._stop_answer()
        turn = self._begin(Kind.TEXT, text, monotonic_ns())
        content = [{"type": "input_text", "text": text}]
        self._send(CreateItem(item={"type": "message", "role": "user", "content": content}))
        self._request(turn)
        self._heard_out = listen is None
        self._listen(turn, listen)
        return self._returned(turn)

    def pause(self, seconds: float) -> None:
        """Stay on the line, saying nothing."""
        until = monotonic_ns() + int(seconds * NS)
        self._until(lambda now: now >= until, lambda: until)

    def _boundary(self) -> None:
        """Between turns: the session may be gone, the caller may be to stop."""
        self._step(monotonic_ns())
        if self._over:
            raise CallEnded("the session is gone")
        if self._stopping():
            raise CallEnded("the caller is to stop")

    def _returned(self, turn: Turn) -> Turn:
        if self._over:
            raise CallEnded("the session is gone")
        return turn

    def _listen(self, turn: Turn, listen: float | None) -> None:
        """Hear the answer out, or ``listen`` seconds of it."""
        if listen is None:
            self._until(lambda now: turn.outcome is not None)
            return
        audible, recorder = int(listen * NS), self.recorder
        self._until(
            lambda now: turn.outcome is not None or recorder.heard(turn, now) >= audible,
            lambda: recorder.hears_at(turn, audible),
        )

    # Speaking.

    def _speech(self, what: What, rng: random.Random) -> Speech:
        match what:
            case None:
                utterance = self._corpus.choose(rng)
            case Utterance():
                utterance = what
            case Path():
                utterance = utterance_from_file(what)
            case AudioChunk():
                utterance = utterance_from_chunk(what)
            case str():
                utterance = self._corpus.get(what) or _speaker().speak(what)
            case _:
                raise CorpusError(f"can't say {type(what).__name__}: give text, a path or audio")
        session = self.adapter.session
        return self._corpus.speech(utterance, session.input_format, self.workload.frame_ms)

    def _speak(self, speech: Speech) -> Turn:
        microphone = self._microphone
        assert microphone is not None
        if not self._vad:
            self._stop_answer()
        start = monotonic_ns()
        turn = self._begin(Kind.SPEECH, speech.name, start)
        microphone.speak(speech, start, _Saying(self, turn, speech))
        turn.due_at = microphone.due
        if not microphone.open:
            pacer().add(microphone, microphone.due)
        return turn

    def _begin(self, kind: Kind, said: str, due: int) -> Turn:
        turn = self.recorder.begin(kind, due=due, at=None, said=said)
        turn.session_age_s = (due - (self.adapter.upgraded_at or due)) / NS
        turn.worker_concurrency = len(census().transports)
        return turn

    def _stop_answer(self) -> None:
        """Talk over what plays, push to talk: cancel it."""
        at = monotonic_ns()
        if self.adapter.session.active and self.recorder.responding:
            at = self._send(CancelResponse()) or at
            self.recorder.cancelled(at)
        self._talk_over(at)

    def _talk_over(self, at: int) -> None:
        for cut in self.recorder.talk_over(at):
            self._send(cut)

    # Told by the microphone, in the pacer's greenlet: nothing here may switch.

    def _voiced(self, at: int) -> None:
        if self._vad:
            self._talk_over(at)

    def _spoken(self, turn: Turn, speech: Speech, speech_end: int) -> None:
        session = self.adapter.session
        self.recorder.spoken(turn, speech_end, speech.audio_s)
        if not self._vad:
            session.sending_audio(round(speech.audio_s * session.input_format.bytes_per_second))
            event_id = self._event_id()
            at = self._send(Commit(event_id=event_id))
            if at is not None:
                self.recorder.committed(turn, at, event_id)
            self._request(turn)
        self.adapter.notify()

    def _request(self, turn: Turn) -> None:
        """Ask for an answer; one at a time, so perhaps later."""
        if self.adapter.session.active:
            self._deferred = turn
            return
        self._deferred = None
        event_id = self._event_id()
        at = self._send(CreateResponse(event_id=event_id))
        if at is not None:
            if turn.kind is not Kind.SPEECH and turn.written_at is None:
                turn.written_at = at
            self.recorder.requested(turn, at, event_id)

    def _event_id(self) -> str:
        self._event_ids += 1
        return f"harness_{self._event_ids}"

    def _send(self, event: ClientEvent) -> int | None:
        """Send; ``None`` if the session is gone, which shows at the next step."""
        try:
            return self.adapter.send(event)
        except NotConnected:
            return None

    # Living on.

    def _until(
        self, ready: Callable[[int], bool], wake: Callable[[], int | None] = lambda: None
    ) -> None:
        """Live on until ``ready`` (looked at when ``wake`` says, too), or the session is gone."""
        while True:
            now = monotonic_ns()
            self._step(now)
            if self._over or ready(now):
                return
            limit = self.recorder.limit()
            due = (
                *(limit.at if limit else None, self.recorder.next_close()),
                *(self._toolbox.next_due, wake()),
            )
            self.adapter.wait(min((at for at in due if at), default=now + A_WHILE))

    def _step(self, now: int) -> None:
        """Do what is due, close what is over, hand on what is finished."""
        if self._over:
            return
        recorder, closed = self.recorder, self.adapter.closed
        if closed is not None:
            recorder.end(*turn_ending(closed, self.adapter.last_error), now)
            self._over = True
        given_up = recorder.advance(now)
        if given_up and self.adapter.session.active:
            self._send(CancelResponse())
        self._answer_tools()
        if self._deferred is not None and not self.adapter.session.active:
            self._request(self._deferred)
        self._hand_over()
        if Outcome.ABANDONED in given_up:
            self._hang_up()
            self._over = True

    def _answer_tools(self) -> None:
        """Take the calls that are complete, write the outputs that are due, ask to go on."""
        recorder, toolbox = self.recorder, self._toolbox
        if recorder.requests:
            requests, recorder.requests = recorder.requests, []
            toolbox.take(requests)
        for due in toolbox.due(monotonic_ns()):
            turn, call_id, answer = due.request.turn, due.request.call_id, due.answer
            item = {"type": "function_call_output", "call_id": call_id, "output": answer.output}
            at = self._send(CreateItem(item=item))
            if at is not None:
                recorder.tool_answered(turn, call_id, at, answer.outcome, valid=answer.valid)
            if not toolbox.waits_for(turn) and turn.outcome is None:
                self._request(turn)

    def _hand_over(self) -> None:
        """Fill the turns that have closed, and give them to the sinks."""
        finished, self.recorder.finished = self.recorder.finished, []
        for turn in finished:
            measure(turn)
            if self._suspect(turn):
                turn.flags.append(Flag.SUSPECT)
                census().suspect_turns += 1
            census().turns += 1
            self._count_cost(turn)
            self._on_turn(turn)

    def _count_cost(self, turn: Turn) -> None:
        if turn.usage is None:
            return
        turn.cost_usd = cost_usd(turn.model, turn.usage, _prices())
        self._usage = merge_usage(self._usage, turn.usage)
        if turn.cost_usd is not None:
            self._cost_usd = (self._cost_usd or 0.0) + turn.cost_usd

    def _suspect(self, turn: Turn) -> bool:
        """Whether the generator itself was late while the turn ran."""
        if any(ns > EXACT_NS for ns in turn.uncertainty.values()):
            return True
        late_at = self._microphone.late_at if self._microphone else 0
        return late_at >= turn.due_at or hub_watch().stalled_since(turn.due_at)

    # The session's record.

    def _end_session(
        self, outcome: SessionOutcome, code: str | None, failure: SessionFailed | None = None
    ) -> None:
        record = self._record("end")
        record.outcome, record.code = outcome, code
        if failure is not None:
            record.phase, record.message = failure.phase, str(failure)
        self._on_session(record)

    def _record(self, event: str) -> Session:
        adapter, recorder, who = self.adapter, self.recorder, self.recorder.identity
        record = Session(
            **{name: getattr(who, name) for name in who.__struct_fields__},
            event=event,
            at=monotonic_ns(),
            started_at=self._started_at,
        )
        if event == "start":
            return record
        record.steps = adapter.steps
        record.deviations = dict(adapter.session.deviations)
        record.errors = adapter.errors
        record.turns, record.responses = recorder.turns, recorder.responses
        record.audio_received_s = recorder.audio_received_ns / NS
        record.stale_audio_s = recorder.stale_ns / NS
        record.usage, record.cost_usd = self._usage, self._cost_usd
        if adapter.closed is not None:
            record.close_code = adapter.closed.code
            record.message = adapter.closed.error or adapter.closed.reason
        if adapter.transport is not None:
            transport = adapter.transport
            record.messages_sent = transport.messages_sent
            record.messages_received = transport.messages_received
            record.bytes_sent = transport.bytes_sent
            record.bytes_received = transport.bytes_received
        self._count_audio(record)
        return record

    def _count_audio(self, record: Session) -> None:
        microphone = self._microphone
        if microphone is None:
            return
        frame_s = self.workload.frame_ms / 1000
        record.audio_sent_s = microphone.frames_sent * frame_s
        overdue = max(0, record.at - microphone.due) / NS if microphone.sending else 0.0
        record.audio_due_s = record.audio_sent_s + overdue


@cache
def _speaker() -> Speaker:
    """The embedded voice, shared by the callers of this process."""
    return Speaker()


@cache
def _prices() -> Prices:
    return load_prices()


def _limits(workload: Workload) -> Limits:
    limits = workload.timeouts
    return Limits(
        detection=int(limits.detection * NS),
        first_audio=int(limits.first_audio * NS),
        stall=int(limits.stall * NS),
        response=int(limits.response * NS),
        tool=int(limits.tool * NS),
        patience=None if workload.patience is None else int(workload.patience * NS),
    )
