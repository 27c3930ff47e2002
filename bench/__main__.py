"""``python -m bench``: the harness beside plain clients, or what single events cost it."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from bench.results import Result, summarise
from bench.runs import CLIENTS, repeat
from bench.tables import events_table, tables, target_lines
from bench.workload import QUICK, Plan

QUICK_SESSIONS = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print tables."""
    options = _parser().parse_args(arguments)
    console = Console()
    if options.events:
        return _events(console, options.json)
    if options.report:
        return _report(console, options)
    if options.master:
        return _master(console, options)
    if options.simulator:
        return _simulator(console, options)
    plan, sizes, times = Plan(seconds=options.seconds), options.sessions, options.repeat
    if options.quick:
        plan, sizes, times = QUICK, [QUICK_SESSIONS], 1
    results: list[Result] = []
    for result in repeat(plan, options.clients, sizes, times, _cores()):
        results.append(result)
        runs = len(sizes) * times * len(options.clients)
        print(f"{len(results)}/{runs} {result.client}, {result.sessions} sessions", file=sys.stderr)
    for table in tables(results):
        console.print(table)
    for line in target_lines(results):
        console.print(line)
    if options.json:
        document = {"runs": results, "medians": summarise(results)}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(document)))
    return 0


def _events(console: Console, path: Path | None) -> int:
    from bench.events import event_costs

    os.sched_setaffinity(0, {_cores()[0]})
    costs = event_costs()
    console.print(events_table(costs))
    if path:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(costs)))
    return 0


def _master(console: Console, options: argparse.Namespace) -> int:
    from bench.swarm.master import master_cost, master_table

    costs = []
    for workers in options.workers:
        costs.append(master_cost(workers, options.sessions_each, options.seconds, _cores()[0]))
        print(f"{workers} workers", file=sys.stderr)
    console.print(master_table(costs))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(costs)))
    return 0


def _report(console: Console, options: argparse.Namespace) -> int:
    from bench.report import report_cost, report_table

    costs = []
    for turns in options.turns:
        costs.append(report_cost(turns))
        print(f"{turns} turns", file=sys.stderr)
    console.print(report_table(costs))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(costs)))
    return 0


def _simulator(console: Console, options: argparse.Namespace) -> int:
    from bench.simulator import FULL, costs, costs_table
    from bench.simulator import QUICK as QUICK_LOADS

    loads, plan = FULL, Plan(seconds=options.seconds)
    if options.quick:
        loads, plan = QUICK_LOADS, QUICK
    measured = []
    for cost in costs(loads, plan, _cores()):
        measured.append(cost)
        print(f"{len(measured)}/{len(loads)} {cost.load.sessions} callers", file=sys.stderr)
    console.print(costs_table(measured))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(measured)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--sessions", type=_numbers, default=[100, 400], help="Sizes, with commas: 100,400")
    add("--seconds", type=float, default=20.0, help="Measured in each run")
    add("--repeat", type=int, default=3, help="Repetitions of each client, in turn")
    add("--clients", type=_clients, default=list(CLIENTS), help=f"Of {', '.join(CLIENTS)}")
    add("--quick", action="store_true", help="A few sessions for a moment: does it work?")
    add("--events", action="store_true", help="What single events cost, instead")
    add("--master", action="store_true", help="What the master of a swarm costs, instead")
    add("--workers", type=_numbers, default=[10, 50, 100], help="With --master: sizes")
    add("--sessions-each", type=int, default=500, help="With --master: of one worker")
    add("--report", action="store_true", help="What the report of a long run takes, instead")
    add("--turns", type=_numbers, default=[1_000_000, 2_000_000], help="With --report: sizes")
    add("--simulator", action="store_true", help="What the simulated endpoint costs, instead")
    add("--json", type=Path, metavar="FILE", help="Write all that was measured there, too")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _clients(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(CLIENTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


def _cores() -> tuple[int, int]:
    """The client's, and the endpoint's; one for both on a machine that has no other."""
    ours = sorted(os.sched_getaffinity(0))
    return ours[0], ours[min(1, len(ours) - 1)]


if __name__ == "__main__":
    sys.exit(main())
