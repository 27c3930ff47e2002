"""Open arrivals in a run: the schedule's clock, and who is told of which call."""

from collections.abc import Callable, Mapping
from time import monotonic_ns, time_ns
from typing import Any, Protocol

import gevent

from harness.arrivals import Handout, Report, Switchboard, schedule
from harness.loads import Load
from harness.sinks.tally import Tally
from harness.swarm.desk import Order
from harness.swarm.setup import Setup

__all__ = ["Exchange", "Front", "open_exchange"]

LEAD_NS = 1_000_000_000  # calls are handed out so long before they are due
SLOW_START = 10.0  # seconds after which the schedule begins though not all users are there


class Exchange:
    """
    Hands out the calls of one run as they fall due.

    The schedule begins when all users wait for calls, and is over when users are told to stop.

    Args:
        load: Its rate and lengths.
        seed: Of the schedule.
        send: Hands calls to a worker.
        wanted: How many users there are to be.
        open: Whether users may begin calls.

    Attributes:
        board: What is due, begun, blocked and waiting.

    """

    def __init__(
        self,
        load: Load,
        seed: int,
        *,
        send: Callable[[str, list[Order]], None],
        wanted: Callable[[], int],
        open: Callable[[], bool],
    ) -> None:
        self.board = Switchboard(schedule(load.arrivals, load.call_length, seed), LEAD_NS)
        self._rate = load.arrivals
        self._send = send
        self._wanted = wanted
        self._open = open
        self._began: int | None = None  # monotonic ns
        self._began_wall = 0
        self._ended = False
        self._greenlet: gevent.Greenlet[..., None] = gevent.spawn(self._serve)

    @property
    def tally(self) -> Tally:
        """What is counted of the schedule, for metrics."""
        board = self.board
        return Tally(
            counters={"calls_due": {(): board.due}, "calls_blocked": {(): board.blocked}},
            gauges={"calls_waiting": {(): board.waiting}},
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What ``run.json`` says of the schedule."""
        board = self.board
        # A call may begin while word of the end is on its way to its worker.
        due = max(board.due, board.begun + board.waiting)
        return {
            "rate": self._rate,  # calls a second
            "began_ns": self._began_wall,  # of the epoch
            "due": due,
            "begun": board.begun,
            "blocked": board.blocked,
            "waiting": due - board.begun,
        }

    def hear(self, worker: str, report: Report) -> None:
        """Take what a worker's desk says."""
        if self._closed():
            self.board.note_begun(worker, report)
        else:
            self.board.hear(worker, report, self._now())
            self._hand_out()

    def lose(self, worker: str) -> None:
        """A worker is gone."""
        if not self._closed():
            self.board.lose(worker, self._now())
            self._hand_out()

    def stop(self) -> None:
        """No call is handed out any more."""
        self._ended = True
        self._greenlet.kill()

    def _serve(self) -> None:
        slow = monotonic_ns() + SLOW_START * 1e9
        while not 0 < self._wanted() <= self.board.idle and monotonic_ns() < slow:
            gevent.sleep(0.05)
        self._began, self._began_wall = monotonic_ns(), time_ns()
        while not self._closed():
            self.board.settle(self._now())
            self._hand_out()
            wakes_at = self.board.wakes_at()
            assert wakes_at is not None  # the schedule has no end
            gevent.sleep(max(0.0, (wakes_at - self._now()) / 1e9))

    def _now(self) -> int:
        """Nanoseconds since the schedule began; before that none of its calls is in sight."""
        return -LEAD_NS - 1 if self._began is None else monotonic_ns() - self._began

    def _closed(self) -> bool:
        self._ended = self._ended or (self._began is not None and not self._open())
        return self._ended

    def _hand_out(self) -> None:
        now = self._now()
        by_worker: dict[str, list[Order]] = {}
        for out in self.board.take():
            by_worker.setdefault(out.worker, []).append(self._order(out, now))
        for worker, orders in by_worker.items():
            self._send(worker, orders)

    def _order(self, out: Handout, now: int) -> Order:
        call = out.arrival
        due_ns = self._began_wall + call.due
        return Order(call.number, due_ns, call.due - now, call.length, out.blocked)


class Front(Protocol):
    """The local or master process, as open arrivals need it."""

    environment: Any
    runner: Any

    @property
    def accepting(self) -> bool:
        """Whether users may begin calls."""
        ...

    def user_counts(self) -> Mapping[str, int]:
        """How many users of each class there are."""
        ...

    def hand_out(self, worker: str, orders: list[Order]) -> None:
        """Hand due calls to a worker."""
        ...


def open_exchange(front: Front, setup: Setup) -> Exchange | None:
    """What hands out the calls of a run that begins; ``None``: no users wait for any."""
    runner, classes = front.runner, front.environment.user_classes
    arriving = [cls.__name__ for cls in classes if getattr(cls, "arrives", False)]

    def users() -> int:
        """Those who take calls; 0 until all users are there."""
        counts = front.user_counts() if runner.user_count >= runner.target_user_count else {}
        return sum(counts.get(name, 0) for name in arriving)

    if not arriving:
        return None
    return Exchange(
        setup.load,
        setup.workload.seed,
        send=front.hand_out,
        wanted=users,
        open=lambda: front.accepting,
    )
