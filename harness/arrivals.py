"""
Open arrivals: calls fall due by a seeded schedule, whether or not anybody is free to make them.

A closed crowd calls less often when answers get slower, and so spares the endpoint just when it
struggles. Here the schedule goes on: a due call takes an idle user of the swarm, and with none idle
it waits, its intended start kept. Nothing here reads a clock; instants are nanoseconds since the
schedule began.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import count

import msgspec

from harness.durations import Distribution

__all__ = ["Arrival", "Handout", "Intended", "Report", "Switchboard", "schedule"]


class Arrival(msgspec.Struct, frozen=True, order=True):
    """A call of the schedule; the same for the same seed, whoever makes it."""

    number: int  # from 1, in the order in which they are due
    due: int  # ns since the schedule began
    length: float  # seconds its caller stays on the line; 0: for as many turns as ever


class Intended(msgspec.Struct, frozen=True):
    """What the schedule wanted of a call, as its record says it."""

    number: int
    due_at: int  # ns of this process's monotonic clock
    length: float  # seconds
    blocked: bool  # nobody was idle when it was due


class Report(msgspec.Struct):
    """
    What a worker says whenever something changed there.

    Whole numbers rather than changes of them: what was not heard in time is made good by the next
    report.
    """

    idle: int = 0  # users who wait, and have no call
    received: int = 0  # calls that were handed to it so far
    begun: list[int] = []  # numbers of calls that began since the report before
    back: list[int] = []  # of those whose user is gone


class Handout(msgspec.Struct, frozen=True):
    """A call for an idle user of a worker."""

    worker: str
    arrival: Arrival
    blocked: bool


def schedule(rate: float, length: Distribution | None, seed: int) -> Iterator[Arrival]:
    """
    Calls without end, independent of each other: the gaps between them are exponential.

    Args:
        rate: Calls a second, in the mean.
        length: How long callers stay on the line.
        seed: The same gives the same calls.

    """
    due = 0
    for number in count(1):
        rng = random.Random(f"{seed}/arrival/{number}")
        due += round(rng.expovariate(rate) * 1e9)
        yield Arrival(number, due, length.sample(rng) if length else 0.0)


class Switchboard:
    """
    Which call goes to which worker.

    Each call is handed out once, in the order of the schedule, to the worker with the most idle
    users: so the shares of however many workers add up to the schedule, whoever joins or leaves.
    A call that a worker gives back, or did not begin before it was lost, is handed out again.

    Args:
        calls: The schedule.
        lead: Nanoseconds before it is due that a call may be handed out, so that its worker has it
            in time.

    Attributes:
        due: Calls that were due so far.
        begun: Those that began.
        blocked: Those that found nobody idle when they were due.

    """

    def __init__(self, calls: Iterable[Arrival], lead: int) -> None:
        self.due = self.begun = self.blocked = 0
        self._calls = iter(calls)
        self._next: Arrival | None = next(self._calls, None)
        self._lead = lead
        self._waiting: list[Arrival] = []  # a heap: not handed out
        self._ahead: list[int] = []  # a heap: instants at which known calls will be due
        self._late: set[int] = set()  # numbers of calls that wait, and found nobody idle
        self._idle: defaultdict[str, int] = defaultdict(int)
        self._sent: defaultdict[str, int] = defaultdict(int)
        self._held: defaultdict[str, dict[int, Arrival]] = defaultdict(dict)
        self._out: list[Handout] = []

    @property
    def idle(self) -> int:
        """Idle users for whom there is no call yet."""
        return sum(self._idle.values())

    @property
    def waiting(self) -> int:
        """Calls that are due and wait for a user."""
        return len(self._late)

    def hear(self, worker: str, report: Report, now: int) -> None:
        """Take what a worker says of itself."""
        self.settle(now)  # those who are idle only now come too late for what was due before
        self.note_begun(worker, report)
        for number in report.back:
            if (arrival := self._held[worker].pop(number, None)) is not None:
                heappush(self._waiting, arrival)
        self._idle[worker] = report.idle - (self._sent[worker] - report.received)
        self.settle(now)

    def note_begun(self, worker: str, report: Report) -> None:
        """Take from a report only which calls began: the schedule is over."""
        for number in report.begun:
            self.begun += self._held[worker].pop(number, None) is not None

    def lose(self, worker: str, now: int) -> None:
        """``worker`` is gone: hand out again what it has not begun."""
        self.settle(now)
        self._idle.pop(worker, None)
        for arrival in self._held.pop(worker, {}).values():
            heappush(self._waiting, arrival)
        self.settle(now)

    def settle(self, now: int) -> None:
        """Hand out what can be, and count what can't and is due."""
        self._look_ahead(now + self._lead)
        while self._ahead and self._ahead[0] <= now:
            heappop(self._ahead)
            self.due += 1
        while self._waiting and (worker := self._most_idle()) is not None:
            arrival = heappop(self._waiting)
            self._idle[worker] -= 1
            self._sent[worker] += 1
            self._held[worker][arrival.number] = arrival
            blocked = arrival.number in self._late
            self._late.discard(arrival.number)
            self._out.append(Handout(worker, arrival, blocked))
        for arrival in self._waiting:
            if arrival.due <= now and arrival.number not in self._late:
                self._late.add(arrival.number)
                self.blocked += 1

    def take(self) -> list[Handout]:
        """What was handed out since this was asked last."""
        out, self._out = self._out, []
        return out

    def wakes_at(self) -> int | None:
        """When to settle next though nobody tells anything; ``None``: the schedule is over."""
        following = [] if self._next is None else [self._next.due - self._lead]
        return min([*following, *self._ahead[:1]], default=None)

    def _look_ahead(self, until: int) -> None:
        while self._next is not None and self._next.due <= until:
            heappush(self._waiting, self._next)
            heappush(self._ahead, self._next.due)
            self._next = next(self._calls, None)

    def _most_idle(self) -> str | None:
        worker = max(sorted(self._idle), key=self._idle.__getitem__, default=None)
        return worker if worker is not None and self._idle[worker] > 0 else None
