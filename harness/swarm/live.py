"""A run while it lasts, in the terminal: a view that redraws itself, or a line now and then."""

import logging
import math
import sys
from collections.abc import Callable, Mapping
from itertools import accumulate
from time import monotonic

import gevent
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.console import open_console
from harness.percentiles import percentile_too_thin
from harness.streams import needs_no_reader

__all__ = ["LiveView", "Progress", "as_line", "as_table", "as_view", "percentile"]

REDRAW = 1.0  # seconds
LINE = 10.0  # seconds between lines where there is no terminal

NARROW = 76  # columns: fewer, and the figures stand in two rows
NARROW_WITH_MONEY = 100


class Progress(msgspec.Struct, kw_only=True):
    """What is worth knowing of a run while it lasts."""

    elapsed: float = 0.0  # seconds
    left: float | None = None  # seconds; None: until it is stopped
    ending: bool = False  # running answers are heard out, nothing new begins
    users: int = 0
    users_target: int = 0
    turns: int = 0
    failed: int = 0
    p50: str = "–"
    p95: str = "–"
    spent: str = ""  # of the budget, if there is one
    blocked: int = 0  # calls of open arrivals that found no caller idle
    notes: list[str] = []  # how objectives stand, what a search is at: a line each

    @property
    def callers(self) -> str:
        """How many call, and how many are wanted where that differs."""
        if self.users == self.users_target:
            return str(self.users)
        return f"{self.users}/{self.users_target}"


def percentile(response_times: Mapping[int, int], unanswered: int, p: float) -> str:
    """
    A percentile as people read it: ``312 ms``; ``–`` while too few turns carry it.

    Args:
        response_times: How many turns took so many milliseconds.
        unanswered: So many of them, the longest, never had an answer: they ended at a limit.
        p: As a share.

    """
    count = sum(response_times.values())
    if percentile_too_thin(p, count):
        return "–"
    rank = math.ceil(round(p * 1_000_000) * count / 1_000_000)
    if rank > count - unanswered:
        return "no answer"
    ordered = sorted(response_times)
    no_longer = accumulate(response_times[milliseconds] for milliseconds in ordered)
    return _duration(ordered[sum(n < rank for n in no_longer)])


def as_line(progress: Progress) -> str:
    """One line, for logs."""
    left = "" if progress.left is None else f"  {_clock(progress.left)} left"
    left = "  ending" if progress.ending else left
    blocked = f"  BLOCKED {progress.blocked}" if progress.blocked else ""
    spent = f"  spent {progress.spent}" if progress.spent else ""
    return (
        f"{_clock(progress.elapsed)}  callers {progress.callers}  turns {progress.turns}  "
        f"ttfa p50 {progress.p50}  p95 {progress.p95}  failed {progress.failed}"
        f"{spent}{blocked}{left}" + "".join(f"  {note}" for note in progress.notes)
    )


def as_view(progress: Progress, columns: int) -> Group:
    """The figures, and below them what there is to say."""
    notes = [Text(note, "dim", justify="center") for note in progress.notes]
    return Group(as_table(progress, columns), *notes)


def as_table(progress: Progress, columns: int) -> Table:
    """A row of figures under their names, two rows where ``columns`` are few."""
    figures = [
        ("callers", Text(progress.callers, "bold")),
        ("turns", Text(str(progress.turns), "bold")),
        ("ttfa p50", Text(progress.p50, "bold cyan")),
        ("ttfa p95", Text(progress.p95, "bold cyan")),
        ("failed", Text(str(progress.failed), "bold red" if progress.failed else "bold")),
        *([("spent", Text(progress.spent, "bold"))] if progress.spent else []),
        _time(progress),
    ]
    if progress.blocked:
        figures.insert(0, ("blocked", Text(str(progress.blocked), "bold red")))
    enough = columns >= (NARROW_WITH_MONEY if progress.spent else NARROW)
    across = len(figures) if enough else math.ceil(len(figures) / 2)
    table = Table.grid(expand=True, padding=(0, 1))
    for _ in range(across):
        table.add_column(justify="center", ratio=1, no_wrap=True)
    for start in range(0, len(figures), across):
        row = figures[start : start + across]
        table.add_row(*(value for _, value in row))
        table.add_row(*(Text(name, "dim") for name, _ in row))
    return table


class LiveView:
    """
    Shows ``progress`` from a greenlet until it is stopped.

    Args:
        progress: What to show now.
        console: Where; default: stderr, a redrawn view if that is a terminal, else lines.

    """

    def __init__(self, progress: Callable[[], Progress], console: Console | None = None) -> None:
        self._progress = progress
        self._console = console or open_console(stderr=True)
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Begin to show."""
        console = self._console
        redraws = console.is_terminal and not console.is_dumb_terminal
        run = self._redraw if redraws else self._print_lines
        self._greenlet = gevent.spawn(needs_no_reader(console.file)(run))

    def stop(self) -> None:
        """Show what is true now, and no more."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None

    def _redraw(self) -> None:
        # A thread of rich's own would draw in the midst of a call: refreshed from here instead.
        with Live(console=self._console, auto_refresh=False, redirect_stdout=False) as live:
            restore = _redirect_logging()
            try:
                while True:
                    live.update(self._view(), refresh=True)
                    gevent.sleep(REDRAW)
            finally:
                restore()
                live.update(self._view(), refresh=True)

    def _view(self) -> Group:
        return as_view(self._progress(), self._console.width)

    def _print_lines(self) -> None:
        due = monotonic()
        while True:
            due += LINE
            gevent.sleep(max(0.0, due - monotonic()))
            self._console.print(as_line(self._progress()), soft_wrap=True, highlight=False)


def _redirect_logging() -> Callable[[], None]:
    """Let log lines appear above the view instead of within it; returns what undoes it."""
    moved = [
        (handler, handler.setStream(sys.stderr))
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.__stderr__
    ]

    def restore() -> None:
        for handler, stream in moved:
            handler.setStream(stream)

    return restore


def _time(progress: Progress) -> tuple[str, Text]:
    if progress.ending:
        return "ending", Text(_clock(progress.elapsed), "bold")
    if progress.left is None:
        return "running", Text(_clock(progress.elapsed), "bold")
    return "left", Text(_clock(progress.left), "bold")


def _duration(milliseconds: int) -> str:
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02d}"
