"""What a client process is asked to do, and what it leaves behind."""

import os
import sys
from pathlib import Path
from time import monotonic_ns, process_time

import msgspec

from bench.results import Measured
from bench.workload import Job

__all__ = ["DIAL_EVERY_S", "Window", "finish", "read_job", "say_began", "say_ended"]

DIAL_EVERY_S = 0.004


class Window(msgspec.Struct):
    """The stretch of time that was measured."""

    connect_s: float = 0.0
    began: int = 0  # ns, as is what follows
    ended: int = 0
    cpu_s: float = 0.0
    memory_bytes: int = 0

    def begin(self) -> None:
        """From now on it counts."""
        self.began, self.cpu_s = monotonic_ns(), -process_time()
        say_began()

    def end(self) -> None:
        """Until now it counted."""
        self.ended, self.cpu_s = monotonic_ns(), self.cpu_s + process_time()
        say_ended()


def say_began() -> None:
    """Tell the runner that it begins: it measures the endpoint's share."""
    print("began", flush=True)


def say_ended() -> None:
    """Tell the runner that it has ended."""
    print("ended", flush=True)


def read_job() -> Job:
    """The job, as the runner gives it on stdin; from now on this process stays on its core."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    os.sched_setaffinity(0, {job.core})
    return job


def finish(
    job: Job,
    window: Window,
    *,
    frames: int,
    lateness: tuple[float, float],
    first_audio: dict[str, int],
    verdict: str = "",
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
        verdict=verdict,
    )
    Path(job.folder, "measured.json").write_bytes(msgspec.json.encode(measured))
