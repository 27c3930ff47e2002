"""Results as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from bench.results import Result, Summary, ratios, summarise

if TYPE_CHECKING:
    from bench.events import EventCost

__all__ = ["events_table", "tables", "target_lines"]

OURS = "harness"
TARGET_SESSIONS = 400
CPU_TARGETS = {"websockets.sync": 0.5, "websocket-client": 0.6}
LATENESS_TARGET_MS, TTFA_TARGET_MS = 2.0, 1.0
COLUMNS = ("client", "CPU", "ratio", "late", "error", "p99", "kB", "endpoint")
CAPTION = """\
CPU: seconds a 1000 session-seconds; ratio: the harness's to it
late: frame due to written, p99, ms; error: of TTFA, p50 and p99, ms
kB: of memory a session; endpoint: share of its own core"""
BUSY = 0.8  # share of its core above which the endpoint may be what is measured


def tables(results: Sequence[Result]) -> Iterator[Table]:
    """A table for each number of sessions: medians of the repetitions."""
    medians = summarise(results)
    for sessions in dict.fromkeys(one.sessions for one in medians):
        yield _table(sessions, medians, ratios(results, OURS, sessions))


def _table(sessions: int, medians: Sequence[Summary], cpu: dict[str, float]) -> Table:
    table = Table(title=f"{sessions} sessions, 20 ms frames, push to talk", caption=CAPTION)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "client" else "right", no_wrap=True)
    for one in medians:
        if one.sessions == sessions:
            table.add_row(*_cells(one, cpu.get(one.client)))
    return table


def _cells(one: Summary, ratio: float | None) -> tuple[str, ...]:
    slow = "" if one.keeps_up else " (too slow)"
    busy = " (busy)" if one.endpoint_cpu > BUSY else ""
    return (
        one.client + slow,
        f"{one.cpu:.2f}",
        "" if ratio is None else f"{ratio:.2f}",
        f"{one.lateness_p99_ms:.2f}",
        f"{one.ttfa_error_p50_ms:.3f}",
        f"{one.ttfa_error_p99_ms:.3f}",
        f"{one.memory_kb:.0f}",
        f"{one.endpoint_cpu:.0%}{busy}",
    )


def target_lines(results: Sequence[Result]) -> Iterator[str]:
    """What is to be reached, and whether it was."""
    ours = [
        one for one in summarise(results) if one.client == OURS and one.sessions == TARGET_SESSIONS
    ]
    for one in ours:
        for client, ratio in ratios(results, OURS, TARGET_SESSIONS).items():
            yield _line(f"CPU beside {client}", ratio, CPU_TARGETS[client], "")
        yield _line("frame lateness p99", one.lateness_p99_ms, LATENESS_TARGET_MS, " ms")
        yield _line("TTFA error p99", one.ttfa_error_p99_ms, TTFA_TARGET_MS, " ms")


def _line(what: str, value: float, most: float, unit: str) -> str:
    reached = "reached" if value <= most else "MISSED"
    return f"{what}: {value:.2f}{unit}, to be at most {most:g}{unit}: {reached}"


def events_table(costs: Sequence[EventCost]) -> Table:
    """What single events cost."""
    table = Table(title="one event")
    table.add_column("event")
    table.add_column("message, bytes", justify="right")
    table.add_column("ns", justify="right")
    for cost in costs:
        table.add_row(cost.name, str(cost.message_bytes), f"{cost.ns:,.0f}")
    return table
