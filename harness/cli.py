"""The command ``realtime-harness``; a subcommand is a module with ``add_arguments`` and ``run``."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from harness import __version__
from harness.errors import CommandError

__all__ = ["main"]

COMMANDS = {
    "options": ("harness.explain", "explain the options of a load test"),
    "simulate": ("harness.simulator.command", "run a realtime endpoint with known latency"),
    "report": ("harness.report.command", "make summary.json and report.html of a run"),
    "plan": ("harness.plan.command", "say what a load test will send and cost, before it starts"),
    "selftest": ("harness.selftest.command", "hold what is measured here against the truth"),
    "check": ("harness.report.check", "judge a run by its objectives, for CI"),
    "compare": ("harness.report.compare", "compare two runs: what got worse, beyond doubt"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code; no other's libraries are imported."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="realtime-harness", description="Load tests for realtime voice endpoints."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in arguments if word in COMMANDS), None)
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        if name == chosen:
            importlib.import_module(module).add_arguments(command)
    options = parser.parse_args(arguments)
    try:
        return int(importlib.import_module(COMMANDS[options.command][0]).run(options))
    except CommandError as error:
        print(f"realtime-harness {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
