"""What a run came to, beside the endpoint's truth, and what several come to together."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import msgspec

from bench.workload import Job, frames_per_second

__all__ = ["Measured", "Result", "Summary", "quantile", "ratios", "result", "summarise"]

KEEPS_UP = 0.98


class Measured(msgspec.Struct, kw_only=True):
    """What a client process found out about itself."""

    began: int  # ns, monotonic
    ended: int
    cpu_s: float  # user and system, all threads
    frames: int  # sent in the window
    lateness_p50_s: float  # of these
    lateness_p99_s: float
    first_audio: dict[str, int]  # response id to the instant its first audio came, ns
    connect_s: float  # for all sessions
    memory_bytes: int  # resident, more than before the first session was dialled
    verdict: str = ""  # on itself, if it says one


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One client, measured once."""

    client: str
    sessions: int
    repetition: int
    cpu: float  # seconds a 1000 session-seconds
    lateness_p50_ms: float  # frame due to frame written
    lateness_p99_ms: float
    spoken: float  # frames sent, as a share of those of a client that is never late
    ttfa_error_p50_ms: float  # our first_audio - the endpoint's first_out
    ttfa_error_p99_ms: float
    turns: int  # these were compared
    unmatched: int  # answers of the window whose first audio the client does not know
    endpoint_cpu: float  # share of its core
    others_cpu: float  # of all other processes, in cores
    connect_s: float
    memory_kb: float  # a session
    verdict: str = ""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The medians of one client at one size."""

    client: str
    sessions: int
    repetitions: int
    cpu: float
    lateness_p50_ms: float
    lateness_p99_ms: float
    ttfa_error_p50_ms: float
    ttfa_error_p99_ms: float
    turns: float
    spoken: float
    endpoint_cpu: float
    others_cpu: float
    memory_kb: float

    @property
    def keeps_up(self) -> bool:
        """Whether it spoke at speaking pace; if not, it had less to do than the others."""
        return self.spoken > KEEPS_UP


def result(
    client: str,
    job: Job,
    repetition: int,
    measured: Measured,
    truth: Sequence[dict[str, Any]],
    *,
    endpoint_cpu: float,
    busy_s: float,
) -> Result:
    """
    Join what a client measured with the truth log, by response id.

    Args:
        client: Its name.
        job: What it was asked to do.
        repetition: Its ordinal.
        measured: What it found out.
        truth: The endpoint's log.
        endpoint_cpu: Share of its core that the endpoint used.
        busy_s: CPU time that all processes of the machine used in the window.

    Raises:
        RuntimeError: If nothing can be compared.

    """
    seconds = (measured.ended - measured.began) / 1e9
    sent = {line["response_id"]: line["first_out"] for line in truth if line["first_out"]}
    inside = {name: at for name, at in sent.items() if measured.began <= at < measured.ended}
    seen = measured.first_audio
    errors = sorted((seen[name] - at) / 1e6 for name, at in inside.items() if name in seen)
    if not errors:
        raise RuntimeError(f"no answer of {client} is in the endpoint's log")
    return Result(
        client=client,
        sessions=job.sessions,
        repetition=repetition,
        cpu=measured.cpu_s / (job.sessions * seconds) * 1000,
        lateness_p50_ms=measured.lateness_p50_s * 1000,
        lateness_p99_ms=measured.lateness_p99_s * 1000,
        spoken=measured.frames / job.sessions / seconds / frames_per_second(job.utterance),
        ttfa_error_p50_ms=quantile(errors, 0.5),
        ttfa_error_p99_ms=quantile(errors, 0.99),
        turns=len(errors),
        unmatched=len(inside) - len(errors),
        endpoint_cpu=endpoint_cpu,
        others_cpu=max(0.0, (busy_s - measured.cpu_s) / seconds - endpoint_cpu),
        connect_s=measured.connect_s,
        memory_kb=measured.memory_bytes / job.sessions / 1000,
        verdict=measured.verdict,
    )


def summarise(results: Sequence[Result]) -> list[Summary]:
    """Medians by size and client, in the order in which they came."""
    groups: dict[tuple[int, str], list[Result]] = {}
    for one in results:
        groups.setdefault((one.sessions, one.client), []).append(one)
    own = ("client", "sessions", "repetitions")
    fields = [name for name in Summary.__struct_fields__ if name not in own]
    return [
        Summary(
            client=client,
            sessions=sessions,
            repetitions=len(group),
            **{name: median(getattr(one, name) for one in group) for name in fields},
        )
        for (sessions, client), group in groups.items()
    ]


def ratios(
    results: Sequence[Result], client: str, sessions: int
) -> Iterator[tuple[str, list[float]]]:
    """CPU time of ``client`` over each other's, repetition by repetition."""
    by_client: dict[str, dict[int, float]] = {}
    for one in results:
        if one.sessions == sessions:
            by_client.setdefault(one.client, {})[one.repetition] = one.cpu
    own = by_client.pop(client, {})
    for other, cpus in by_client.items():
        if both := own.keys() & cpus.keys():
            yield other, [own[repetition] / cpus[repetition] for repetition in sorted(both)]


def quantile(ordered: Sequence[float], q: float) -> float:
    """The value under which a share ``q`` lies, of values in their order."""
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
