"""Sessions under gevent: opened, warmed up, measured for a while, and dropped."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from time import monotonic

import gevent
import psutil
from gevent.event import AsyncResult

from bench.clients.job import DIAL_EVERY_S, Window
from bench.workload import Job, offset

__all__ = ["Gate", "run"]

OPEN_WITHIN_S = 60.0


class Gate:
    """Where callers wait until all have their session."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._missing = job.sessions
        self._open: AsyncResult[float] = AsyncResult()

    def wait(self, caller: int) -> None:
        """Wait for the others, and for the turn of this one to begin."""
        self._missing -= 1
        if not self._missing:
            self._open.set(monotonic())
        began = self._open.get()
        gevent.sleep(began + offset(self._job, caller) - monotonic())

    def wait_for_all(self) -> None:
        """Wait until all are there; raises what kept one of them."""
        self._open.get(timeout=OPEN_WITHIN_S)

    def fail(self, greenlet: "gevent.Greenlet[..., None]") -> None:
        """A caller could not come."""
        self._open.set_exception(greenlet.exception)


def run(
    job: Job,
    call: Callable[[int, Gate], None],
    watched: AbstractContextManager[object] | None = None,
) -> Window:
    """
    Let all callers call, and measure while they talk.

    Args:
        job: What to do.
        call: One caller: opens a session, waits at the gate, talks until it is killed.
        watched: Entered for as long as it is measured.

    """
    window, gate, process = Window(), Gate(job), psutil.Process()
    before, dialling = process.memory_info().rss, monotonic()
    callers = [
        gevent.spawn_later(caller * DIAL_EVERY_S, call, caller, gate)
        for caller in range(job.sessions)
    ]
    for greenlet in callers:
        greenlet.link_exception(gate.fail)
    gate.wait_for_all()
    window.connect_s = monotonic() - dialling
    gevent.sleep(job.warm_up_s)
    with watched or nullcontext():
        window.begin()
        gevent.sleep(job.seconds)
        window.end()
    window.memory_bytes = process.memory_info().rss - before
    assert not any(greenlet.ready() for greenlet in callers), "a session was lost"
    gevent.killall(callers)
    return window
