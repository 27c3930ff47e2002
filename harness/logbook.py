"""The records of a line's sessions: what each leaves behind when it starts and when it ends."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from time import monotonic_ns
from typing import Any

from harness.arrivals import Intended
from harness.connection import Connection
from harness.cost import cost_usd, load_prices, merge_usage
from harness.pacer import Microphone
from harness.records import Phase, Session, SessionOutcome, Turn
from harness.turn import TurnRecorder
from harness.workload import Workload

__all__ = ["Logbook"]

KEPT_DEVIATIONS = 64  # of one session, told apart
OTHER = "other"


class Logbook:
    """
    Writes the record of one session after the other.

    Args:
        connection: Whose sessions they are.
        recorder: Of their turns; its counts go on from session to session.
        on_session: Given each record.
        workload: Whose prices are these, and which model transcribes: it has a price of its own.
        intended: What a schedule wanted of the call; its first session is what it got.

    """

    def __init__(
        self,
        connection: Connection,
        recorder: TurnRecorder,
        on_session: Callable[[Session], None],
        workload: Workload,
        intended: Intended | None = None,
    ) -> None:
        self._connection = connection
        self._recorder = recorder
        self._on_session = on_session
        self._transcriber = workload.transcription
        self._prices = workload.prices or _shipped_prices()
        self._intended = intended
        self._open = False
        self._begin()

    def _begin(self) -> None:
        recorder = self._recorder
        self._started_at = monotonic_ns()
        self._usage: dict[str, Any] | None = None
        self._cost_usd: float | None = None
        self._struck: Counter[str] = Counter()  # codes of failed turns: counted with them
        self._turns, self._responses = recorder.turns, recorder.responses
        self._received, self._stale = recorder.audio_received_ns, recorder.stale_ns

    def start(self) -> None:
        """A session is dialled."""
        self._begin()
        self._open = True
        self._on_session(self._record("start"))

    def add(self, turn: Turn) -> None:
        """Add a finished turn to its session, and say what it cost."""
        if turn.failed and turn.code is not None:
            self._struck[turn.code] += 1
        turn.cost_usd = self._pay(turn.usage)

    def add_late(self) -> float:
        """Add what was told of usage after the turn had ended; return what it cost, USD."""
        usage, self._recorder.late_usage = self._recorder.late_usage, None
        return self._pay(usage) or 0.0

    def _pay(self, usage: dict[str, Any] | None) -> float | None:
        """Add a usage to the session's; return its cost, ``None`` if that is not known."""
        if usage is None:
            return None
        model, transcriber = self._recorder.identity.model, self._transcriber
        usd = cost_usd(model, usage, self._prices, transcription_model=transcriber)
        self._usage = merge_usage(self._usage, usage)
        if usd is not None:
            self._cost_usd = (self._cost_usd or 0.0) + usd
        return usd

    def end(
        self,
        outcome: SessionOutcome,
        code: str | None,
        *,
        phase: Phase | None = None,
        message: str = "",
        microphone: Microphone | None = None,
    ) -> None:
        """The session is over, or never came about; told again, it is not recorded again."""
        if not self._open:
            return
        self._open = False
        record = self._record("end")
        record.outcome, record.phase, record.code = outcome, phase, code
        self._tell_connection(record)
        self._tell_turns(record)
        record.message = message or record.message
        if microphone is not None:
            record.audio_sent_s = microphone.sent_s
            overdue = max(0, record.at - microphone.due) / 1e9 if microphone.sending else 0.0
            record.audio_due_s = record.audio_sent_s + overdue
        self._on_session(record)
        self._intended = None

    def _record(self, event: str) -> Session:
        who, wanted = self._recorder.identity, self._intended
        record = Session(
            **{name: getattr(who, name) for name in who.__struct_fields__},
            event=event,
            at=monotonic_ns(),
            started_at=self._started_at,
        )
        if wanted is not None:
            record.arrival, record.due_at = wanted.number, wanted.due_at
            record.blocked = wanted.blocked
        return record

    def _tell_connection(self, record: Session) -> None:
        connection, closed = self._connection, self._connection.closed
        record.steps = connection.steps
        record.deviations = dict(connection.session.deviations)
        record.scorecard = self._scorecard()
        if record.outcome is SessionOutcome.REFUSED and record.code is not None:
            self._struck[record.code] += 1
        imports = connection.session.imports
        record.imports = imports.outcomes
        record.errors = dict(Counter(connection.errors) - self._struck + Counter(imports.codes))
        if closed is not None:
            record.close_code = closed.code
            record.message = connection.one_line(closed.error or closed.reason)
        if (transport := connection.transport) is not None:
            record.messages_sent = transport.messages_sent
            record.messages_received = transport.messages_received
            record.bytes_sent = transport.bytes_sent
            record.bytes_received = transport.bytes_received

    def _scorecard(self) -> dict[str, dict[str, int]]:
        """Deviations by kind and by where they were seen; the rare ones of many are added up."""
        connection = self._connection
        card: dict[str, dict[str, int]] = {}
        for rank, ((kind, name), n) in enumerate(connection.session.scorecard.most_common()):
            places = card.setdefault(kind, {})
            where = connection.one_line(name) if rank < KEPT_DEVIATIONS else OTHER
            places[where] = places.get(where, 0) + n
        return card

    def _tell_turns(self, record: Session) -> None:
        recorder = self._recorder
        record.turns = recorder.turns - self._turns
        record.responses = recorder.responses - self._responses
        record.audio_received_s = (recorder.audio_received_ns - self._received) / 1e9
        record.stale_audio_s = (recorder.stale_ns - self._stale) / 1e9
        record.usage, record.cost_usd = self._usage, self._cost_usd


_shipped_prices = cache(load_prices)
