"""A simulated endpoint in a process of its own, for tests of what talks to it."""

import json
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Simulator", "running_simulator"]

_STARTS_WITHIN = 30.0  # seconds, on a busy machine
_ENDS_WITHIN = 10.0


class Simulator:
    """
    ``realtime-harness simulate`` on a free port.

    Usage: ``with running_simulator("--ttfa", "100ms") as sim:`` then ``sim.url`` and, at any time,
    ``sim.truth()``; after ``sim.stop()`` the log is complete and ``sim.totals()`` its last line.
    """

    def __init__(self) -> None:
        self.url = ""
        self.process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="simulator-")
        self.truth_file = Path(self._folder.name) / "truth.jsonl"
        self._lines: list[dict[str, Any]] = []

    def start(self, *options: str, env: dict[str, str] | None = None) -> str:
        """Start it with ``options`` and return its URL."""
        command = [sys.executable, "-m", "harness", "simulate", "--port", "0", *options]
        self.process = subprocess.Popen(
            [*command, "--truth", str(self.truth_file), "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        first = self._first_line()
        assert first.startswith("listening on "), f"the simulator said {first!r}"
        self.url = first.removeprefix("listening on ").strip()
        return self.url

    def truth(self) -> list[dict[str, Any]]:
        """The responses that are over, as logged so far."""
        return [line for line in self._read() if "response_id" in line]

    def totals(self) -> dict[str, Any]:
        """The last line of the log; there once it was stopped."""
        return self._read()[-1]["totals"]

    def stop(self) -> list[dict[str, Any]]:
        """End it as a user would, with SIGTERM, and return all its responses."""
        if self.process is not None:
            process = self.process
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(_ENDS_WITHIN)
            finally:
                process.kill()
                process.wait()
                process.stdin.close()
                process.stdout.close()
            self._lines, self.process = self._read(), None
            self._folder.cleanup()
            assert code == 0, f"the simulator ended with {code}"
        return self.truth()

    def _first_line(self) -> str:
        readable, _, _ = select.select([self.process.stdout], [], [], _STARTS_WITHIN)
        assert readable, "the simulator did not start"
        return self.process.stdout.readline()

    def _read(self) -> list[dict[str, Any]]:
        if self.process is None:
            return self._lines
        # A line may be half written while it runs.
        whole, _, _ = self.truth_file.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]


@contextmanager
def running_simulator(*options: str, env: dict[str, str] | None = None) -> Iterator[Simulator]:
    """A simulator that was started with ``options``, and is stopped at the end."""
    simulator = Simulator()
    simulator.start(*options, env=env)
    try:
        yield simulator
    finally:
        simulator.stop()
