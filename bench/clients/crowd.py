"""A client process: sessions are opened, warmed up, measured for a while, and dropped."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from time import monotonic, monotonic_ns, process_time

import gevent
import msgspec
import psutil
from gevent.event import AsyncResult

from bench.results import Measured
from bench.workload import Job, offset

__all__ = ["Gate", "Window", "finish", "read_job", "run"]

DIAL_EVERY_S = 0.004
OPEN_WITHIN_S = 60.0


class Window(msgspec.Struct):
    """The stretch of time that was measured."""

    connect_s: float = 0.0
    began: int = 0
    ended: int = 0
    cpu_s: float = 0.0
    memory_bytes: int = 0


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


def read_job() -> Job:
    """The job, as the runner gives it on stdin; from now on this process stays on its core."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    os.sched_setaffinity(0, {job.core})
    return job


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
        _measure(window, job.seconds)
    window.memory_bytes = process.memory_info().rss - before
    assert not any(greenlet.ready() for greenlet in callers), "a session was lost"
    gevent.killall(callers)
    return window


def _measure(window: Window, seconds: float) -> None:
    """The runner is told when it begins and when it ends: it measures the endpoint's share."""
    window.began, cpu = monotonic_ns(), process_time()
    print("began", flush=True)
    gevent.sleep(seconds)
    window.ended, window.cpu_s = monotonic_ns(), process_time() - cpu
    print("ended", flush=True)


def finish(
    job: Job,
    window: Window,
    *,
    frames: int,
    lateness: tuple[float, float],
    first_audio: dict[str, int],
) -> None:
    """Leave what was found where the runner looks for it."""
    measured = Measured(
        began=window.began,
        ended=window.ended,
        cpu_s=window.cpu_s,
        frames=frames,
        lateness_p50_s=lateness[0],
        lateness_p99_s=lateness[1],
        first_audio=first_audio,
        connect_s=window.connect_s,
        memory_bytes=window.memory_bytes,
    )
    Path(job.folder, "measured.json").write_bytes(msgspec.json.encode(measured))
