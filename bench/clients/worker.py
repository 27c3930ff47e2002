"""
The whole worker: ``locust -f locustfiles/realtime.py`` in a process of its own, as users run it.

Headless, with records and metrics on, and scraped. This process only looks on, from another core.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, monotonic_ns, sleep
from typing import Any

import msgspec
import psutil

from bench.clients.job import Window, read_job, say_began, say_ended
from bench.clients.recorded import leave_recorded, records
from bench.runs import cpu_seconds
from bench.workload import Job, recording
from harness.records import Health

__all__: list[str] = []

LOCUSTFILE = Path(__file__).parents[2] / "locustfiles" / "realtime.py"
LOOK_EVERY_S = 0.05
SCRAPE_EVERY_S = 5.0  # as dashboards/prometheus does
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 120.0  # last answers, and the report
MOST_A_SECOND = 100  # users; Locust warns beyond


class Worker:
    """
    A running Locust, seen from outside.

    Attributes:
        pid: Its process id.
        run: Its run directory.

    """

    def __init__(self, process: "subprocess.Popen[bytes]", job: Job, port: int) -> None:
        self._process = process
        self.pid = process.pid
        self.run = Path(job.folder) / "runs" / "latest"
        self._output = Path(job.folder) / "locust.txt"
        self._metrics = f"http://127.0.0.1:{port}/metrics"

    def rss(self) -> int:
        """Resident bytes."""
        return psutil.Process(self.pid).memory_info().rss

    def has_begun(self) -> bool:
        """Whether the first session is being dialled."""
        path = self.run / "sessions.jsonl"
        return path.is_file() and path.stat().st_size > 0

    def sessions(self) -> int:
        """How many were open a second ago."""
        seconds = records(self.run / "health.jsonl", Health)
        return seconds[-1].sessions if seconds else 0

    def wait_until(self, condition: Any, seconds: float) -> None:
        """Look until it is true, and as long as the process lives."""
        deadline = monotonic() + seconds
        while not condition():
            if self._process.poll() is not None or monotonic() > deadline:
                raise RuntimeError(f"Locust failed:\n{self._output.read_text()[-2000:]}")
            sleep(LOOK_EVERY_S)

    def live(self, seconds: float) -> None:
        """Let it go on for so long, and scrape its metrics as a Prometheus would."""
        end, due = monotonic() + seconds, monotonic()
        while (now := monotonic()) < end:
            if now >= due:
                due += SCRAPE_EVERY_S
                urllib.request.urlopen(self._metrics, timeout=10).read()
            sleep(max(0.0, min(due, end) - monotonic()))

    def end(self) -> dict[str, Any]:
        """End it as a user does, with Ctrl-C; its summary."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(ENDS_WITHIN_S)
        summary = self.run / "summary.json"
        if not summary.is_file():
            raise RuntimeError(f"no report was made:\n{self._output.read_text()[-2000:]}")
        return msgspec.json.decode(summary.read_bytes())


def main() -> None:
    job = read_job()
    with _locust(job, _free_port()) as worker:
        os.sched_setaffinity(0, {job.other_core})
        window = _measure(worker, job)
        summary = worker.end()
        leave_recorded(job, window, worker.run, summary["verdict"])


@contextmanager
def _locust(job: Job, port: int) -> Iterator[Worker]:
    folder = Path(job.folder)
    corpus = folder / "said"
    corpus.mkdir()
    shutil.copy(recording(job.utterance), corpus)
    given = {k: v for k, v in os.environ.items() if not k.startswith(("LOCUST_", "REALTIME_"))}
    with (folder / "locust.txt").open("wb") as output:
        process = subprocess.Popen(
            [*_command(job, port), "--corpus", str(corpus)],
            cwd=folder,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Worker(process, job, port)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _command(job: Job, port: int) -> list[str]:
    """The same work as all clients: one utterance, no pause, on as soon as the answer is there."""
    rate = max(1, min(MOST_A_SECOND, job.sessions // 4))  # in waves that don't speak as one
    return [
        *(str(Path(sys.executable).with_name("locust")), "-f", str(LOCUSTFILE)),
        *("--headless", "-u", str(job.sessions), "-r", str(rate), "--host", job.url),
        *("--turns", "100000", "--pause", "0ms", "--listen", "done"),
        *("--metrics-port", str(port), "--run-dir", f"{job.folder}/runs"),
        *(("--ca-file", job.ca_file) if job.ca_file else ()),
    ]


def _measure(worker: Worker, job: Job) -> Window:
    window = Window()
    worker.wait_until(worker.has_begun, STARTS_WITHIN_S)
    before, dialling = worker.rss(), monotonic()
    worker.wait_until(lambda: worker.sessions() == job.sessions, STARTS_WITHIN_S)
    window.connect_s = monotonic() - dialling
    worker.live(job.warm_up_s)
    window.began, cpu = monotonic_ns(), cpu_seconds(worker.pid)
    say_began()
    worker.live(job.seconds)
    window.ended, window.cpu_s = monotonic_ns(), cpu_seconds(worker.pid) - cpu
    say_ended()
    window.memory_bytes = worker.rss() - before
    assert worker.sessions() == job.sessions, "a session was lost"
    return window


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main()
