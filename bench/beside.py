"""The whole worker beside plain clients: what is measured, and how it is shown."""

import os
import sys
from collections.abc import Iterator, Sequence

import msgspec
from rich.console import Console

from bench.connects import Connects, measure_connects
from bench.events import EventCost, event_costs
from bench.grid import Grid, as_markdown, as_table
from bench.machine import machine
from bench.results import Result, Summary, summarise
from bench.runs import CLIENTS, TLS, repeat
from bench.tables import compared, connected, each_run, event_costs_grid, growth
from bench.targets import targets
from bench.workload import Plan

__all__ = ["COMPARED", "Found", "Program", "as_page", "measure", "measure_events", "show"]

OURS = "worker"
COMPARED = (*CLIENTS, OURS + TLS)
WIDTH = 140  # columns, where there is no terminal


class Program(msgspec.Struct, frozen=True):
    """What is to be measured."""

    plan: Plan
    sessions: Sequence[int]  # sizes at which all clients are compared
    clients: Sequence[str]
    times: int
    growth: Sequence[int]  # further sizes of the worker, once each
    connects: int  # sessions opened as fast as can be


class Found(msgspec.Struct):
    """All that was measured."""

    machine: str = msgspec.field(default_factory=machine)
    runs: list[Result] = []
    medians: list[Summary] = []
    connects: list[Connects] = []
    events: list[EventCost] = []

    def grids(self) -> Iterator[Grid]:
        """The tables that it fills."""
        yield from compared(self.runs)
        yield from growth(self.runs)
        if self.connects:
            yield connected(self.connects)
        if self.events:
            yield event_costs_grid(self.events)
        if self.runs:
            yield each_run(self.runs)


def measure(program: Program, found: Found, cores: tuple[int, int]) -> None:
    """Measure it all, and tell of each run as it ends."""
    series = [(size, program.clients, program.times) for size in program.sessions]
    series += [(size, [OURS], 1) for size in program.growth]
    runs = sum(len(clients) * times for _, clients, times in series)
    for size, clients, times in series:
        for result in repeat(program.plan, clients, size, times, cores):
            found.runs.append(result)
            print(f"{len(found.runs)}/{runs} {_line(result)}", file=sys.stderr, flush=True)
    found.medians = summarise(found.runs)
    for tls in (False, True) if program.connects else ():
        found.connects.append(measure_connects(program.plan, program.connects, cores, tls=tls))


def measure_events(found: Found, core: int) -> None:
    """Price single events; last, since what this process begins afterwards stays on the core."""
    os.sched_setaffinity(0, {core})
    found.events = event_costs()


def _line(result: Result) -> str:
    return (
        f"{result.client}, {result.sessions} sessions: CPU {result.cpu:.2f}, "
        f"late p99 {result.lateness_p99_ms:.1f} ms, error p99 {result.ttfa_error_p99_ms:.2f} ms, "
        f"others {result.others_cpu:.2f} cores {result.verdict}"
    )


def show(found: Found) -> None:
    """Print tables, and what was reached."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(found.machine)
    for grid in found.grids():
        console.print(as_table(grid))
    for target in targets(found.runs):
        console.print(str(target))


def as_page(found: Found) -> str:
    """The same in Markdown."""
    reached = "".join(f"- {target}\n" for target in targets(found.runs))
    parts = [f"{found.machine}.\n", *map(as_markdown, found.grids()), reached]
    return "\n".join(part for part in parts if part)
