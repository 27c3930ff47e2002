"""Locust and the simulator as real processes, started, watched and ended by tests."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from harness.verdict import exit_code

ROOT = Path(__file__).parent.parent
LOCUSTFILE = ROOT / "locustfiles" / "realtime.py"


class Running:
    """A process in a session of its own; its output is kept, what is left at the end killed."""

    def __init__(self, command, cwd, **environment):
        self.output = cwd / f"output-{time.monotonic_ns()}.txt"
        variables = {
            k: v for k, v in os.environ.items() if not k.startswith(("LOCUST_", "REALTIME_"))
        }
        variables |= {"PYTHONUNBUFFERED": "1", **environment}
        with self.output.open("wb") as sink:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in group(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    @property
    def text(self):
        return self.output.read_text(errors="replace")

    def wait(self, seconds=120):
        """Its exit code."""
        return self.process.wait(seconds)

    def heeds(self, number):
        """Whether it has a handler for a signal, by /proc."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16)
        return caught >> (number - 1) & 1

    def wait_for(self, pattern, seconds=90):
        """The first match in what it has said."""
        return wait_until(lambda: re.search(pattern, self.text), seconds, lambda: self.text)


class Locust(Running):
    """``locust -f locustfiles/realtime.py …`` in a folder of its own."""

    def __init__(self, folder, *arguments, locustfile=LOCUSTFILE, on=(), **environment):
        self.folder = folder
        locust = Path(sys.executable).with_name("locust")
        command = [*on, locust, "-f", locustfile, *map(str, arguments)]
        super().__init__(command, folder, **environment)

    @property
    def run(self):
        """The newest run directory."""
        return self.folder / "runs" / "latest"

    def wait_for_turns(self, n, seconds=90):
        """Until so many turns are on disk."""
        return wait_until(lambda: len(self.lines("turns")) >= n, seconds, lambda: self.text)

    def lines(self, name):
        path = self.run / f"{name}.jsonl"
        return whole_lines(path) if path.exists() else []

    def read(self, name):
        return json.loads((self.run / name).read_text())

    @property
    def judged(self):
        """The exit code that its summary asks for: a busy machine may not keep pace."""
        return exit_code(self.read("summary.json"))

    @property
    def heard(self):
        """Ids of the responses in its turns."""
        return {name for turn in self.lines("turns") for name in turn["response_ids"]}


def whole_lines(path):
    """The lines of JSON in a file; one that is still being written is none yet."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()]


def truth_lines(path):
    """What a simulator logged, once it has ended: its responses, and its totals."""
    wait_until(lambda: "totals" in (whole_lines(path) or [{}])[-1], 60)
    lines = whole_lines(path)
    return [line for line in lines if "response_id" in line], lines[-1]["totals"]


def ahead(anchor):
    """By so much the master's wall clock is ahead of the monotonic clock of this worker, ns."""
    return anchor["time_ns"] - anchor["monotonic_ns"] - anchor.get("offset_ns", 0)


def truth(path):
    """Ids of the responses that a simulator made, once it has ended."""
    return {line["response_id"] for line in truth_lines(path)[0]}


def missed(locust, path, killed):
    """
    Ids of responses that a worker's death at ``killed`` (ns, monotonic) must not have cost.

    They were done more than a report interval before, and what a turn takes to close, and a busy
    machine to report it; and yet they stand in none of the turns.
    """
    early = killed - (3 + 2) * 10**9
    return {
        line["response_id"]
        for line in truth_lines(path)[0]
        if (line["done_out"] or killed) < early and line["response_id"] not in locust.heard
    }


def group(session):
    """Processes of a session."""
    return [process.pid for process in psutil.process_iter() if _of(process, session)]


def _of(process, session):
    try:
        return os.getsid(process.pid) == session and alive(process.pid)
    except ProcessLookupError:
        return False


def children(pid):
    """Processes forked from ``pid``."""
    return [child.pid for child in psutil.Process(pid).children() if alive(child.pid)]


def alive(pid):
    """Whether there is such a process, and it has not ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition, seconds, explain=lambda: ""):
    """What ``condition`` gives as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)
    return found
