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
from bench.workload import Job, Plan, simulator_options, turn_seconds
from harness.simulator.process import SimulatorProcess

__all__ = ["CLIENTS", "perform", "repeat", "run"]

# "whole worker", with Locust, belongs here once it can be told when to begin and when to end.
CLIENTS = {
    "harness": "bench.clients.harness",
    "websockets.sync": "bench.clients.websockets_sync",
    "websocket-client": "bench.clients.websocket_client",
}
"""Clients by name: the modules that are run."""


def repeat(
    plan: Plan, clients: Sequence[str], sizes: Sequence[int], times: int, cores: tuple[int, int]
) -> Iterator[Result]:
    """All clients in turn, so that what else goes on here meets them alike."""
    for sessions in sizes:
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
        client: One of ``CLIENTS``.
        sessions: All open at once.
        cores: The client's, and the endpoint's.
        repetition: Its ordinal.

    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        options = simulator_options(plan.utterance)
        with SimulatorProcess(options, folder / "truth.jsonl", core=cores[1]) as endpoint:
            job = Job(
                url=endpoint.url,
                sessions=sessions,
                utterance=plan.utterance,
                warm_up_s=plan.turns_before * turn_seconds(plan.utterance),
                seconds=plan.seconds,
                core=cores[0],
                folder=name,
            )
            endpoint_cpu = perform(client, job, endpoint)
        measured = msgspec.json.decode((folder / "measured.json").read_bytes(), type=Measured)
        return result(client, job, repetition, measured, endpoint.truth(), endpoint_cpu)


def perform(client: str, job: Job, endpoint: SimulatorProcess) -> float:
    """Let a client do its job; the share of its core that the endpoint used meanwhile."""
    process = subprocess.Popen(
        [sys.executable, "-m", CLIENTS[client]],
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
        marks = [(monotonic(), _cpu_seconds(endpoint.pid)) for _ in process.stdout]
    if process.returncode or len(marks) != 2:
        raise RuntimeError(f"the client {client} failed")
    (began, before), (ended, after) = marks
    return (after - before) / (ended - began)


def _cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, user and system."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
