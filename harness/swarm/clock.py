"""The clock of a worker's host, and by how much it is ahead of the master's."""

from collections.abc import Callable
from itertools import chain, repeat
from time import monotonic_ns, time_ns

import gevent

__all__ = ["Clock", "probe"]

AT_FIRST = (8, 0.1)  # so many probes, seconds apart
LATER = 10.0  # seconds between probes while the run lasts


class Clock:
    """
    The wall clock of this host as it stood at one instant, carried on by the monotonic clock.

    Its offset is measured as NTP does: a message there and back. The answer was given at some time
    in between, so that half the way is the bound of the error; the quickest answer counts.
    """

    def __init__(self) -> None:
        self._monotonic_ns = monotonic_ns()
        self._time_ns = time_ns()
        self._probed: tuple[int, int] | None = None  # bound, offset

    def now(self) -> int:
        """Nanoseconds of the epoch, unmoved by whoever sets the wall clock."""
        return self._time_ns + monotonic_ns() - self._monotonic_ns

    def common(self) -> int:
        """As ``now``, by the master's clock as far as that is known."""
        return self.now() - (self._probed[1] if self._probed else 0)

    def answered(self, sent: int, at: int) -> None:
        """
        The master answered a probe, just now.

        Args:
            sent: When it was asked, by ``now``.
            at: When it answered, ns of its own clock.

        """
        received = self.now()
        measured = (received - sent) // 2, (sent + received) // 2 - at
        self._probed = min(measured, self._probed or measured)

    @property
    def anchor(self) -> dict[str, int]:
        """
        One instant on the monotonic clock and on the wall clock, in ns.

        Once probed also ``offset_ns``, by which this wall clock is ahead of the master's, and
        ``bound_ns``, by which that may be wrong.
        """
        anchor = {"monotonic_ns": self._monotonic_ns, "time_ns": self._time_ns}
        if self._probed is not None:
            anchor["bound_ns"], anchor["offset_ns"] = self._probed
        return anchor


def probe(send: Callable[[], None]) -> None:
    """Send probes for as long as this greenlet lives."""
    n, soon = AT_FIRST
    for pause in chain(repeat(soon, n), repeat(LATER)):
        send()
        gevent.sleep(pause)
