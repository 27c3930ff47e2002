"""An endpoint of a self-test: the simulator in a process of its own, and its truth log."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.errors import CommandError

__all__ = ["Endpoint"]

STARTS_WITHIN_S = 30.0
ENDS_WITHIN_S = 20.0


class Endpoint:
    """
    ``realtime-harness simulate`` on a free port; ends, at the latest, with this process.

    Args:
        options: Of the command.
        truth: Where its log goes.
        core: The only core it may use; ``None``: any.

    Attributes:
        url: Where it listens.

    """

    def __init__(self, options: Sequence[str], truth: Path, core: int | None = None) -> None:
        self.url = ""
        self._truth = truth
        self._core = core
        self._command = [
            *(sys.executable, "-m", "harness", "simulate", "--port", "0", *options),
            *("--truth", str(truth), "--until-stdin-closes"),
        ]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C ends the callers first
        )
        if self._core is not None:
            os.sched_setaffinity(process.pid, {self._core})
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], STARTS_WITHIN_S)
        said = process.stdout.readline() if readable else ""
        if not said.startswith("listening on "):
            process.kill()
            process.communicate()
            raise CommandError("a simulated endpoint did not start; see what it said above")
        self.url = said.removeprefix("listening on ").strip()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        try:
            self._process.communicate(timeout=ENDS_WITHIN_S)  # it ends when its stdin does
        finally:
            self._process.kill()

    def log(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Its responses, and its totals; complete once it has ended."""
        *responses, last = map(json.loads, self._truth.read_text().splitlines())
        return responses, last["totals"]
