"""The simulated endpoint of one run: a process of its own, on a core of its own."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

__all__ = ["Endpoint"]

STARTS_WITHIN_S = 30.0
ENDS_WITHIN_S = 20.0


class Endpoint:
    """
    ``realtime-harness simulate`` on a free port, as a context manager.

    Attributes:
        url: Where it listens.

    """

    def __init__(self, options: Sequence[str], core: int, folder: Path) -> None:
        self.url = ""
        self._truth = folder / "truth.jsonl"
        self._command = [
            *(sys.executable, "-m", "harness", "simulate", "--port", "0", *options),
            *("--truth", str(self._truth), "--until-stdin-closes"),
        ]
        self._core = core
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        os.sched_setaffinity(self._process.pid, {self._core})
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], STARTS_WITHIN_S)
        said = self._process.stdout.readline() if readable else ""
        if not said.startswith("listening on "):
            self._process.kill()
            raise RuntimeError(f"the simulator did not start: {said!r}")
        self.url = said.removeprefix("listening on ").strip()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        assert process is not None
        try:
            process.communicate(timeout=ENDS_WITHIN_S)  # it ends when its stdin does
        finally:
            process.kill()

    def cpu_seconds(self) -> float:
        """CPU time that it has used, user and system."""
        assert self._process is not None
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def truth(self) -> list[dict[str, Any]]:
        """Its responses; complete once it has ended."""
        lines = self._truth.read_text().splitlines()
        return [line for line in map(json.loads, lines) if "totals" not in line]
