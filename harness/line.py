"""
A caller's line: dials, lives on from one milestone to the next, renews its session, hangs up.

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
from harness.asking import Asking
from harness.audio import AudioFormat
from harness.connection import Connection, SessionFailed
from harness.ending import session_ending, turn_ending
from harness.handover import Handover, OnLimits, OnTape
from harness.health import census
from harness.logbook import Logbook
from harness.money.purse import Purse, Spending
from harness.pacer import Microphone, on_beat, pacer
from harness.realtime.client_events import CancelResponse
from harness.realtime.endpoint import Endpoint
from harness.records import Identity, Kind, Outcome, Phase, Session, SessionOutcome, Turn
from harness.tape import TapedRecorder
from harness.toolbox import Toolbox
from harness.turn import TurnRecorder
from harness.workload import Workload

__all__ = ["CallEnded", "Line"]

A_WHILE_NS = 60_000_000_000  # nothing is due: look again then
SOON_NS = 250_000_000  # who waits for money looks whether the run is over


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
        on_limits: OnLimits | None = None,
    ) -> None:
        self.workload = workload
        self._seed = rng.getrandbits(64)
        self._stopping = stopping
        self._toolbox = Toolbox(tools, workload, self._seed)
        self.recorder = (TurnRecorder if on_tape is None else TapedRecorder)(
            identity=identity,
            limits=workload.limits,
            buffer=int(workload.jitter_buffer * 1e9),
            format=workload.audio_format,
            vad=workload.turn_detection != "none",
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
        self._asking = Asking(self.connection, self.recorder, self._toolbox)
        self._handover = Handover(
            self.connection,
            self.recorder,
            self._logbook,
            self._spending,
            on_turn=on_turn,
            on_tape=on_tape,
            on_limits=on_limits,
        )
        self._first_turn = 0  # of this session
        self._microphone: Microphone | None = None
        self._hung_up = False
        self._over = False

    # From dialling to hanging up.

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
        self._identify()
        self._logbook.start()
        try:
            self.connection.connect()
        except SessionFailed as failure:
            self._over = True
            self._identify(self.connection.session.session_id)
            self._logbook.end(
                failure.outcome, failure.code, phase=failure.phase, message=str(failure)
            )
            raise CallEnded(str(failure)) from None
        except BaseException:
            self._logbook.end(SessionOutcome.ENDED, None)
            raise
        self._open_microphone()

    def _identify(self, session_id: str | None = None) -> None:
        """Name the session that records are of; ``None``: it has no name yet."""
        recorder = self.recorder
        recorder.identity = msgspec.structs.replace(recorder.identity, session=session_id or "")

    @abstractmethod
    def _connected(self) -> None:
        """Do what the call begins with."""

    @abstractmethod
    def _idle_frames(self, format: AudioFormat) -> tuple[bytes, ...]:
        """What an open microphone sends while nobody speaks."""

    def _open_microphone(self) -> None:
        session, workload = self.connection.session, self.workload
        recorder = self.recorder
        self._identify(session.session_id)
        recorder.format, recorder.audio = session.output_format, session.audio
        # Whatever was asked for: an endpoint that detects turns has to hear the caller's silence.
        recorder.vad = session.turn_detection != "none"
        idle = self._idle_frames(session.input_format) if recorder.vad else ()
        frame_ns = workload.frame_ms * 1_000_000
        self._microphone = Microphone(
            *(self.connection.write, frame_ns, pacer().wrote, idle), failed=self.connection.fail
        )
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
        self._asking.forget()
        self.recorder.start_over()
        self._dial()

    def _mute(self) -> None:
        if self._microphone is not None:
            self._microphone.closed = True

    # Between turns.

    def _boundary(self) -> None:
        """Between turns: the session may be gone, the caller may be to stop, the money spent."""
        can_pay = self._can_pay()
        if self._to_be_renewed and not self._stopping():
            self._renew()
            can_pay = self._can_pay()  # what was set aside went with the session before
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
            lambda: monotonic_ns() + SOON_NS,
        )
        return bool(ticket.granted)

    def _returned(self, turn: Turn) -> Turn:
        if self._over and not self._to_be_renewed:
            raise CallEnded("the session is gone")
        return turn

    def _begin(self, kind: Kind, said: str, due: int) -> Turn:
        turn = self.recorder.begin(kind, due=due, at=None, said=said)
        turn.session_age_s = (due - (self.connection.upgraded_at or due)) / 1e9
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
            self.connection.wait(min((at for at in due if at), default=now + A_WHILE_NS))

    def _step(self, now: int) -> None:
        """Do what is due, close what is over, hand on what is finished."""
        if self._over:
            return
        recorder, closed = self.recorder, self.connection.closed
        if closed is not None:
            recorder.end(*turn_ending(closed, self.connection.parting_error), now)
            self._over = True
        self._asking.step()  # before turns close: one that goes on is not over
        given_up = recorder.advance(now)
        if given_up and self.connection.session.active:
            self._asking.send(CancelResponse())
        self._hand_over()
        if Outcome.ABANDONED in given_up:
            self._hang_up()
            self._over = True

    def _hand_over(self) -> None:
        """Give the turns that have closed to the sinks."""
        self._handover.hand_over(late_at=self._microphone.late_at if self._microphone else 0)
