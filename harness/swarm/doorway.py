"""Lets callers who come at once dial one after the other."""

from collections.abc import Callable
from time import monotonic

import gevent

__all__ = ["APART_S", "Doorway"]

APART_S = 0.002


class Doorway:
    """
    A door that callers of one process pass one at a time.

    Locust begins a second's users all at once. To dial takes 0.3 ms of the processor: a hundred in
    a row would keep those who speak silent for 30 ms.

    Args:
        now: The clock, seconds.
        sleep: Lets others run for so many seconds.

    """

    def __init__(
        self,
        now: Callable[[], float] = monotonic,
        sleep: Callable[[float], object] = gevent.sleep,
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._free_at = 0.0

    def enter(self) -> None:
        """Wait until nobody has passed for ``APART_S``, and for those who came before."""
        now = self._now()
        turn = max(now, self._free_at)
        self._free_at = turn + APART_S
        if turn > now:
            self._sleep(turn - now)
