"""What becomes of a line's turns when they have closed: measured, judged, priced, handed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.connection import Connection
from harness.health import census
from harness.hub import EXACT_NS, hub_watch
from harness.logbook import Logbook
from harness.metrics import measure
from harness.money.purse import Spending
from harness.realtime.objects import RateLimit
from harness.records import Flag, Turn
from harness.tape import Tape, TapedRecorder
from harness.turn import TurnRecorder

__all__ = ["Handover", "OnLimits", "OnTape"]

OnTape = Callable[[Tape, Callable[[str], str]], None]
"""Takes a tape, and what takes secrets out of its text."""

OnLimits = Callable[[Sequence[RateLimit], int], None]
"""Takes what ``rate_limits.updated`` said, and its receive instant (ns)."""


class Handover:
    """
    Hands on what a recorder has finished, from the caller's greenlet.

    Args:
        connection: Whose turns they are.
        recorder: That folds them.
        logbook: Of the sessions; says what a turn cost.
        spending: Of the call.
        on_turn: Given each finished turn, measured.
        on_tape: Given the tape of each after it, if the recorder keeps tapes.
        on_limits: Given what the endpoint said last of its rate limits.

    """

    def __init__(
        self,
        connection: Connection,
        recorder: TurnRecorder,
        logbook: Logbook,
        spending: Spending,
        *,
        on_turn: Callable[[Turn], None],
        on_tape: OnTape | None,
        on_limits: OnLimits | None,
    ) -> None:
        self._connection = connection
        self._recorder = recorder
        self._logbook = logbook
        self._spending = spending
        self._on_turn = on_turn
        self._on_tape = on_tape
        self._on_limits = on_limits

    def hand_over(self, *, late_at: int) -> None:
        """
        Hand on all that has finished since.

        Args:
            late_at: When a frame of the caller's was last written 20 ms or more too late, ns.

        """
        finished, self._recorder.finished = self._recorder.finished, []
        for turn in finished:
            self._complete(turn, late_at)
            self._logbook.add(turn)
            self._spending.ended(turn)
            self._on_turn(turn)
        if self._on_limits is not None and self._recorder.rate_limits is not None:
            self._on_limits(*self._recorder.rate_limits)
            self._recorder.rate_limits = None
        if self._on_tape is not None:
            self._hand_over_tapes(self._on_tape)

    def _complete(self, turn: Turn, late_at: int) -> None:
        """Fill what the fold does not know of a turn."""
        measure(turn)
        for call in turn.tools:
            call.listed = self._connection.session.imports.lists(call.server, call.name)
        if Flag.SECOND_ANSWER in turn.flags:
            self._connection.session.deviate("second_answer", "response.created")
        if _suspect(turn, late_at):
            turn.flags.append(Flag.SUSPECT)
            census().suspect_turns += 1
        census().turns += 1
        turn.message = self._connection.one_line(turn.message)

    def _hand_over_tapes(self, on_tape: OnTape) -> None:
        assert isinstance(self._recorder, TapedRecorder)
        tapes, self._recorder.tapes = self._recorder.tapes, []
        for tape in tapes:
            on_tape(tape, self._connection.endpoint.redact)


def _suspect(turn: Turn, late_at: int) -> bool:
    """Whether the generator itself was late while the turn ran."""
    if any(ns > EXACT_NS for ns in turn.uncertainty.values()):
        return True
    return late_at >= turn.due_at or hub_watch().stalled_since(turn.due_at)
