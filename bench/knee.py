"""Callers of an endpoint that makes so many answers at a time, in virtual time: a known knee."""

import heapq
import random
from collections.abc import Callable, Iterator

import msgspec

from harness.simulator.capacity import Capacity

__all__ = ["Answered", "Crowd", "knee"]

NS = 1e9


class Answered(msgspec.Struct, frozen=True):
    """One turn; seconds."""

    caller: int
    asked: float
    ttfa: float
    ended: float


class Crowd:
    """
    A closed queue: each caller asks, hears the answer, and asks again.

    Args:
        places: Answers made at a time.
        first: Draws the seconds from the begin of an answer's making to its first audio.
        making: Draws the seconds from there until its place is free.
        between: Draws the seconds from the first audio to the next question.

    """

    def __init__(
        self,
        places: int,
        *,
        first: Callable[[], float],
        making: Callable[[], float],
        between: Callable[[], float],
    ) -> None:
        self._capacity = Capacity(places)
        self._first, self._making, self._between = first, making, between
        self._asks: list[tuple[float, int]] = []  # a heap: when, who
        self._callers: set[int] = set()
        self.now = 0.0

    def call(self, callers: int) -> None:
        """So many call from now on: others begin, or leave when they have heard their answer."""
        for caller in range(callers):
            if caller not in self._callers:
                heapq.heappush(
                    self._asks, (self.now + self._between() * random_share(caller), caller)
                )
        self._callers = set(range(callers))

    def until(self, end: float) -> Iterator[Answered]:
        """The turns asked until ``end``."""
        while self._asks and self._asks[0][0] < end:
            asked, caller = heapq.heappop(self._asks)
            if caller not in self._callers:
                continue
            first = self._first()
            slot = self._capacity.book(round(asked * NS), round((first + self._making()) * NS))
            ttfa = slot.start / NS - asked + first
            ended = asked + ttfa + self._between()
            heapq.heappush(self._asks, (ended, caller))
            yield Answered(caller, asked, ttfa, ended)
        self.now = end


def random_share(caller: int) -> float:
    """Where in its first round a caller begins: they don't all ask at once."""
    return random.Random(caller).random()


def knee(crowd: Callable[[], Crowd], limit: float, share: float, most: int) -> int:
    """
    The largest number of callers of whose answers no more than ``share`` take over ``limit``.

    Args:
        crowd: Makes an empty one.
        limit: Seconds of TTFA.
        share: Of turns that may take longer.
        most: Callers; more are not tried.

    """
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        if _share_over(crowd(), middle, limit) <= share:
            low = middle
        else:
            high = middle
    return low


def _share_over(crowd: Crowd, callers: int, limit: float) -> float:
    """In the steady state: 10 minutes after one to settle."""
    crowd.call(callers)
    ttfas = [turn.ttfa for turn in crowd.until(660.0) if turn.asked > 60.0]
    return sum(ttfa > limit for ttfa in ttfas) / len(ttfas)
