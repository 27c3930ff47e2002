"""What a simulated endpoint costs on a core of its own, with everybody talking to it."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import msgspec
import psutil
from rich.table import Table

from bench.results import Measured
from bench.runs import perform
from bench.workload import Job, Plan, speech, turn_seconds
from harness.simulator.process import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["FULL", "QUICK", "Cost", "Load", "costs", "costs_table"]

DUTIES = {"push to talk": "none", "open microphone": "server_vad"}
TTFA = "uniform(100ms, 300ms)"
LATENESS_TARGET_MS = 2.0
CAPTION = """\
CPU: share of the endpoint's core; others: of the time, that it waited for the core
late: first audio due to sent, ms, by the endpoint's own log; !: over 2 ms
speech: frames of the callers, due to written, p99, ms"""


class Load(msgspec.Struct, frozen=True):
    """So many callers, each with its own session."""

    sessions: int
    frame_ms: int  # of speech, both ways
    duty: str


FULL = tuple(Load(*size, duty) for size in ((1000, 100), (400, 20)) for duty in DUTIES)
QUICK = tuple(Load(4, 20, duty) for duty in DUTIES)


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a load came to."""

    load: Load
    seconds: float  # that were measured
    answers: int  # whose first audio fell due in that time
    cpu: float  # share of the endpoint's core
    starved: float  # share of all the time in which it was ready to run, and others had the core
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float
    speech_late_p99_ms: float  # frames of the callers, due to written
    memory_mb: float

    @property
    def holds(self) -> bool:
        """Whether the endpoint kept its time."""
        return self.late_p99_ms <= LATENESS_TARGET_MS


def costs(loads: Sequence[Load], plan: Plan, cores: tuple[int, int]) -> Iterator[Cost]:
    """
    Lay each load on a fresh endpoint.

    Args:
        loads: In this order.
        plan: How long is measured, and what is said.
        cores: The callers', and the endpoint's.

    """
    for load in loads:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            yield _cost(load, plan, cores, Path(name))


def costs_table(measured: Sequence[Cost]) -> Table:
    """For the terminal."""
    shown = Table(title="The simulated endpoint on one core", caption=CAPTION)
    shown.add_column("callers")
    for name in ("CPU", "others", "late p50", "p99", "max", "speech", "MB"):
        shown.add_column(name, justify="right", no_wrap=True)
    for one in measured:
        load = one.load
        shown.add_row(
            f"{load.sessions} at {load.frame_ms} ms, {load.duty}",
            f"{one.cpu:.0%}",
            f"{one.starved:.0%}",
            f"{one.late_p50_ms:.2f}",
            f"{one.late_p99_ms:.2f}" + ("" if one.holds else " !"),
            f"{one.late_max_ms:.1f}",
            f"{one.speech_late_p99_ms:.1f}",
            f"{one.memory_mb:.0f}",
        )
    return shown


def _cost(load: Load, plan: Plan, cores: tuple[int, int], folder: Path) -> Cost:
    options = (
        *("--speed", "1", "--delta-ms", str(load.frame_ms), "--ttfa", TTFA),
        *("--answer", f"{round(speech(plan.utterance).audio_s * 1000)}ms"),
    )
    with SimulatorProcess(options, folder / "truth.jsonl", core=cores[1]) as endpoint:
        job = Job(
            url=endpoint.url,
            sessions=load.sessions,
            utterance=plan.utterance,
            warm_up_s=plan.turns_before * turn_seconds(plan.utterance),
            seconds=plan.seconds,
            core=cores[0],
            other_core=cores[1],
            folder=str(folder),
            options={"frame_ms": str(load.frame_ms), "turn_detection": DUTIES[load.duty]},
        )
        began, starved = monotonic(), _starved(endpoint.pid)
        cpu = perform("harness", job, endpoint).endpoint_cpu
        starved = (_starved(endpoint.pid) - starved) / (monotonic() - began)
        memory_mb = psutil.Process(endpoint.pid).memory_info().rss / 1e6
    callers = msgspec.json.decode((folder / "measured.json").read_bytes(), type=Measured)
    late = [
        (line["first_out"] - line["first_due"]) / 1e6
        for line in endpoint.truth()
        if line["first_out"] and callers.began <= line["first_due"] < callers.ended
    ]
    return Cost(
        load=load,
        seconds=(callers.ended - callers.began) / 1e9,
        answers=len(late),
        cpu=cpu,
        starved=starved,
        late_p50_ms=statistics.median(late),
        late_p99_ms=statistics.quantiles(late, n=100, method="inclusive")[98],
        late_max_ms=max(late),
        speech_late_p99_ms=callers.lateness_p99_s * 1000,
        memory_mb=memory_mb,
    )


def _starved(pid: int) -> float:
    """Seconds that a process was ready to run and had no processor; 0 where nobody counts them."""
    counts = Path(f"/proc/{pid}/schedstat")
    return int(counts.read_text().split()[1]) / 1e9 if counts.exists() else 0.0
