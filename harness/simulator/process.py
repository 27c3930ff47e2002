"""A simulated endpoint in a process of its own, for whoever wants one to talk to."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from harness.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

__all__ = ["SimulatorProcess"]

_STARTS_WITHIN = 30.0  # seconds, on a busy machine
_ENDS_WITHIN = 20.0
_LISTENING = "listening on "


class SimulatorProcess:
    """
    ``realtime-harness simulate`` on a free port, as a context manager.

    It ends when its stdin does: should this process be killed, the kernel closes the pipe.

    Args:
        options: Of the command.
        log: Where it writes what it did, when.
        core: The only core it may use; ``None``: any.
        env: Its environment; ``None``: ours.
        stderr: Where it complains, a file descriptor; ``None``: where we do.

    Attributes:
        url: Where it listens.
        log: What it did, when.

    """

    def __init__(
        self,
        options: Sequence[str],
        log: Path,
        *,
        core: int | None = None,
        env: Mapping[str, str] | None = None,
        stderr: int | None = None,
    ) -> None:
        self.url = ""
        self.log = log
        self._core = core
        self._command = [
            *(sys.executable, "-m", "harness", "simulate", "--port", "0", *options),
            *("--truth", str(log), "--until-stdin-closes"),
        ]
        self._env = env
        self._stderr = stderr
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """
        Start it and wait until it listens.

        Raises:
            CommandError: If it does not.

        """
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env=self._env,
            start_new_session=True,  # Ctrl-C ends the callers first
        )
        if self._core is not None:
            os.sched_setaffinity(self.pid, {self._core})
        said = self._first_line()
        if not said.startswith(_LISTENING):
            self._process.kill()
            self._process.communicate()
            raise CommandError("a simulated endpoint did not start; see what it said above")
        self.url = said.removeprefix(_LISTENING).strip()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> int:
        """End it, if it has not ended yet, and wait until it has; its exit code."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        if not process.stdout.closed:
            try:
                process.communicate(timeout=_ENDS_WITHIN)  # it ends when its stdin does
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        return process.returncode

    def truth(self) -> list[dict[str, Any]]:
        """The responses that are over, as logged so far."""
        return [line for line in self._lines() if "response_id" in line]

    def totals(self) -> dict[str, Any]:
        """The last line of the log; there once it has ended."""
        totals: dict[str, Any] = self._lines()[-1]["totals"]
        return totals

    def _first_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], _STARTS_WITHIN)
        return self._process.stdout.readline() if readable else ""

    def _lines(self) -> list[dict[str, Any]]:
        # A line may be half written while it runs.
        whole, _, _ = self.log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]
