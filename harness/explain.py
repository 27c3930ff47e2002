"""The options of a load test, explained: Locust's own ``--help`` does not know a locustfile's."""

import argparse

from harness.loads import LOAD_OPTIONS
from harness.options import OPTIONS, TIMEOUT_OPTIONS, Option

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing to choose."""


def run(options: argparse.Namespace) -> int:
    """Print every option with its default and its environment variable."""
    _parser().print_help()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="locust -f locustfiles/realtime.py",
        usage="%(prog)s [-u USERS] [-r USERS_PER_SECOND] [-t TIME] [--headless] [--host HOST] …",
        description="What can be said beside Locust's own options, which locust --help explains.",
        epilog="Each is an environment variable too: --frame-ms is REALTIME_FRAME_MS.",
        add_help=False,
    )
    for title, text, options in (
        ("Realtime", None, OPTIONS),
        ("Loads", "Each is known to the locustfiles that use it.", LOAD_OPTIONS),
        ("Limits", None, TIMEOUT_OPTIONS),
    ):
        group = parser.add_argument_group(title, text)
        for option in options:
            _add(group, option)
    return parser


def _add(group: argparse._ArgumentGroup, option: Option) -> None:
    default = f" (default: {option.default})" if option.default else ""
    text = (option.help + default).replace("%", "%%")
    if option.switch:
        group.add_argument(option.flag, action="store_true", help=text)
    else:
        group.add_argument(option.flag, metavar=option.placeholder, help=text)
