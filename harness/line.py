"""
A caller's line: dials, lives on from one milestone to the next, hangs up, hands on its records.

Its greenlet sleeps until a milestone of its turns, a limit, or its next own action is due; frames
are sent by the pacer, events are folded in the hub.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from time import monotonic_ns
from types import TracebackType
from typing import Any, Self

import gevent
import msgspec

from harness.arrivals import Intended
from harness.audio import AudioFormat
from harness.connection import Connection, NotConnected, SessionFailed
from harness.ending import session_ending, turn_ending
from harness.health import census
from harness.hub import EXACT_NS, hub_watch
from harness.logbook import Logbook
from harness.metrics import measure
from harness.money.purse import Purse, Spending
from harness.pacer import Microphone, on_beat, pacer
from harness.realtime.client_events import (
    CancelResponse,
    ClientEvent,
    CreateItem,
    CreateResponse,
    approval,
)
from harness.realtime.endpoint import Endpoint
from harness.realtime.objects import RateLimit
from harness.records import Flag, Identity, Kind, Outcome, Phase, Session, SessionOutcome, Turn
from harness.tape import Tape, TapedRecorder
from harness.toolbox import DueAnswer, Toolbox
from harness.turn import TurnRecorder
from harness.workload import Workload

__all__ = ["CallEnded", "Line"]

NS = 1_000_000_000
A_WHILE = 60 * NS  # nothing is due: look again then
SOON = NS // 4  # who waits for money looks whether the run is over

OnTape = Callable[[Tape, Callable[[str], str]], None]
"""Takes a tape, and what takes secrets out of its text."""


class CallEnded(Exception):
    """The session is gone, or the caller is to stop; every turn that began has been recorded."""


class Line(ABC):
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
        on_tape: OnTape | None = None,
        purse: Purse | None = None,
        intended: Intended | None = None,
        on_limits: Callable[[Sequence[RateLimit], int], None] | None = None,
    ) -> None:
        self.workload = workload
        self._seed = rng.getrandbits(64)
        self._on_turn = on_turn
        self._on_tape = on_tape
        self._on_limits = on_limits
        self._stopping = stopping
        self._vad = workload.turn_detection != "none"
        self._toolbox = Toolbox(tools, workload, self._seed)
        self.recorder = (TurnRecorder if on_tape is None else TapedRecorder)(
            identity=identity,
            limits=workload.limits,
            buffer=int(workload.jitter_buffer * NS),
            format=workload.audio_format,
            vad=self._vad,
            hear_out=workload.listen == "playback",
            tool_rounds=workload.tool_rounds,
        )
        self.connection = Connection(
            endpoint,
            workload,
            tools=self._toolbox.schemas,
            instructions=instructions,
            listener=self.recorder.receive,
        )
        self._logbook = Logbook(self.connection, self.recorder, on_session, workload, intended)
        self._spending = Spending(purse, self.connection.notify)
        self._first_turn = 0  # of this session
        self._microphone: Microphone | None = None
        self._event_ids = 0
        self._tool_turn: Turn | None = None  # what first answers it is asked to call a tool
        self._deferred: Turn | None = None  # its response.create waits for the answer before
        self._heard_out = False  # the last thing said was heard to its end
        self._hung_up = False
        self._over = False

    # The line.

    def __enter__(self) -> Self:
        self._dial()
        try:
            self._connected()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _dial(self) -> None:
        self._first_turn = self.recorder.turns
        self._logbook.start()
        try:
            self.connection.connect()
        except SessionFailed as failure:
            self._over = True
            self._logbook.end(
                failure.outcome, failure.code, phase=failure.phase, message=str(failure)
            )
            raise CallEnded(str(failure)) from None
        except BaseException:
            self._logbook.end(SessionOutcome.ENDED, None)
            raise
        self._open_microphone()

    @abstractmethod
    def _connected(self) -> None:
        """Do what the call begins with."""

    @abstractmethod
    def _idle_frames(self, format: AudioFormat) -> tuple[bytes, ...]:
        """What an open microphone sends while nobody speaks."""

    def _open_microphone(self) -> None:
        session, workload = self.connection.session, self.workload
        recorder = self.recorder
        recorder.identity = msgspec.structs.replace(
            recorder.identity, session=session.session_id or ""
        )
        recorder.format, recorder.audio = session.output_format, session.audio
        # Whatever was asked for: an endpoint that detects turns has to hear the caller's silence.
        recorder.vad = self._vad = session.turn_detection != "none"
        idle: tuple[bytes, ...] = ()
        if self._vad:
            idle = self._idle_frames(session.input_format)
        frame_ns = workload.frame_ms * 1_000_000
        self._microphone = Microphone(self.connection.write, frame_ns, pacer().wrote, idle)
        if idle:
            self._microphone.due = on_beat(monotonic_ns()) + frame_ns
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
        self._close_session()

    def _close_session(self) -> None:
        """Record the session that is over, and what is left of its turns."""
        self.recorder.end(Outcome.CUT, None, monotonic_ns())
        self._hand_over()
        self._spending.close(self._logbook.add_late())
        connection, closed = self.connection, self.connection.closed
        ending: tuple[SessionOutcome, str | None] = (SessionOutcome.ENDED, None)
        if connection.goodbye_late:
            ending = (SessionOutcome.TIMEOUT, None)
        elif closed is not None:
            # Whoever renews takes the cap for the end of a session, though nothing is left to say.
            ended = self._hung_up or self._to_be_renewed
            ending = session_ending(closed, connection.parting_error, hung_up=ended)
        phase = Phase.CLOSE if connection.goodbye_late else None
        self._logbook.end(*ending, phase=phase, microphone=self._microphone)

    @property
    def _to_be_renewed(self) -> bool:
        """Whether the session has reached its cap, and the call goes on over another."""
        error = self.connection.last_error
        return self.workload.renew and error is not None and error.session_over

    def _renew(self) -> None:
        """Hang up and dial again; the call goes on."""
        self._hang_up()
        self._close_session()
        self._hung_up = self._over = False
        self._deferred = None
        self._toolbox.forget()
        self.recorder.start_over()
        self._dial()

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
        at = self._send(self._question(turn, event_id))
        if at is not None:
            if turn.kind is not Kind.SPEECH and turn.written_at is None:
                turn.written_at = at
            self.recorder.requested(turn, at, event_id)

    def _question(self, turn: Turn, event_id: str) -> CreateResponse:
        if turn is not self._tool_turn:
            return CreateResponse(event_id=event_id)
        self._tool_turn = None
        return CreateResponse(event_id=event_id, response={"tool_choice": "required"})

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
        """Between turns: the session may be gone, the caller may be to stop, the money spent."""
        can_pay = self._can_pay()
        self._step(monotonic_ns())
        if self._to_be_renewed and not self._stopping():
            self._renew()
        if self._over:
            raise CallEnded("the session is gone")
        if self._stopping():
            raise CallEnded("the caller is to stop")
        if not can_pay:
            raise CallEnded("the budget is spent")

    def _can_pay(self) -> bool:
        """Reserve what the next turn is expected to cost; whether it was granted."""
        ticket = self._spending.ask(self.recorder.turns - self._first_turn)
        self._until(
            lambda now: ticket.granted is not None or self._stopping(),
            lambda: monotonic_ns() + SOON,
        )
        return bool(ticket.granted)

    def _returned(self, turn: Turn) -> Turn:
        if self._over and not self._to_be_renewed:
            raise CallEnded("the session is gone")
        return turn

    def _begin(self, kind: Kind, said: str, due: int) -> Turn:
        turn = self.recorder.begin(kind, due=due, at=None, said=said)
        turn.session_age_s = (due - (self.connection.upgraded_at or due)) / NS
        turn.worker_concurrency = len(census().transports)
        self._spending.begun(turn)
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
            recorder.end(*turn_ending(closed, self.connection.parting_error), now)
            self._over = True
        self._answer_tools()
        self._ask_detected()
        self._ask_deferred()  # before turns close: one that goes on is not over
        given_up = recorder.advance(now)
        if given_up and self.connection.session.active:
            self._send(CancelResponse())
        self._hand_over()
        if Outcome.ABANDONED in given_up:
            self._hang_up()
            self._over = True

    @property
    def _asks_itself(self) -> bool:
        """Whether answers have to be asked for: nobody else does."""
        return not self._vad or not self.connection.session.creates_responses

    def _ask_detected(self) -> None:
        """Ask for the answers that the endpoint was told not to give unasked."""
        if self._vad and self._asks_itself:
            for turn in self.recorder.unasked:
                self._request(turn)

    def _ask_deferred(self) -> None:
        turn = self._deferred
        if turn is None or self.recorder.waits_for_tools(turn):
            return
        if self.recorder.goes_on(turn):
            self._request(turn)
        else:
            self._deferred = None

    def _answer_tools(self) -> None:
        """Take the calls that are complete, write the outputs that are due, ask to go on."""
        recorder, toolbox = self.recorder, self._toolbox
        self._approve_calls()
        if recorder.requests:
            requests, recorder.requests = recorder.requests, []
            toolbox.take(requests)
        ready = toolbox.due(monotonic_ns())
        for due in ready:
            self._answer_tool(due)
        answered, recorder.served = [due.request.turn for due in ready] + recorder.served, []
        # Once each, when the last call of a turn is answered.
        for turn in {turn.turn: turn for turn in answered}.values():
            if not recorder.waits_for_tools(turn) and recorder.goes_on(turn):
                self._request(turn)

    def _approve_calls(self) -> None:
        """Allow the endpoint to call the tools of MCP servers: a load test has no human to ask."""
        requests, self.recorder.approvals = self.recorder.approvals, []
        for request_id in requests:
            self._send(approval(request_id, self._event_id()))

    def _answer_tool(self, due: DueAnswer) -> None:
        turn, call_id, answer = due.request.turn, due.request.call_id, due.answer
        item = {"type": "function_call_output", "call_id": call_id, "output": answer.output}
        at = self._send(CreateItem(item=item))
        if at is not None:
            self.recorder.tool_answered(turn, call_id, at, answer.outcome, valid=answer.valid)

    def _hand_over(self) -> None:
        """Fill the turns that have closed, and give them to the sinks."""
        finished, self.recorder.finished = self.recorder.finished, []
        for turn in finished:
            measure(turn)
            if Flag.SECOND_ANSWER in turn.flags:
                self.connection.session.deviate("second_answer", "response.created")
            if self._suspect(turn):
                turn.flags.append(Flag.SUSPECT)
                census().suspect_turns += 1
            census().turns += 1
            turn.message = self.connection.one_line(turn.message)
            self._logbook.add(turn)
            self._spending.ended(turn)
            self._on_turn(turn)
        if self._on_limits is not None and self.recorder.rate_limits is not None:
            self._on_limits(*self.recorder.rate_limits)
            self.recorder.rate_limits = None
        if self._on_tape is not None:
            self._hand_over_tapes(self._on_tape)

    def _hand_over_tapes(self, on_tape: OnTape) -> None:
        assert isinstance(self.recorder, TapedRecorder)
        tapes, self.recorder.tapes = self.recorder.tapes, []
        for tape in tapes:
            on_tape(tape, self.connection.endpoint.redact)

    def _suspect(self, turn: Turn) -> bool:
        """Whether the generator itself was late while the turn ran."""
        if any(ns > EXACT_NS for ns in turn.uncertainty.values()):
            return True
        late_at = self._microphone.late_at if self._microphone else 0
        return late_at >= turn.due_at or hub_watch().stalled_since(turn.due_at)
