"""A process's users who wait for calls of a schedule, and the calls that are meant for them."""

from collections.abc import Callable, Iterable
from time import monotonic_ns, time_ns

import gevent
import msgspec
from gevent.event import AsyncResult

from harness.arrivals import Intended, Report

__all__ = ["Desk", "Order"]

AGREE_NS = 500_000_000
"""
Two hosts whose clocks differ by more go by when a call was handed out instead.

Less is how long word of a call may be on its way to a busy process: it is due as it was.
"""

TOO_LATE_NS = 2_000_000_000
"""A worker that did not run for longer is soon taken for lost, and its calls given to others."""


class Order(msgspec.Struct, frozen=True):
    """A call that was handed to this process."""

    number: int
    due_ns: int  # the clock of whoever handed it out, ns of the epoch
    in_ns: int  # from when it was handed out until it is due; negative: it waited
    length: float  # seconds
    blocked: bool


class Desk:
    """
    Gives each waiting user a call, in the order in which they came.

    Args:
        tell: Takes what is to be said of it, once for all that changes at a time.
        wall: The clock that this process and whoever hands out calls have in common, ns of the
            epoch.

    """

    def __init__(self, tell: Callable[[Report], None], wall: Callable[[], int] = time_ns) -> None:
        self.wall = wall
        self._tell = tell
        self._waiting: list[AsyncResult[Intended]] = []
        self._report = Report()
        self._telling = False

    @property
    def used(self) -> bool:
        """Whether users here take calls."""
        return bool(self._waiting) or self._report.received > 0

    def take(self) -> Intended:
        """Wait for a call and until it is due."""
        while (call := self._take()) is None:
            pass
        return call

    def arrived(self, orders: Iterable[Order]) -> None:
        """Hand on calls that came; those that nobody waits for any more go back."""
        for order in orders:
            self._report.received += 1
            if self._waiting:
                self._waiting.pop(0).set(_intended(order, monotonic_ns(), self.wall()))
            else:
                self._report.back.append(order.number)
        self.tell()

    def tell(self) -> None:
        """Say how many users wait, and what became of calls."""
        if not self._telling:
            self._telling = True
            gevent.spawn(self._flush)

    def _take(self) -> Intended | None:
        """A call; ``None`` if this process did not run when it was due: by now it is another's."""
        result: AsyncResult[Intended] = AsyncResult()
        self._waiting.append(result)
        self.tell()
        try:
            call = result.get()
            assert call is not None
            due = max(call.due_at, monotonic_ns())
            while (left := due - monotonic_ns()) > 0:
                gevent.sleep(left / 1e9)
        except BaseException:  # the user was stopped while it waited
            if result.value is None:
                self._waiting.remove(result)
            else:
                self._report.back.append(result.value.number)
            self.tell()
            raise
        asleep = monotonic_ns() - due > TOO_LATE_NS
        (self._report.back if asleep else self._report.begun).append(call.number)
        self.tell()
        return None if asleep else call

    def _flush(self) -> None:
        self._telling = False
        report, self._report = self._report, Report(received=self._report.received)
        report.idle = len(self._waiting)
        self._tell(report)


def _intended(order: Order, now: int, wall: int) -> Intended:
    """
    When a call is due by this process's clock.

    By the clock in common, as records are placed when a run is reported; as long as that does not
    agree with the one of whoever handed the call out, as long from now as it was then.
    """
    due = now + order.due_ns - wall
    if abs(due - (now + order.in_ns)) > AGREE_NS:
        due = now + order.in_ns
    return Intended(order.number, due, order.length, order.blocked)
