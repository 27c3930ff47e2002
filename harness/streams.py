"""
What is said on a standard stream that nobody has to read to its end.

Who closes a pipe or a terminal, or lets a disk fill up, misses what is said from then on; the
program goes on, and nothing that it measures is lost.
"""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

__all__ = ["let_go", "needs_no_reader", "outlive_readers", "tell"]


def tell(text: str, stream: IO[str]) -> None:
    """Say a line on ``stream``, if that can be written to."""
    with needs_no_reader(stream):
        print(text, file=stream, flush=True)


@contextmanager
def needs_no_reader(stream: IO[str]) -> Iterator[None]:
    """Leave off where ``stream`` can't be written to, and say no more there."""
    try:
        yield
    except OSError:
        let_go(stream)


def let_go(stream: IO[str]) -> None:
    """Send what is left of a stream, and all that is still written to it, nowhere."""
    with suppress(OSError, ValueError):  # of a stream that is no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def outlive_readers() -> None:
    """Let this process end with its own exit code, whatever was left unsaid."""
    atexit.register(_flush)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with needs_no_reader(stream):
            stream.flush()
