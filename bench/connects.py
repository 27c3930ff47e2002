"""How many sessions a second a core opens, from dialling to ``session.updated``."""

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.runs import cpu_seconds, job_of, running_endpoint
from bench.workload import Plan

__all__ = ["Connects", "measure_connects"]

CLIENT = "bench.clients.connects"


class Connects(msgspec.Struct, frozen=True, kw_only=True):
    """So many sessions, opened as fast as they could be."""

    tls: bool = False
    sessions: int
    seconds: float
    cpu_s: float  # of the process that opened them
    endpoint_cpu_s: float = 0.0  # of the endpoint, hanging up included

    @property
    def per_second(self) -> float:
        """Sessions a second."""
        return self.sessions / self.seconds


def measure_connects(plan: Plan, sessions: int, cores: tuple[int, int], *, tls: bool) -> Connects:
    """Open so many sessions, and hang up."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with running_endpoint(plan, folder, cores, tls=tls) as endpoint:
            job = job_of(plan, endpoint.url, sessions, cores, folder, tls=tls)
            before = cpu_seconds(endpoint.pid)
            done = subprocess.run(
                [sys.executable, "-m", CLIENT],
                input=msgspec.json.encode(job),
                stdout=subprocess.PIPE,
                check=True,
            )
            spent = cpu_seconds(endpoint.pid) - before
    found = msgspec.json.decode(done.stdout, type=Connects)
    return msgspec.structs.replace(found, tls=tls, endpoint_cpu_s=spent)
