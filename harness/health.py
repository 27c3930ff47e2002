"""The generator's own health, second by second: how late it was, and what it used."""

from __future__ import annotations

import resource
from collections.abc import Callable
from time import monotonic_ns, process_time

import gevent
import msgspec
import psutil

from harness.forks import once_a_process
from harness.hub import hub_watch
from harness.pacer import pacer
from harness.records import Health
from harness.run_delay import RunDelay
from harness.transport import Transport
from harness.watchdog import Collections, Watchdog

__all__ = ["Census", "HealthMonitor", "census"]

HEARTBEAT_S = 0.02


class Census:
    """What is open in this process, what has ended, and who looks at it now."""

    def __init__(self) -> None:
        self.monitor: HealthMonitor | None = None
        self.transports: set[Transport] = set()
        self.turns = 0
        self.suspect_turns = 0


@once_a_process
def census() -> Census:
    """The census of this process."""
    return Census()


class _Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What only grows, as it stands at an instant."""

    at: int  # ns
    cpu_s: float
    starved_ns: int
    preemptions: int
    gc_ns: int
    audio_sent_ns: int
    turns: int
    suspect_turns: int
    internal_errors: int


class HealthMonitor:
    """
    Looks at this process once a second, from ``start`` to ``stop``; one at a time in a process.

    Args:
        on_health: Given each second's record, from a greenlet.
        users: How many users run now.

    """

    def __init__(
        self, on_health: Callable[[Health], None], users: Callable[[], int] = lambda: 0
    ) -> None:
        self._on_health = on_health
        self._users = users
        self._process = psutil.Process()
        self._collections = Collections()
        self._delay: RunDelay | None = None
        self._watchdog: Watchdog | None = None
        self._greenlets: list[gevent.Greenlet[[], None]] = []
        self._before: _Counts | None = None
        self._backlog_ns = 0

    def start(self) -> None:
        """
        Begin to look.

        Raises:
            RuntimeError: If another monitor looks at this process: they would share its lags.

        """
        if census().monitor is not None:
            raise RuntimeError("this process is being looked at already")
        census().monitor = self
        self._process = psutil.Process()
        self._collections.start()
        self._delay = RunDelay()
        self._watchdog = Watchdog(hub_watch(), self._collections, self._delay)
        self._watchdog.start()
        hub_watch().take()
        hub_watch().beat_ns = int(HEARTBEAT_S * 1e9)
        self._before = self._count()
        self._greenlets = [gevent.spawn(self._beat), gevent.spawn(self._look)]

    def stop(self) -> None:
        """Stop looking, with a last record of the second begun; idempotent."""
        if not self._looks:
            return
        assert self._watchdog is not None
        assert self._delay is not None
        census().monitor = None  # first: others run while the greenlets end, and may stop it too
        gevent.killall(self._greenlets)
        hub_watch().beat_ns = None
        self._watchdog.stop()
        last = self.take()
        self._collections.stop()
        self._delay.close()
        self._on_health(last)

    def _beat(self) -> None:
        """Hub lag: how late this greenlet wakes."""
        while self._looks:
            due = monotonic_ns() + int(HEARTBEAT_S * 1e9)
            gevent.sleep(HEARTBEAT_S)
            hub_watch().hub_lag.add(max(0, monotonic_ns() - due) / 1e9)

    def _look(self) -> None:
        while self._looks:
            gevent.sleep(1.0)
            if self._looks:
                self._on_health(self.take())

    @property
    def _looks(self) -> bool:
        """Whether it looks at this process: a forked child has greenlets of its parent's."""
        return census().monitor is self

    def _count(self) -> _Counts:
        assert self._delay is not None
        seen = census()
        return _Counts(
            at=monotonic_ns(),
            cpu_s=process_time(),
            starved_ns=self._delay.ns(),
            preemptions=resource.getrusage(_RUSAGE_LOOP).ru_nivcsw,
            gc_ns=self._collections.spent_ns,
            audio_sent_ns=pacer().sent_ns,
            turns=seen.turns,
            suspect_turns=seen.suspect_turns,
            internal_errors=hub_watch().internal_errors,
        )

    def take(self) -> Health:
        """The record of the time since the last; while it looks."""
        assert self._before is not None
        assert self._watchdog is not None
        before, now = self._before, self._count()
        self._before = now
        watch, seen = hub_watch(), census()
        lags = watch.take()
        stalls = [end - start for start, end in watch.stalls if end > before.at]
        sent = now.audio_sent_ns - before.audio_sent_ns
        interval = max(1, now.at - before.at) / 1e9
        return Health(
            at=now.at,
            interval_s=interval,
            users=self._users(),
            sessions=len(seen.transports),
            frame_lateness=lags.frame_lateness,
            hub_lag=lags.hub_lag,
            read_lag=lags.read_lag,
            stalls=len(stalls),
            longest_stall_s=max(stalls, default=0) / 1e9,
            culprit=self._watchdog.take(),
            cpu=(now.cpu_s - before.cpu_s) / interval,
            starved_s=(now.starved_ns - before.starved_ns) / 1e9,
            preemptions=now.preemptions - before.preemptions,
            rss_bytes=self._process.memory_info().rss,
            gc_s=(now.gc_ns - before.gc_ns) / 1e9,
            gc_longest_s=self._collections.take_longest() / 1e9,
            queued_bytes=sum(t.queued_bytes for t in seen.transports),
            descriptors=self._process.num_fds(),
            audio_due_s=self._due(now.at, sent) / 1e9,
            audio_sent_s=sent / 1e9,
            turns=now.turns - before.turns,
            suspect_turns=now.suspect_turns - before.suspect_turns,
            internal_errors=now.internal_errors - before.internal_errors,
        )

    def _due(self, at: int, sent: int) -> int:
        """Nanoseconds of audio that were due, where ``sent`` were sent."""
        # What is overdue now was due, and is not sent; what was overdue before is sent by now.
        before, self._backlog_ns = self._backlog_ns, pacer().schedule.overdue(at)
        return max(0, sent + self._backlog_ns - before)


_RUSAGE_LOOP = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
"""The thread of the event loop alone, where the system tells."""
