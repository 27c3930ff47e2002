"""The subcommand ``report``: summary.json and report.html of a run."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from harness.cache import write_whole
from harness.console import open_console
from harness.durations import parse_duration
from harness.errors import CommandError
from harness.report.files import write_page, write_pictures, write_summary
from harness.report.load import Run, load_run, size_of
from harness.report.merge import merged, parts
from harness.report.page import render_summary
from harness.report.plots import plots
from harness.report.refold import print_refolded, read_tapes
from harness.report.summary import objectives_of, summarise
from harness.report.tables import write_tables
from harness.report.terminal import print_summary

__all__ = ["LATEST", "add_arguments", "read_run", "run"]

LATEST = Path("runs/latest")
LONG = 50_000_000  # bytes of records that take long enough for a progress bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``report``."""
    parser.add_argument(
        "runs",
        nargs="*",
        type=Path,
        metavar="RUN",
        default=[LATEST],
        help="run directories; those of one run, as workers keep them, are merged "
        f"(default: {LATEST})",
    )
    parser.add_argument(
        "--jitter-buffer",
        type=_buffer,
        metavar="TIME",
        help="only say what the taped turns would have sounded like through this buffer: 200ms",
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE",
                        help="write the summary here too, for a pull request")  # fmt: skip
    parser.add_argument("--tables", type=Path, metavar="DIR",
                        help="write turns, sessions, metrics … as CSV and Parquet")  # fmt: skip
    parser.add_argument("--png", type=Path, metavar="DIR", help="write the plots as PNG")
    parser.add_argument("--quiet", action="store_true", help="print nothing unless it goes wrong")


def run(args: argparse.Namespace) -> int:
    """
    Make the report of each run given, in however many parts; 0 whatever the verdict.

    Raises:
        CommandError: If a directory holds no run.

    """
    console = open_console(quiet=args.quiet)
    if args.jitter_buffer is not None:
        for path in args.runs:
            print_refolded(console, read_tapes(path), args.jitter_buffer)
        return 0
    runs = parts(args.runs)
    if len(runs) > 1 and (args.markdown or args.tables or args.png):
        raise CommandError("--markdown, --tables and --png are of one run: name one")
    for run_parts in runs:
        loaded = read_run(merged(run_parts), quiet=args.quiet)
        try:
            summary = summarise(loaded)
            page = _write(loaded, summary, args)
        except OSError as error:
            raise CommandError(f"can't write the report: {error}") from None
        print_summary(console, summary)
        console.print(str(page), soft_wrap=True)
    return 0


def _write(loaded: Run, summary: Mapping[str, Any], args: argparse.Namespace) -> Path:
    """All files of one run; return the page."""
    write_summary(loaded, summary)
    drawn = plots(loaded, objectives_of(loaded), summary["worst"], summary["capacity"])
    if args.markdown:
        write_whole(args.markdown, render_summary(summary).encode())
    if args.tables:
        write_tables(args.tables, loaded, summary)
    if args.png:
        write_pictures(args.png, drawn)
    return write_page(loaded, summary, drawn)


def _buffer(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def read_run(path: Path, *, quiet: bool) -> Run:
    """
    The run in directory ``path``, with a progress bar if it is long and someone is looking.

    Raises:
        CommandError: If it holds no run, or can't be read.

    """
    try:
        with _progress(path, quiet=quiet) as told:
            return load_run(path, told)
    except OSError as error:
        raise CommandError(f"can't read {path}: {error}") from None


@contextmanager
def _progress(path: Path, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    total = size_of(path)
    console = Console(stderr=True, quiet=quiet)
    if quiet or total < LONG or not console.is_terminal:
        yield lambda _: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(f"reading {path}", total=total)
        yield lambda n: bar.advance(task, n)
