"""``python -m bench``: the whole worker beside plain clients, or what a part of it all costs."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.beside import COMPARED, Found, Program, as_page, measure, measure_events, show
from bench.page import write_part
from bench.runs import CLIENTS, TLS
from bench.workload import QUICK, Plan

QUICK_SESSIONS = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print tables."""
    options = _parser().parse_args(arguments)
    console = Console()
    if options.report:
        return _report(console, options)
    if options.master:
        return _master(console, options)
    if options.simulator:
        return _simulator(console, options)
    if options.capacity:
        return _capacity(console, options)
    if options.comparisons:
        return _comparisons(console, options)
    return _beside(options)


def _beside(options: argparse.Namespace) -> int:
    found = Found()
    if not options.events:
        measure(_program(options), found, _cores())
    if options.events or not options.quick:
        measure_events(found, _cores()[0])
    show(found)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    if options.markdown:
        write_part(options.markdown, as_page(found))
    return 0


def _program(options: argparse.Namespace) -> Program:
    if options.quick:
        sizes = [QUICK_SESSIONS], [2 * QUICK_SESSIONS] if options.growth else []
        return Program(QUICK, sizes[0], options.clients, 1, sizes[1], QUICK_SESSIONS)
    return Program(
        Plan(seconds=options.seconds),
        options.sessions,
        options.clients,
        options.repeat,
        options.growth,
        options.connects,
    )


def _master(console: Console, options: argparse.Namespace) -> int:
    from bench.large import master_costs, master_table

    costs = [*master_costs(options, _cores()[0])]
    return _tell(console, master_table(costs), costs, options.json)


def _report(console: Console, options: argparse.Namespace) -> int:
    from bench.large import report_costs, report_table

    costs = [*report_costs(options)]
    return _tell(console, report_table(costs), costs, options.json)


def _tell(
    console: Console, table: Table, costs: Sequence[msgspec.Struct], path: Path | None
) -> int:
    console.print(table)
    if path:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(costs)))
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
    return _tell(console, costs_table(measured), measured, options.json)


def _capacity(console: Console, options: argparse.Namespace) -> int:
    from bench.capacity import FULL, QUICK, found_table, search_all

    found = []
    for one in search_all(QUICK if options.quick else FULL, options.repeat):
        found.append(one)
        print(f"seed {one.seed}: {one.text}; true: {one.true}", file=sys.stderr)
    console.print(found_table(found))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    return int(not all(one.right for one in found))


def _comparisons(console: Console, options: argparse.Namespace) -> int:
    from bench.comparisons import LEAST_FOUND, MOST_ALARMS, pairs, pairs_table

    found = list(pairs(options.comparisons))
    console.print(pairs_table(found))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    alarms, seen = (sum(getattr(one, name) for one in found) for name in ("alarm", "found"))
    return int(alarms > MOST_ALARMS * len(found) or seen < LEAST_FOUND * len(found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--sessions", type=_numbers, default=[400], help="Sizes at which all are compared")
    add("--clients", type=_clients, default=COMPARED, help=f"Of {', '.join(CLIENTS)}; each with {TLS}, too")  # fmt: skip # noqa: E501
    add("--repeat", type=int, default=3, help="Repetitions of each client, in turn")
    add("--seconds", type=float, default=10.0, help="Measured in each run")
    add("--growth", type=_numbers, default=[100, 200, 800], help="Further sizes of the worker, once each")  # fmt: skip # noqa: E501
    add("--connects", type=int, default=400, help="Sessions opened as fast as can be; 0: none")
    add("--quick", action="store_true", help="A few sessions for a moment: does it work?")
    add("--events", action="store_true", help="Only what single events cost")
    add("--master", action="store_true", help="What the master of a swarm costs, instead")
    add("--workers", type=_numbers, default=[10, 50, 100], help="With --master: sizes")
    add("--each", type=int, default=500, help="With --master: sessions of a worker")
    add("--scenarios", type=int, default=4, help="With --master: that callers play")
    add("--report", action="store_true", help="What the report of a long run takes, instead")
    add("--turns", type=_numbers, default=[2_500_000, 5_000_000], help="With --report: sizes")
    add("--simulator", action="store_true", help="What the simulated endpoint costs, instead")
    add("--capacity", action="store_true", help="Searches for a capacity that is known, instead")
    add("--comparisons", type=int, metavar="SEEDS", help="How often comparisons err, instead")
    add("--json", type=Path, metavar="FILE", help="Write all that was measured there, too")
    add("--markdown", type=Path, metavar="FILE", help="Write the tables there, too: between the marks of bench/README.md, say")  # fmt: skip # noqa: E501
    return parser


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def _clients(text: str) -> list[str]:
    names = text.split(",")
    if unknown := {name.removesuffix(TLS) for name in names} - set(CLIENTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


def _cores() -> tuple[int, int]:
    """The client's, and the endpoint's; one for both on a machine that has no other."""
    ours = sorted(os.sched_getaffinity(0))
    return ours[0], ours[min(1, len(ours) - 1)]


if __name__ == "__main__":
    sys.exit(main())
