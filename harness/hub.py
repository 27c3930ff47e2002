"""
The event loop of this process, watched: when it polled, and how long it was busy between polls.

A libev check watcher runs right after each poll, a prepare watcher right before the next. Between
them nothing else could be read or sent; waiting inside the poll is no stall.
"""

import os
from collections import deque
from time import monotonic_ns, thread_time_ns
from weakref import WeakKeyDictionary

import gevent
import msgspec
from gevent.hub import Hub

from harness.records import LagHistogram
from harness.run_delay import RunDelay

__all__ = ["EXACT_NS", "STALL_NS", "HubWatch", "Lags", "hub_watch"]

STALL_NS = 20_000_000
"""Busy for so long between two polls is a stall."""

EXACT_NS = 2_000_000
"""A mark with no more uncertainty than this counts as exact."""

WAITED_NS = 200_000
"""A poll that was idle for longer than this found nothing at first, and had to wait."""

SHORT_NS = 1_000_000
"""Busy for less between two polls: what of it was waiting for a processor is not asked."""

STALLS_KEPT = 1024

ROOM = 64
"""A poll of libev's tells of so many sockets; of more once it has met as many."""

# gevent runs greenlets in a prepare watcher of priority 0, and all else after the checks of 2.
AFTER_GREENLETS = -2
BEFORE_ALL_ELSE = 2


class Lags(msgspec.Struct, kw_only=True):
    """How late this process was since they were last taken, in seconds."""

    read_lag: LagHistogram
    frame_lateness: LagHistogram
    hub_lag: LagHistogram


class HubWatch:
    """
    One event loop, watched. Instants are nanoseconds of the monotonic clock.

    Attributes:
        polled_at: When a poll returned last.
        stalls: Busy stretches of at least ``STALL_NS`` as (start, end), newest last.
        read_lag: Kernel receive stamp to what was read handled; the transport fills it.
        frame_lateness: Frame due to frame written; who sends frames fills it.
        hub_lag: Heartbeat due to heartbeat run; the heartbeat fills it.
        internal_errors: Exceptions of our own code that ended a session.
        beat_ns: A heartbeat ends each poll after so long; ``None``: there is no heartbeat.

    """

    def __init__(self, hub: Hub) -> None:
        self.pid = os.getpid()
        self.polled_at = self._polled_before = self._poll_began = monotonic_ns()
        self.stalls: deque[tuple[int, int]] = deque(maxlen=STALLS_KEPT)
        self.read_lag, self.frame_lateness, self.hub_lag = _three()
        self.internal_errors = 0
        self.beat_ns: int | None = None
        self._reads, self._most_reads = 0, ROOM
        self._cpu_ns = self._gathering = 0
        self._delay = RunDelay()
        self._delayed_ns, self._starved = self._delay.ns(), 0
        self._prepare = hub.loop.prepare(ref=False, priority=AFTER_GREENLETS)
        self._check = hub.loop.check(ref=False, priority=BEFORE_ALL_ELSE)
        self._prepare.start(self._poll_begins)
        self._check.start(self._poll_ends)

    @property
    def busy_since(self) -> int | None:
        """Since when the loop has not polled; ``None`` while it does. Any thread may ask."""
        polled_at = self.polled_at
        return polled_at if polled_at >= self._poll_began else None

    def slack(self, stamp: int) -> int:
        """
        How much earlier than ``stamp`` a message of a merged read may have come, in nanoseconds.

        TCP keeps the last receive stamp of segments that it merged. A poll that had to wait, and
        woke as soon as there was something, proves that nothing was there before, but for the
        time that it then had to wait for a processor; otherwise it may have come at any time since
        the poll before. So it may where the poll lasted longer than it could, since the process
        was stopped. ``EXACT_NS`` and less is told as 0.
        """
        woken_at = self.polled_at - self._starved
        lasted = woken_at - self._poll_began
        stopped = self.beat_ns is not None and lasted > self.beat_ns + EXACT_NS
        long = lasted - self._gathering > WAITED_NS and not stopped
        # What was there when the poll began was not waited for, however long the poll took.
        waited = long and stamp >= self._poll_began
        prompt = woken_at - stamp <= EXACT_NS
        earliest = woken_at if waited and prompt else self._polled_before
        slack = stamp - earliest
        return slack if slack > EXACT_NS else 0

    def stalled_since(self, at: int) -> bool:
        """Whether the loop stalled after ``at``, or is stalling."""
        return self.stalled_between(at, monotonic_ns())

    def stalled_between(self, start: int, end: int) -> bool:
        """Whether a stall overlaps the time from ``start`` to ``end``."""
        now = monotonic_ns()
        if now - self.polled_at >= STALL_NS and self.polled_at < end and now > start:
            return True
        for began, ended in reversed(self.stalls):
            if ended <= start:
                return False
            if began < end:
                return True
        return False

    def take(self) -> Lags:
        """The lags since the last call; counting starts anew."""
        taken = Lags(
            read_lag=self.read_lag, frame_lateness=self.frame_lateness, hub_lag=self.hub_lag
        )
        self._reads -= taken.read_lag.count
        self.read_lag, self.frame_lateness, self.hub_lag = _three()
        return taken

    def stop(self) -> None:
        """Watch no longer."""
        self._prepare.close()
        self._check.close()
        self._delay.close()

    def _poll_begins(self) -> None:
        self._cpu_ns = thread_time_ns()
        now = self._poll_began = monotonic_ns()
        busy = now - self.polled_at
        if busy >= SHORT_NS:
            self._delayed_ns = self._delay.ns()
        if busy >= STALL_NS:
            self.stalls.append((self.polled_at, now))

    def _poll_ends(self) -> None:
        reads, self._reads = self.read_lag.count - self._reads, self.read_lag.count
        if reads < self._most_reads:
            self._polled_before = self.polled_at
        else:
            # The poll may have told of no more than it had room for: what is read now may have
            # been there before it.
            self._most_reads = max(self._most_reads, reads + 1)
        self.polled_at = monotonic_ns()
        # To tell of hundreds of sockets takes longer than a short wait.
        long = self.polled_at - self._poll_began > WAITED_NS
        self._gathering = self._starved = 0
        if long:
            self._gathering = thread_time_ns() - self._cpu_ns
            before, self._delayed_ns = self._delayed_ns, self._delay.ns()
            self._starved = self._delayed_ns - before


def _three() -> tuple[LagHistogram, LagHistogram, LagHistogram]:
    return LagHistogram(), LagHistogram(), LagHistogram()


_watches: WeakKeyDictionary[Hub, HubWatch] = WeakKeyDictionary()


def hub_watch() -> HubWatch:
    """The watch of this hub, made when first asked for; a forked child gets its own."""
    hub = gevent.get_hub()
    watch = _watches.get(hub)
    if watch is None or watch.pid != os.getpid():
        if watch is not None:
            watch.stop()
        watch = _watches[hub] = HubWatch(hub)
    return watch
