"""
A caller's line: dials, lives on from one milestone to the next, hangs up, hands on its records.

Its greenlet sleeps until a milestone of its turns, a limit, or its next own action is due; frames
are sent by the pacer, events are folded in the hub.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from time import monotonic_ns
from types import TracebackType
from typing import Any, Self

import gevent
import msgspec

from harness.connection import Connection, NotConnected, SessionFailed
from harness.corpus import noise_frames, silence_frame
from harness.cost import Prices, cost_usd, load_prices, merge_usage
from harness.ending import session_ending, turn_ending
from harness.health import census
from harness.hub import EXACT_NS, hub_watch
from harness.limits import Limits
from harness.metrics import measure
from harness.options import Workload
from harness.pacer import Microphone, pacer
from harness.realtime.dialects import Endpoint
from harness.realtime.events import CancelResponse, ClientEvent, CreateItem, CreateResponse
from harness.records import Flag, Identity, Kind, Outcome, Session, SessionOutcome, Turn
from harness.toolbox import Toolbox
from harness.turn import TurnRecorder

__all__ = ["CallEnded", "Line"]

NS = 1_000_000_000
A_WHILE = 60 * NS  # nothing is due: look again then


class CallEnded(Exception):
    """The session is gone, or the caller is to stop; every turn that began has been recorded."""


class Line:
    """A session with its turns, tools and microphone; ``Call`` says what goes over it."""

    def __init__(
        self,
        endpoint: Endpoint,
        workload: Workload,
        *,
        identity: Identity,
        rng: random.Random,
        on_turn: Callable[[Turn], None],
        on_session: Callable[[Session], None],
        stopping: Callable[[], bool] = lambda: False,
        tools: Sequence[Any] = (),
        instructions: str | None = None,
    ) -> None:
        self.workload = workload
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
        self.connection = Connection(
            endpoint,
            workload,
            tools=self._toolbox.schemas,
            instructions=instructions,
            listener=self.recorder.receive,
        )
        self._microphone: Microphone | None = None
        self._started_at = 0
        self._event_ids = 0
        self._asks: dict[str, Any] | None = None  # what the next response.create asks for
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
            self.connection.connect()
        except SessionFailed as failure:
            self._over = True
            self._end_session(failure.outcome, failure.code, failure)
            raise CallEnded(str(failure)) from None
        except gevent.GreenletExit:
            self.connection.abort()
            self._end_session(SessionOutcome.ENDED, None)
            raise
        try:
            self._connected()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _connected(self) -> None:
        session, workload = self.connection.session, self.workload
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
        self._microphone = Microphone(self.connection.write, frame_ns, pacer().wrote, idle)
        if idle:
            self._microphone.due = monotonic_ns() + frame_ns
            pacer().add(self._microphone, self._microphone.due)

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
        if self.connection.closed is None:
            self._hung_up = True
            self.connection.disconnect()

    def _finish(self, *, cut: bool) -> None:
        """Record what is left; must not switch greenlets: the run may be over."""
        self._mute()
        if cut and self.connection.closed is None:
            self._hung_up = True
            self.connection.abort()
        self.recorder.end(Outcome.CUT, None, monotonic_ns())
        self._hand_over()
        closed = self.connection.closed
        if closed is None:
            self._end_session(SessionOutcome.ENDED, None)
        else:
            self._end_session(*session_ending(closed, hung_up=self._hung_up))

    def _mute(self) -> None:
        if self._microphone is not None:
            self._microphone.closed = True

    # Asking.

    def _request(self, turn: Turn) -> None:
        """Ask for an answer; one at a time, so perhaps later."""
        if self.connection.session.active:
            self._deferred = turn
            return
        self._deferred = None
        event_id = self._event_id()
        at = self._send(self._question(event_id))
        if at is not None:
            if turn.kind is not Kind.SPEECH and turn.written_at is None:
                turn.written_at = at
            self.recorder.requested(turn, at, event_id)

    def _question(self, event_id: str) -> CreateResponse:
        response, self._asks = self._asks, None
        return CreateResponse(event_id=event_id, response=response)

    def _event_id(self) -> str:
        self._event_ids += 1
        return f"harness_{self._event_ids}"

    def _send(self, event: ClientEvent) -> int | None:
        """Send; ``None`` if the session is gone, which shows at the next step."""
        try:
            return self.connection.send(event)
        except NotConnected:
            return None

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

    def _begin(self, kind: Kind, said: str, due: int) -> Turn:
        turn = self.recorder.begin(kind, due=due, at=None, said=said)
        turn.session_age_s = (due - (self.connection.upgraded_at or due)) / NS
        turn.worker_concurrency = len(census().transports)
        return turn

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
            self.connection.wait(min((at for at in due if at), default=now + A_WHILE))

    def _step(self, now: int) -> None:
        """Do what is due, close what is over, hand on what is finished."""
        if self._over:
            return
        recorder, closed = self.recorder, self.connection.closed
        if closed is not None:
            recorder.end(*turn_ending(closed, self.connection.last_error), now)
            self._over = True
        given_up = recorder.advance(now)
        if given_up and self.connection.session.active:
            self._send(CancelResponse())
        self._answer_tools()
        if self._deferred is not None and not self.connection.session.active:
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
        transcriber = self.workload.transcription
        turn.cost_usd = cost_usd(turn.model, turn.usage, _prices(), transcription_model=transcriber)
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
        connection, recorder, who = self.connection, self.recorder, self.recorder.identity
        record = Session(
            **{name: getattr(who, name) for name in who.__struct_fields__},
            event=event,
            at=monotonic_ns(),
            started_at=self._started_at,
        )
        if event == "start":
            return record
        record.steps = connection.steps
        record.deviations = dict(connection.session.deviations)
        record.errors = connection.errors
        record.turns, record.responses = recorder.turns, recorder.responses
        record.audio_received_s = recorder.audio_received_ns / NS
        record.stale_audio_s = recorder.stale_ns / NS
        record.usage, record.cost_usd = self._usage, self._cost_usd
        if connection.closed is not None:
            record.close_code = connection.closed.code
            record.message = connection.closed.error or connection.closed.reason
        if connection.transport is not None:
            transport = connection.transport
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
