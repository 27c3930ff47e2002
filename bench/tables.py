"""What was measured, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from bench.connects import Connects
from bench.grid import Grid
from bench.results import Result, Summary, ratios, summarise
from harness.percentiles import percentile_too_thin

if TYPE_CHECKING:
    from bench.events import EventCost

__all__ = ["compared", "connected", "each_run", "event_costs_grid", "growth"]

OURS = "worker"
BUSY = 0.8  # share of its core above which the endpoint may be what is measured
COLUMNS = ("client", "CPU", "late p50", "p99", "error p50", "p99", "kB", "endpoint", "others")
UNITS = (
    "CPU: seconds a 1000 session-seconds; late: frame due to written, ms; error: of TTFA, ms;",
    "kB: of memory a session; endpoint: share of its own core; others: cores that other",
    "processes took meanwhile.",
)


def compared(results: Sequence[Result]) -> Iterator[Grid]:
    """For each number of sessions the medians of several clients, beside each other."""
    medians = summarise(results)
    for sessions in dict.fromkeys(one.sessions for one in medians):
        shown = [one for one in medians if one.sessions == sessions]
        if len(shown) == 1:
            continue
        times = max(one.repetitions for one in shown)
        yield Grid(
            title=f"{sessions} sessions, 20 ms frames, push to talk, medians of {times}",
            columns=COLUMNS,
            rows=[_row(one) for one in shown],
            notes=UNITS,
        )
        if beside := list(_beside(results, sessions)):
            yield Grid(
                title=f"CPU of the {OURS} beside it, {sessions} sessions",
                columns=("beside", "ratio", "in each repetition"),
                rows=beside,
            )


def _row(one: Summary) -> tuple[str, ...]:
    slow = "" if one.keeps_up else " (too slow)"
    busy = " (busy)" if one.endpoint_cpu > BUSY else ""
    return (
        one.client + slow,
        f"{one.cpu:.2f}",
        f"{one.lateness_p50_ms:.2f}",
        f"{one.lateness_p99_ms:.2f}",
        f"{one.ttfa_error_p50_ms:.3f}",
        "–" if percentile_too_thin(0.99, int(one.turns)) else f"{one.ttfa_error_p99_ms:.3f}",
        f"{one.memory_kb:.0f}",
        f"{one.endpoint_cpu:.0%}{busy}",
        f"{one.others_cpu:.2f}",
    )


def _beside(results: Sequence[Result], sessions: int) -> Iterator[tuple[str, ...]]:
    for other, each in ratios(results, OURS, sessions):
        yield other, f"{median(each):.2f}", ", ".join(f"{ratio:.2f}" for ratio in each)


def each_run(results: Sequence[Result]) -> Grid:
    """All runs, one by one."""
    return Grid(
        title="each run",
        columns=("client", "sessions", "run", *COLUMNS[1:], "turns", "verdict"),
        rows=[
            (
                one.client,
                str(one.sessions),
                str(one.repetition + 1),
                *_row(summarise([one])[0])[1:],
                str(one.turns),
                one.verdict,
            )
            for one in results
        ],
    )


def growth(results: Sequence[Result]) -> Iterator[Grid]:
    """One client at several sizes: what a further session costs."""
    medians = [one for one in summarise(results) if one.client == OURS]
    medians.sort(key=lambda one: one.sessions)
    if len(medians) < 2:
        return
    least, most = medians[0], medians[-1]
    more_kb = most.memory_kb * most.sessions - least.memory_kb * least.sessions
    yield Grid(
        title=f"growth of the {OURS}",
        columns=("sessions", "core", *COLUMNS[1:]),
        rows=[
            (str(one.sessions), f"{one.cpu * one.sessions / 1000:.0%}", *_row(one)[1:])
            for one in medians
        ],
        notes=(
            f"core: share of it. From {least.sessions} to {most.sessions} sessions each costs",
            f"{more_kb / (most.sessions - least.sessions):.0f} kB more.",
        ),
    )


def connected(found: Sequence[Connects]) -> Grid:
    """How fast sessions are opened."""
    return Grid(
        title="sessions opened, from dialling to session.updated, 32 at a time",
        columns=("", "sessions", "a second", "CPU ms each", "endpoint's"),
        rows=[
            (
                "TLS" if one.tls else "plaintext",
                str(one.sessions),
                f"{one.per_second:.0f}",
                f"{one.cpu_s / one.sessions * 1000:.2f}",
                f"{one.endpoint_cpu_s / one.sessions * 1000:.2f}",
            )
            for one in found
        ],
    )


def event_costs_grid(costs: Sequence[EventCost]) -> Grid:
    """What single events cost."""
    return Grid(
        title="one event",
        columns=("event", "message, bytes", "ns"),
        rows=[(cost.name, str(cost.message_bytes), f"{cost.ns:,.0f}") for cost in costs],
    )
