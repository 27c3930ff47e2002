"""What a large swarm asks of its master, and a long run of its report: size by size."""

import argparse
import sys
from collections.abc import Iterator

from bench.report import ReportCost, report_cost, report_table
from bench.swarm.master import SETTLE, MasterCost, master_cost, master_table

__all__ = ["master_costs", "master_table", "report_costs", "report_table"]

QUICK_EACH = 20  # sessions of a worker
QUICK_SECONDS = 2.0


def master_costs(options: argparse.Namespace, core: int) -> Iterator[MasterCost]:
    """A master with more and more workers; ``core``: its own."""
    sizes, each, seconds, settle = options.workers, options.each, options.seconds, SETTLE
    if options.quick:
        sizes, each, seconds, settle = [2], QUICK_EACH, QUICK_SECONDS, QUICK_SECONDS
    for workers in sizes:
        yield master_cost(
            workers, each, seconds, scenarios=options.scenarios, settle=settle, core=core
        )
        print(f"{workers} workers", file=sys.stderr)


def report_costs(options: argparse.Namespace) -> Iterator[ReportCost]:
    """The report of more and more turns."""
    for turns in [2_000] if options.quick else options.turns:
        yield report_cost(turns, *((2, 500) if options.quick else ()))
        print(f"{turns} turns", file=sys.stderr)
