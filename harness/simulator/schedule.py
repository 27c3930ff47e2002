"""Who is to be woken when: one timer of the event loop for all connections."""

from __future__ import annotations

import asyncio
import heapq
import time
from itertools import count
from typing import TYPE_CHECKING, Protocol

from harness.simulator.agenda import NEVER

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Schedule", "Sleeper"]

_KEPT = 1000  # entries that are never looked through


class Sleeper(Protocol):
    """What can be woken."""

    def wake(self) -> None:
        """Its time has come."""


class Schedule:
    """
    Wakes whoever asked for it, on time.

    Args:
        present: Those who are still there; the others are forgotten.

    """

    def __init__(self, present: Collection[Sleeper]) -> None:
        self._present = present
        self._entries: list[tuple[int, int, Sleeper]] = []  # a heap
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = NEVER

    def add(self, sleeper: Sleeper, due: int) -> None:
        """Wake ``sleeper`` at ``due``, ns."""
        heapq.heappush(self._entries, (due, next(self._order), sleeper))
        if len(self._entries) > 4 * len(self._present) + _KEPT:
            self._tidy()
        if due < self._timer_due:
            self._set_timer(due)

    def run(self) -> None:
        """Wake those whose time has come."""
        while self._entries and self._entries[0][0] <= time.monotonic_ns():
            heapq.heappop(self._entries)[2].wake()

    def stop(self) -> None:
        """Wake nobody any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tidy(self) -> None:
        """
        Forget those who are gone, and all but the first time of each who is there.

        Whoever is woken asks anew: a session that is woken in each of its turns asks each time for
        the hour at which it expires.
        """
        first: dict[Sleeper, tuple[int, int, Sleeper]] = {}
        for entry in sorted(self._entries):
            first.setdefault(entry[2], entry)
        self._entries = [entry for entry in first.values() if entry[2] in self._present]

    def _set_timer(self, due: int) -> None:
        self.stop()
        self._timer_due = due
        self._timer = asyncio.get_running_loop().call_at(due / 1e9, self._on_timer)

    def _on_timer(self) -> None:
        # What is added meanwhile sets no timer: the first of all is known at the end.
        self._timer, self._timer_due = None, 0
        try:
            self.run()
        finally:
            self._timer_due = NEVER
            if self._entries:
                self._set_timer(self._entries[0][0])
