"""Open arrivals in a run: the schedule's clock, and who is told of which call."""

from collections.abc import Callable
from time import monotonic_ns, time_ns
from typing import Any

import gevent

from harness.arrivals import Handout, Report, Switchboard, schedule
from harness.loads import Load
from harness.swarm.desk import Order

__all__ = ["Exchange"]

NS = 1_000_000_000
LEAD = NS  # calls are handed out so long before they are due
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
        self.board = Switchboard(schedule(load.arrivals, load.call_length, seed), LEAD)
        self._rate = load.arrivals
        self._send = send
        self._wanted = wanted
        self._open = open
        self._began: int | None = None  # monotonic ns
        self._began_wall = 0
        self._ended = False
        self._greenlet: gevent.Greenlet[..., None] = gevent.spawn(self._serve)

    @property
    def facts(self) -> dict[str, Any]:
        """What ``run.json`` says of the schedule."""
        board = self.board
        return {
            "rate": self._rate,  # calls a second
            "began_ns": self._began_wall,  # of the epoch
            "due": board.due,
            "begun": board.begun,
            "blocked": board.blocked,
            "waiting": board.waiting,
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
        slow = monotonic_ns() + SLOW_START * NS
        while not 0 < self._wanted() <= self.board.idle and monotonic_ns() < slow:
            gevent.sleep(0.05)
        self._began, self._began_wall = monotonic_ns(), time_ns()
        while not self._closed():
            self.board.settle(self._now())
            self._hand_out()
            wakes_at = self.board.wakes_at()
            assert wakes_at is not None  # the schedule has no end
            gevent.sleep(max(0.0, (wakes_at - self._now()) / NS))

    def _now(self) -> int:
        """Nanoseconds since the schedule began; before that none of its calls is in sight."""
        return -LEAD - 1 if self._began is None else monotonic_ns() - self._began

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
