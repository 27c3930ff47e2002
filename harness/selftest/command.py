"""The subcommand ``selftest``: is what is measured here true, and how much can be carried?"""

import argparse
import sys

import msgspec
from rich.console import Console

from harness.console import open_console
from harness.durations import parse_duration
from harness.errors import CommandError
from harness.selftest.capacity import Capacity, Trial, measure_capacity
from harness.selftest.outcome import Tested, as_json, judge
from harness.selftest.play import play
from harness.selftest.scenes import FRAME_MS, SCENES
from harness.selftest.table import print_capacities, print_tested, print_trial
from harness.values import argument, whole

__all__ = ["add_arguments", "run"]

SEARCH = 0  # no size in particular
MOST = 5000  # sessions; more would only show that a descriptor limit was reached


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``selftest``."""
    parser.epilog = "exit code: 0 all limits are kept, 1 one is missed, 2 it could not be tested"
    add, sessions = parser.add_argument, argument(whole(len(SCENES), MOST))
    add("--sessions", type=sessions, default=100, metavar="N", help="Callers at once")
    add(
        "--seconds",
        type=argument(_seconds),
        default="20s",
        metavar="TIME",
        help="How long they talk",
    )
    add("--tls", action="store_true", help="Talk over TLS, with a certificate made for it")
    add("--frame-ms", type=int, choices=(10, 20, 40, 60, 100, 200), default=FRAME_MS, help="Audio per message, milliseconds")  # fmt: skip # noqa: E501
    add("--capacity", type=sessions, nargs="?", const=SEARCH, metavar="N", help="Also look for the most sessions a core carries, which takes ten minutes; with N: does it carry N?")  # fmt: skip # noqa: E501
    add("--json", action="store_true", help="Say it as JSON")


def run(args: argparse.Namespace) -> int:
    """
    Test this machine; 1 when a limit is missed.

    Raises:
        CommandError: If it can't be tested.

    """
    console = open_console(stderr=args.json)
    console.print(f"{args.sessions} callers, {args.seconds:g} s of talk, please leave it alone …")
    tested = judge(play(args.sessions, args.seconds, tls=args.tls, frame_ms=args.frame_ms))
    if not tested.turns:
        raise CommandError("no turn was measured: give it more --seconds")
    if not args.json:
        print_tested(console, tested)
    capacities = [] if args.capacity is None else _measure_capacity(args, console)
    if args.json:
        _print_json(tested, capacities)
    elif capacities:
        print_capacities(console, capacities, args.frame_ms)
    carried = not args.capacity or all(capacity.sessions for capacity in capacities)
    return 0 if tested.passed and carried else 1


def _measure_capacity(args: argparse.Namespace, console: Console) -> list[Capacity]:
    console.print("callers on one core, the endpoint on another; each trial takes half a minute …")

    def told(duty: str, trial: Trial) -> None:
        print_trial(console, duty, trial)

    only = None if args.capacity == SEARCH else args.capacity
    return measure_capacity(only=only, frame_ms=args.frame_ms, tls=args.tls, told=told)


def _print_json(tested: Tested, capacities: list[Capacity]) -> None:
    said = {**as_json(tested), "capacity": msgspec.to_builtins(capacities)}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(said), indent=2).decode() + "\n")


def _seconds(text: str) -> float:
    value = parse_duration(text)
    if not 1 <= value <= 3600:
        raise ValueError("must be from 1 s to 1 h")
    return value
