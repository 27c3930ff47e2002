"""The subcommand ``check``: a run judged for CI, by its exit code and as JUnit XML."""

import argparse
from pathlib import Path

from rich.console import Console

from harness.console import open_console
from harness.errors import CommandError
from harness.report.command import LATEST, read_run
from harness.report.junit import write_junit
from harness.report.merge import merged, parts
from harness.report.summary import summarise
from harness.report.terminal import print_judgements, print_verdict
from harness.slo import GRAMMAR, parse_slo
from harness.verdict import exit_code, failures, unproven

__all__ = ["add_arguments", "run"]


EPILOG = f"""\
examples:
  realtime-harness check runs/latest --slo "ttfa:p95<0.8s" --slo "turns:failed<1%"
      19 of 20 answers begin within 0.8 s, and fewer than 1 of 100 turns fail
  realtime-harness check runs/latest --junit check.xml
      by the run's own objectives; if it has none, no turn and no session may fail

exit code:
  0  all objectives are met
  1  one is missed
  2  the run proves nothing: it is INVALID, never began, never ended, its run.json is
     damaged, or it has too few turns for an objective

What can be asked of a run:

{GRAMMAR}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``check``."""
    parser.epilog = EPILOG
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", default=[LATEST],
                        help="run directory, and what workers kept of the same run "
                        f"(default: {LATEST})")  # fmt: skip
    parser.add_argument(
        "--slo",
        action="append",
        metavar="OBJECTIVE",
        help='an objective, like "ttfa:p95<0.8s"; repeatable; without any, those of the run',
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML here")
    parser.add_argument("--quiet", action="store_true", help="print nothing unless it goes wrong")


def run(args: argparse.Namespace) -> int:
    """
    Judge a run from its records.

    Returns:
        As ``verdict.exit_code``.

    Raises:
        CommandError: If the directory holds no run, or an objective can't be understood.

    """
    run_parts, *others = parts(args.runs)
    if others:
        raise CommandError("these are directories of several runs: check one at a time")
    loaded = read_run(merged(run_parts), quiet=args.quiet)
    try:
        objectives = parse_slo(";".join(args.slo)) if args.slo else None
    except ValueError as error:
        raise CommandError(str(error)) from None
    summary = summarise(loaded, objectives)
    if args.junit is not None:
        try:
            write_junit(args.junit, summary)
        except OSError as error:
            raise CommandError(f"can't write {args.junit}: {error}") from None
    _tell(open_console(quiet=args.quiet), summary)
    return exit_code(summary)


def _tell(console: Console, summary: dict[str, object]) -> None:
    print_verdict(console, summary)
    print_judgements(console, summary)
    if not summary["slo"]:
        turns, sessions = failures(summary)
        console.print(f"{turns} turns and {sessions} sessions failed")
    if (reason := unproven(summary)) is not None and not reason.startswith("INVALID"):
        console.print(f"this run proves nothing: {reason}", markup=False)
