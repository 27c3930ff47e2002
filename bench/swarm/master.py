"""A real master while simulated workers report to it: its share of a core, and what it kept."""

import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_server
from statistics import median
from threading import Event, Thread
from time import monotonic, sleep

import msgspec
import psutil
from rich.table import Table

from bench.swarm.job import REPORT_EVERY, Job, Said

__all__ = ["MasterCost", "master_cost", "master_table"]

ROOT = Path(__file__).parents[2]
SETTLE = 8.0  # seconds: until all sessions have begun
SPARE = 2.0  # seconds between the measurement and the end of the run
PAGE, METRICS = "/stats/requests", "/metrics"
PAGE_EVERY, SCRAPE_EVERY = 2.0, 5.0  # seconds: an open page of the web UI, and Prometheus
WITHIN = 60.0  # seconds for the master to begin, and to end


class MasterCost(msgspec.Struct, frozen=True):
    """What a master did for one size of swarm."""

    workers: int
    sessions: int  # of all
    turns_per_s: float  # sent by the workers while it was measured
    cpu: float  # share of a core
    memory_mb: float
    heartbeat_p99_ms: float  # a worker's heartbeat to the master's answer
    page_ms: float  # what the open page asks for, median
    metrics_ms: float  # what Prometheus asks for, median
    late_s: float  # the latest report of the simulated workers, after it was due
    turns_sent: int
    turns_kept: int  # lines in the run's directory


def master_cost(
    workers: int,
    sessions: int,
    seconds: float,
    *,
    scenarios: int = 4,
    settle: float = SETTLE,
    core: int | None = None,
) -> MasterCost:
    """
    Measure one master once, with a page of its web UI open and Prometheus at its ``/metrics``.

    Args:
        workers: Simulated ones.
        sessions: Of each, with a turn every eight seconds.
        seconds: Measured.
        scenarios: That callers play: all series are there for each.
        settle: Seconds from the start of the run to the measurement.
        core: The master's; ``None``: any.

    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, port, web = Path(name), _free_port(), _free_port()
        total = settle + seconds + SPARE
        reports = round(total / REPORT_EVERY) + 6
        job = Job(
            port=port, workers=workers, sessions=sessions, reports=reports, scenarios=scenarios
        )
        with (
            _master(folder, job, web, total) as master,
            _simulated(job) as simulated,
            _visited(f"http://127.0.0.1:{web}") as took,
        ):
            if core is not None:
                os.sched_setaffinity(master.pid, {core})
            cpu, rate, memory = _measure(psutil.Process(master.pid), folder, settle, seconds)
            said = msgspec.json.decode(simulated.communicate(timeout=total + WITHIN)[0], type=Said)
            master.wait(WITHIN)
        (turns,) = folder.glob("runs/2*/turns.jsonl")
        with turns.open("rb") as file:
            kept = sum(1 for _ in file)
    beats = sorted(said.heartbeats_s)
    return MasterCost(
        workers=workers,
        sessions=workers * sessions,
        turns_per_s=rate,
        cpu=cpu,
        memory_mb=memory / 1e6,
        heartbeat_p99_ms=beats[int(len(beats) * 0.99)] * 1e3,
        page_ms=median(took[PAGE]) * 1e3,
        metrics_ms=median(took[METRICS]) * 1e3,
        late_s=said.late_s,
        turns_sent=said.turns,
        turns_kept=kept,
    )


def _measure(
    master: psutil.Process, folder: Path, settle: float, seconds: float
) -> tuple[float, float, float]:
    """Share of a core, turns written in a second, and bytes of memory."""
    deadline = monotonic() + WITHIN
    while not (started := list(folder.glob("runs/2*/turns.jsonl"))):
        if monotonic() > deadline:
            raise RuntimeError((folder / "master.txt").read_text())
        sleep(0.1)
    sleep(settle)
    lines, begin, before = _lines(started[0]), monotonic(), master.cpu_times()
    sleep(seconds)
    after, end = master.cpu_times(), monotonic()
    turns = _lines(started[0]) - lines
    spent = after.user + after.system - before.user - before.system
    return spent / (end - begin), turns / (end - begin), master.memory_info().rss


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


@contextmanager
def _master(folder: Path, job: Job, web: int, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    users = job.workers * job.sessions
    command = [
        *(Path(sys.executable).with_name("locust"), "-f", ROOT / "locustfiles" / "realtime.py"),
        *("--master", "--master-bind-port", job.port, "--expect-workers", job.workers),
        *("--web-host", "127.0.0.1", "--web-port", web, "--autostart", "--autoquit", 0),
        *("-u", users, "-r", users, "-t", f"{round(seconds)}s", "--run-dir", folder / "runs"),
        *("--host", "ws://127.0.0.1:9"),
    ]
    with (folder / "master.txt").open("wb") as log:
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _simulated(job: Job) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.swarm.workers"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    with process:
        try:
            process.stdin.write(msgspec.json.encode(job).decode() + "\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()


@contextmanager
def _visited(url: str) -> Iterator[dict[str, list[float]]]:
    """Somebody looks at the page, and Prometheus scrapes, meanwhile; seconds of each answer."""
    over = Event()
    took: dict[str, list[float]] = {PAGE: [], METRICS: []}

    def visit(path: str, every: float) -> None:
        while not over.wait(every):
            begin = monotonic()
            # Before it begins to serve, and when it has ended, there is nobody.
            with suppress(OSError), urllib.request.urlopen(url + path, timeout=10) as answer:
                answer.read()
                took[path].append(monotonic() - begin)

    visitors = [
        Thread(target=visit, args=visited, daemon=True)
        for visited in ((PAGE, PAGE_EVERY), (METRICS, SCRAPE_EVERY))
    ]
    for visitor in visitors:
        visitor.start()
    try:
        yield took
    finally:
        over.set()


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def master_table(costs: Sequence[MasterCost]) -> Table:
    """A row a size."""
    table = Table(
        title="A master, a page of its web UI open, scraped every 5 s",
        caption="CPU: share of a core; answer: to a worker's heartbeat, p99\n"
        "page: what it asks for; kept: of turns sent, those on disk",
    )
    for name in ("workers", "sessions", "turns/s", "CPU", "memory", "answer", "page", "kept"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in costs:
        slow = " (workers late)" if one.late_s > 1 else ""
        table.add_row(
            str(one.workers),
            str(one.sessions),
            f"{one.turns_per_s:.0f}{slow}",
            f"{one.cpu:.1%}",
            f"{one.memory_mb:.0f} MB",
            f"{one.heartbeat_p99_ms:.0f} ms",
            f"{one.page_ms:.0f} ms",
            f"{one.turns_kept / one.turns_sent:.2%}",
        )
    return table
