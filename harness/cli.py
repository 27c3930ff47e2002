"""The command ``realtime-harness``; a subcommand is a module with ``add_arguments`` and ``run``."""

import argparse
import importlib
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NoReturn

from harness import __version__
from harness.errors import CommandError

__all__ = ["main"]

COMMANDS = {
    "simulate": ("harness.simulator.command", "run a realtime endpoint with known latency"),
    "options": ("harness.explain", "explain the options of a load test"),
    "plan": ("harness.plan.command", "say what a load test will send and cost, before it starts"),
    "report": ("harness.report.command", "make summary.json and report.html of a run"),
    "check": ("harness.report.check", "judge a run by its objectives, for CI"),
    "compare": ("harness.report.compare", "compare two runs: what got worse, beyond doubt"),
    "selftest": ("harness.selftest.command", "hold what is measured here against the truth"),
}

EPILOG = """\
A load test itself is Locust's:
  locust -f locustfiles/realtime.py --headless -u 20 -r 10 -t 60s --host ws://127.0.0.1:8765
realtime-harness COMMAND --help tells more of each."""


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults that say something, and leaves examples as they stand."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False) or isinstance(action.default, list):
            return action.help
        return super()._get_help_string(action)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code; no other's libraries are imported."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # also while the libraries of a command are imported
        return 130


def _run(arguments: list[str]) -> int:
    chosen = next((word for word in arguments if word in COMMANDS), None)
    parser, commands = _parser(chosen)
    if not arguments:
        parser.print_help(sys.stderr)
        return 2
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        _refuse(commands[options.command], unknown)
    try:
        return int(importlib.import_module(COMMANDS[options.command][0]).run(options))
    except CommandError as error:
        print(f"realtime-harness {options.command}: {error}", file=sys.stderr)
        return 2


def _parser(
    chosen: str | None,
) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of all commands, and that of each; only the ``chosen`` one's is filled."""
    parser = argparse.ArgumentParser(
        prog="realtime-harness",
        description="Load tests for realtime voice endpoints.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    added = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands = {}
    for name, (module, text) in COMMANDS.items():
        commands[name] = added.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", formatter_class=_Help
        )
        if name == chosen:
            importlib.import_module(module).add_arguments(commands[name])
    return parser, commands


def _refuse(command: argparse.ArgumentParser, unknown: Iterable[str]) -> NoReturn:
    """Say which arguments a command doesn't know, and what may have been meant."""
    known = command._option_string_actions
    words = [word.partition("=")[0] for word in unknown if word.startswith("-")]
    meant = [near for word in words for near in get_close_matches(word, known, n=1)]
    advice = f": did you mean {', '.join(meant)}?" if meant else ""
    command.error(f"unrecognized arguments: {' '.join(unknown)}{advice}")
