"""Where a command prints what people read: as wide as their terminal, or as its lines are."""

import os

from rich.console import Console

from harness.streams import let_go

__all__ = ["open_console"]

UNBROKEN = 1000  # columns: what is read by a file or a pipe is broken by whoever shows it


class _Patient(Console):
    """One that nobody has to read to the end: the command goes on to its own exit code."""

    def on_broken_pipe(self) -> None:
        """Say no more, also when Python flushes what is left at its end."""
        self.quiet = True
        let_go(self.file)


def open_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A console on stdout, or on ``stderr``; a ``quiet`` one prints nothing."""
    console = _Patient(stderr=stderr, quiet=quiet, highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = UNBROKEN
    return console
