"""A clock of its own, and on it the frames, events and greenlet of calls: no socket, no waiting."""

import heapq
import itertools
import random
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from gevent import GreenletExit

from harness.pacer import Schedule
from harness.transport import TransportClosed

__all__ = ["World"]

MS = 1_000_000
BEGINNING = 10**15  # far from the clock of this machine, whose stalls don't count here
HOUR = 3600_000_000_000
SPINS = 200  # times that a greenlet may look at one instant
CLOCKED = ("asking", "call", "connection", "line", "logbook", "toolbox")


class World:
    """
    Time passes only while a caller's greenlet waits, and as fast as there is nothing left to do.

    Args:
        seed: Of all chance here.
        latency: Milliseconds of the way to the endpoint, and of the way back, at most.
        stalls: How many a second block the caller's process, for ``stall`` milliseconds at most.
        sloth: Milliseconds at most from what wakes a greenlet to when it runs.

    """

    def __init__(self, seed=0, *, latency=0.0, stalls=0.0, stall=100.0, sloth=0.0):
        self.now = BEGINNING
        self.order = itertools.count(1)
        self.rng = random.Random(f"world/{seed}")
        self.latency, self.stall, self.sloth = latency * MS, stall * MS, sloth * MS
        self.kill_at = None
        self.blocked_until = self.polled_at = self.now
        self.longest_block = 0
        self._spins = self._ran_at = 0
        self._schedule = Schedule()
        self._heap = []
        self._stalls = stalls
        self._next_stall = self._draw_stall(self.now)

    def monotonic_ns(self):
        return self.now

    def travel(self):
        """Nanoseconds that a message takes."""
        return round(self.rng.random() * self.latency)

    def at(self, at, act):
        """Do something at an instant, in the endpoint or on the way there."""
        heapq.heappush(self._heap, (at, next(self.order), False, act))

    def in_hub(self, at, act):
        """Do something at an instant, in the caller's hub: as soon as that is not blocked."""
        heapq.heappush(self._heap, (at, next(self.order), True, act))

    def run(self, until, woken):
        """Let time pass until an instant, or until something has happened."""
        self._spins = self._spins + 1 if self.now == self._ran_at else 0
        self._ran_at = self.now
        assert self._spins < SPINS, "a greenlet runs, and time does not pass"
        assert self.now < BEGINNING + HOUR, "a call does not end"
        if self.kill_at is not None:
            until = min(until, self.kill_at)
        if not self._pass(until, woken):
            self.now = max(self.now, until, self.blocked_until)
        elif self.sloth:
            self._pass(self.now + round(self.rng.random() * self.sloth), lambda: False)
        if self.kill_at is not None and self.now >= self.kill_at:
            self.kill_at = None
            raise GreenletExit

    def _pass(self, until, woken):
        while not (woken() and self.now >= self.blocked_until):
            due = self._heap[0][0] if self._heap else None
            frame = self._schedule.next_due
            if frame is not None and (due is None or max(frame, self.blocked_until) <= due):
                due = max(frame, self.blocked_until)
            if due is None or due > max(until, self.blocked_until):
                return False
            if self._next_stall is not None and self._next_stall <= due:
                self._block()
                continue
            self.now = max(self.now, due)
            if self._heap and self._heap[0][0] <= due:
                self._act()
            else:
                self._send_frame()
        return True

    def _act(self):
        _, _, hub, act = heapq.heappop(self._heap)
        if hub and self.now < self.blocked_until:
            self.in_hub(self.blocked_until, act)
            return
        act()
        if hub:
            self.polled_at = self.now

    def _send_frame(self):
        try:
            self._schedule.send_one()
        except TransportClosed:
            self._schedule.drop_one()

    def _block(self):
        begin = max(self.now, self._next_stall)
        block = round(self.rng.random() * self.stall)
        self.polled_at = begin
        self.blocked_until = begin + block
        self.longest_block = max(block, self.longest_block)
        self._next_stall = self._draw_stall(self.blocked_until)

    def _draw_stall(self, after):
        return after + round(self.rng.expovariate(self._stalls) * 1e9) if self._stalls else None

    # As the pacer.

    def add(self, stream, due):
        self._schedule.add(stream, due)

    def wrote(self, late, frame_ns):
        """Nobody asks."""

    @contextmanager
    def holding(self, connect):
        """Let callers live here; ``connect`` dials."""
        with ExitStack() as stack:
            for name in CLOCKED:
                clock = patch(f"harness.{name}.monotonic_ns", self.monotonic_ns)
                stack.enter_context(clock)
            for name in ("call", "line"):
                stack.enter_context(patch(f"harness.{name}.pacer", lambda: self))
            stack.enter_context(patch("harness.connection.connect", connect))
            stack.enter_context(patch("harness.connection.Event", lambda: Happening(self)))
            yield self


class Happening:
    """What a greenlet waits for."""

    def __init__(self, world):
        self._world = world
        self._set = False

    def set(self):
        self._set = True

    def clear(self):
        self._set = False

    def is_set(self):
        return self._set

    def wait(self, timeout):
        self._world.run(self._world.now + round(timeout * 1e9), self.is_set)
        return self._set
