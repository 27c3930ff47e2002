"""Where a command prints what people read: as wide as their terminal, or as its lines are."""

import os

from rich.console import Console

__all__ = ["open_console"]

UNBROKEN = 1000  # columns: what is read by a file or a pipe is broken by whoever shows it


def open_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A console on stdout, or on ``stderr``; a ``quiet`` one prints nothing."""
    console = Console(stderr=stderr, quiet=quiet, highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = UNBROKEN
    return console
