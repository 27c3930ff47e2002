"""One client process against a fresh endpoint, again and again in turn."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic

import msgspec
import psutil

from bench.results import Measured, Result, result
from bench.workload import Job, Plan, simulator_options, turn_seconds, window_seconds
from harness.simulator.process import SimulatorProcess

__all__ = [
    "CLIENTS",
    "TLS",
    "cpu_seconds",
    "job_of",
    "perform",
    "repeat",
    "run",
    "running_endpoint",
]

CLIENTS = {
    "worker": "bench.clients.worker",
    "picows": "bench.clients.picows_uvloop",
    "websocket-client": "bench.clients.websocket_client",
    "websockets.sync": "bench.clients.websockets_sync",
    "harness": "bench.clients.harness",
}
"""Clients by name: the modules that are run."""

TLS = "+tls"
"""What a name ends with if the client is to talk over TLS."""


class Spent(msgspec.Struct, frozen=True):
    """What was spent while a client measured, in seconds."""

    seconds: float
    endpoint_s: float  # CPU time of the endpoint
    busy_s: float  # CPU time of all processes of this machine

    @property
    def endpoint_cpu(self) -> float:
        """The share of its core that the endpoint used."""
        return self.endpoint_s / self.seconds


def repeat(
    plan: Plan, clients: Sequence[str], sessions: int, times: int, cores: tuple[int, int]
) -> Iterator[Result]:
    """All clients in turn, so that what else goes on here meets them alike."""
    for repetition in range(times):
        for client in clients:
            yield run(plan, client, sessions, cores, repetition)


def run(
    plan: Plan, client: str, sessions: int, cores: tuple[int, int], repetition: int = 0
) -> Result:
    """
    Measure one client once.

    Args:
        plan: How long, and what is said.
        client: One of ``CLIENTS``, with or without ``TLS``.
        sessions: All open at once.
        cores: The client's, and the endpoint's.
        repetition: Its ordinal.

    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        tls = client.endswith(TLS)
        with running_endpoint(plan, folder, cores, tls=tls) as endpoint:
            job = job_of(plan, endpoint.url, sessions, cores, folder, tls=tls)
            spent = perform(client, job, endpoint)
        measured = msgspec.json.decode((folder / "measured.json").read_bytes(), type=Measured)
        return result(
            client,
            job,
            repetition,
            measured,
            endpoint.truth(),
            endpoint_cpu=spent.endpoint_cpu,
            busy_s=spent.busy_s,
        )


def running_endpoint(
    plan: Plan, folder: Path, cores: tuple[int, int], *, tls: bool
) -> SimulatorProcess:
    """An endpoint that answers as the plan says; over TLS, ``ca.pem`` is whom to trust."""
    options = simulator_options(plan.utterance)
    trust = ["--tls", str(folder / "ca.pem")] if tls else []
    return SimulatorProcess([*options, *trust], folder / "truth.jsonl", core=cores[1])


def job_of(
    plan: Plan, url: str, sessions: int, cores: tuple[int, int], folder: Path, *, tls: bool
) -> Job:
    """What a client is to do."""
    return Job(
        url=url,
        sessions=sessions,
        utterance=plan.utterance,
        warm_up_s=plan.turns_before * turn_seconds(plan.utterance),
        seconds=window_seconds(plan),
        core=cores[0],
        other_core=cores[1],
        folder=str(folder),
        ca_file=str(folder / "ca.pem") if tls else None,
    )


def perform(client: str, job: Job, endpoint: SimulatorProcess) -> Spent:
    """Let a client do its job."""
    process = subprocess.Popen(
        [sys.executable, "-m", CLIENTS[client.removesuffix(TLS)]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(msgspec.json.encode(job).decode() + "\n")
        process.stdin.flush()
        # It says a word when it begins to measure, and one when it ends.
        instants = [_now(endpoint) for _ in process.stdout]
    if process.returncode or len(instants) != 2:
        raise RuntimeError(f"the client {client} failed")
    return Spent(*(after - before for before, after in zip(*instants, strict=True)))


def _now(endpoint: SimulatorProcess) -> tuple[float, float, float]:
    """Now, and the CPU time used so far: by the endpoint, and by all processes."""
    times = psutil.cpu_times()
    busy = times.user + times.system + times.irq + times.softirq  # user includes guests, nice not
    return monotonic(), cpu_seconds(endpoint.pid), busy + times.nice


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, user and system, all threads."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
