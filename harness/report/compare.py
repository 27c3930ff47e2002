"""The subcommand ``compare``: two runs side by side, and whether the second is worse."""

import argparse
from pathlib import Path

import msgspec

from harness.cache import write_whole
from harness.console import open_console
from harness.errors import CommandError
from harness.report.command import read_run
from harness.report.compare_page import headline, render_comparison
from harness.report.compare_plots import comparison_plots
from harness.report.comparison import Comparison, Tolerance, compare_runs
from harness.report.templates import render_markdown
from harness.report.terminal import print_comparison

__all__ = ["add_arguments", "run"]

EPILOG = """\
examples:
  realtime-harness compare runs/release-1.4 runs/latest
      fails when a figure got worse by more than 5 %, so clearly that chance does not explain it
  realtime-harness compare runs/release-1.4 runs/latest --tolerance 30ms --markdown comment.md
      lets latencies grow by 30 ms, and writes what a pull request can show

exit code:
  0  nothing got worse by more than the tolerance, beyond doubt
  1  something did
  2  the runs can't be compared: one of them proves nothing, or has too few turns
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``compare``."""
    parser.epilog = EPILOG
    parser.add_argument("base", type=Path, metavar="BASE", help="run directory to compare with")
    parser.add_argument("candidate", type=Path, metavar="CANDIDATE", help="run directory to judge")
    parser.add_argument(
        "--tolerance",
        default="5%",
        metavar="HOW_MUCH",
        help="by how much a figure may get worse: 5%% of the base's or, of latencies, 30ms",
    )
    parser.add_argument("--html", type=Path, metavar="FILE",
                        help="write the page here, not to compare.html of CANDIDATE")  # fmt: skip
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write Markdown here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--quiet", action="store_true", help="print nothing unless it goes wrong")


def run(args: argparse.Namespace) -> int:
    """
    Compare two runs from their records.

    Returns:
        2 if they can't be compared, 1 if the candidate is worse beyond the tolerance, else 0.

    Raises:
        CommandError: If a directory holds no run, or a file can't be written.

    """
    try:
        tolerance = Tolerance.parse(args.tolerance)
    except ValueError as error:
        raise CommandError(f"--tolerance: {error}") from None
    base, candidate = (read_run(path, quiet=args.quiet) for path in (args.base, args.candidate))
    comparison = compare_runs(base, candidate, tolerance)
    plots = comparison_plots(comparison, base, candidate)
    page = args.html or args.candidate / "compare.html"
    files = {page: render_comparison(comparison, plots).encode()}
    if args.markdown:
        files[args.markdown] = _markdown(comparison).encode()
    if args.json:
        files[args.json] = _json(comparison)
    try:
        for path, content in files.items():
            write_whole(path, content)
    except OSError as error:
        raise CommandError(f"can't write the comparison: {error}") from None
    console = open_console(quiet=args.quiet)
    print_comparison(console, comparison)
    style = ("bold green", "bold red", "bold yellow")[comparison.exit_code]
    console.print(headline(comparison), style=style)
    console.print(str(page), soft_wrap=True)
    return comparison.exit_code


def _markdown(comparison: Comparison) -> str:
    return render_markdown("compare.md.j2", c=comparison, headline=headline(comparison))


def _json(comparison: Comparison) -> bytes:
    return msgspec.json.format(msgspec.json.encode({"schema": 1, **_raw(comparison)}), indent=2)


def _raw(comparison: Comparison) -> dict[str, object]:
    names = ("run", "target", "verdict", "turns", "sessions", "max_concurrency")
    raw: dict[str, object] = msgspec.to_builtins(comparison)
    for side in ("base", "candidate"):
        raw[side] = {name: getattr(comparison, side)[name] for name in names}
    return raw | {"regressions": [s.metric for s in comparison.regressions]}
