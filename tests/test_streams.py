"""What is said on a stream that can't be written to any more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.console import open_console
from harness.streams import needs_no_reader, tell

PROGRAM = """
import sys
from harness.streams import outlive_readers

outlive_readers()
sys.{stream}.write("half a line")
sys.exit(7)
"""


@pytest.fixture
def unread():
    """The writing end of a pipe that nobody reads."""
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as stream:
        yield stream


def test_a_line_that_nobody_reads_is_said_in_vain(unread):
    tell("one line", unread)
    tell("another", unread)

    assert os.fstat(unread.fileno()).st_rdev == Path(os.devnull).stat().st_rdev


def test_what_is_in_hand_is_left_off_where_it_cannot_be_said(unread):
    done = []
    with needs_no_reader(unread):
        unread.write("one line")
        unread.flush()
        done.append("more")

    assert done == []


def test_a_console_that_nobody_reads_falls_silent(unread, monkeypatch):
    monkeypatch.setattr(sys, "stderr", unread)
    console = open_console(stderr=True)
    console.print("one line")
    console.print("another")

    assert console.quiet


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_process_of_which_nobody_reads_what_it_says_ends_with_its_own_exit_code(stream):
    with Path("/dev/full").open("w") as full:
        program = [sys.executable, "-c", PROGRAM.format(stream=stream)]
        buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
        done = subprocess.run(program, check=False, timeout=60, env=buffered, **{stream: full})

    assert done.returncode == 7
