"""The generator's own health, second by second: how late it was, and what it used."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from functools import cache
from time import monotonic_ns, perf_counter, process_time

import gevent
import psutil

from harness.hub import hub_watch
from harness.pacer import pacer
from harness.records import Health
from harness.transport import Transport

__all__ = ["Census", "HealthMonitor", "census"]

HEARTBEAT_S = 0.02


class Census:
    """What is open in this process, and what has ended."""

    def __init__(self) -> None:
        self.transports: set[Transport] = set()
        self.turns = 0
        self.suspect_turns = 0


@cache
def _censuses() -> dict[int, Census]:
    return {}


def census() -> Census:
    """The census of this process; a forked worker has its own."""
    pid = os.getpid()
    censuses = _censuses()
    if pid not in censuses:
        censuses.clear()
        censuses[pid] = Census()
    return censuses[pid]


class HealthMonitor:
    """
    Looks at this process once a second.

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
        self._gc_s = 0.0
        self._gc_started = 0.0
        self._greenlets: list[gevent.Greenlet[[], None]] = []
        self._before = self._now()
        self._backlog_s = 0.0

    def start(self) -> None:
        """Begin to look."""
        gc.callbacks.append(self._on_gc)
        hub_watch().take()
        self._before = self._now()
        self._greenlets = [gevent.spawn(self._beat), gevent.spawn(self._look)]

    def stop(self) -> None:
        """Stop looking, with a last record of the second begun."""
        gevent.killall(self._greenlets)
        if self._greenlets:
            gc.callbacks.remove(self._on_gc)
            self._greenlets = []
            self._on_health(self.take())

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_started = perf_counter()
        else:
            self._gc_s += perf_counter() - self._gc_started

    def _beat(self) -> None:
        """Hub lag: how late this greenlet wakes."""
        while True:
            due = monotonic_ns() + int(HEARTBEAT_S * 1e9)
            gevent.sleep(HEARTBEAT_S)
            hub_watch().hub_lag.add(max(0, monotonic_ns() - due) / 1e9)

    def _look(self) -> None:
        while True:
            gevent.sleep(1.0)
            self._on_health(self.take())

    def _now(self) -> tuple[int, float, float, int, int, float]:
        seen = census()
        return (
            *(monotonic_ns(), process_time(), pacer().sent_ns / 1e9, seen.turns),
            *(seen.suspect_turns, self._gc_s),
        )

    def take(self) -> Health:
        """The record of the time since the last."""
        at, cpu, sent, turns, suspect, gc_s = now = self._now()
        at0, cpu0, sent0, turns0, suspect0, gc0 = self._before
        self._before = now
        watch, seen = hub_watch(), census()
        lags = watch.take()
        stalls = [end - start for start, end in watch.stalls if end > at0]
        # What is overdue now was due, and is not sent; what was overdue before is sent by now.
        backlog_s = pacer().schedule.overdue(at) / 1e9
        due = max(0.0, sent - sent0 + backlog_s - self._backlog_s)
        self._backlog_s = backlog_s
        interval = max(1, at - at0) / 1e9
        return Health(
            at=at,
            interval_s=interval,
            users=self._users(),
            sessions=len(seen.transports),
            frame_lateness=lags.frame_lateness,
            hub_lag=lags.hub_lag,
            read_lag=lags.read_lag,
            stalls=len(stalls),
            longest_stall_s=max(stalls, default=0) / 1e9,
            cpu=(cpu - cpu0) / interval,
            rss_bytes=self._process.memory_info().rss,
            gc_s=gc_s - gc0,
            queued_bytes=sum(t.queued_bytes for t in seen.transports),
            descriptors=self._process.num_fds(),
            audio_due_s=due,
            audio_sent_s=sent - sent0,
            turns=turns - turns0,
            suspect_turns=suspect - suspect0,
            internal_errors=watch.internal_errors,
        )
