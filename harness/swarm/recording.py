"""One run as it is recorded: its directory while it lasts, its report when it is over."""

import importlib.metadata
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from harness import __version__
from harness.records import Health, Session, Turn
from harness.sinks.rundir import RunDirectory, RunDirectoryError
from harness.verdict import exit_code

__all__ = ["Recording", "describe_run"]

REPORT_LIMIT = 300.0  # seconds the report may take, and as long again for each:
REPORT_BYTES = 5_000_000_000  # of records: two and a half million turns, read in a third of that

LIBRARIES = ("locust", "gevent", "websockets", "msgspec", "numpy", "prometheus-client")


class Recording:
    """
    A sink that writes to the run's directory, and makes the report at the end.

    Args:
        directory: The run's own.
        complain: Told, once, in one line, that the run can be recorded no longer.

    Attributes:
        summary: As in ``summary.json``, once the report was made.
        headline: What the report says in a few lines.
        trouble: Why there is no report, if there is none.

    """

    def __init__(self, directory: RunDirectory, complain: Callable[[str], None]) -> None:
        self.directory = directory
        self.summary: dict[str, Any] | None = None
        self.headline = ""
        self.trouble = ""
        self._complain = complain
        self._broken = False
        self._closed = False

    @property
    def exit_code(self) -> int:
        """What the run says to a shell; 2 if nothing can be said."""
        if self.summary is None or self._broken:
            return 2
        return exit_code(self.summary)

    def on_turn(self, turn: Turn) -> None:
        """Write a finished turn."""
        self._write(lambda: self.directory.on_turn(turn))

    def on_session(self, session: Session) -> None:
        """Write a session that starts, or one that ended."""
        self._write(lambda: self.directory.on_session(session))

    def on_health(self, health: Health) -> None:
        """Write a second of a worker."""
        self._write(lambda: self.directory.on_health(health))

    def append(self, name: str, lines: bytes) -> bool:
        """Write lines that a worker encoded; whether they are on the disk."""
        return self._write(lambda: self.directory.append(name, lines))

    def update(self, **facts: Any) -> None:
        """Change what ``run.json`` says."""
        self._write(lambda: self.directory.update(**facts))

    def finish(self, **facts: Any) -> None:
        """Close the run and let a child process make its report."""
        self.update(state="ended", ended_at=_now(), **facts)
        self._closed = True
        self.directory.close()
        self._report()

    def _write(self, write: Callable[[], None]) -> bool:
        if self._broken or self._closed:
            return False
        try:
            write()
        except RunDirectoryError as error:
            self._broken = True
            self._complain(str(error))
        return not self._broken

    def _report_limit(self) -> float:
        return REPORT_LIMIT * (1 + self.directory.size / REPORT_BYTES)

    def _report(self) -> None:
        try:
            child = subprocess.run(
                [sys.executable, "-m", "harness", "report", _shown(self.directory.path)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._report_limit(),
                check=False,
                env=_same_terminal(),
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self.trouble = f"no report was made: {error}"
            return
        path = self.directory.path / "summary.json"
        if child.returncode or not path.is_file():
            said = child.stderr.decode(errors="replace").strip().splitlines()
            self.trouble = f"no report was made: {said[-1] if said else child.returncode}"
            return
        self.headline = child.stdout.decode(errors="replace").rstrip()
        self.summary = msgspec.json.decode(path.read_bytes())


def _shown(path: Path) -> str:
    """A path as people would type it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _same_terminal() -> dict[str, str]:
    """The environment of a child that writes for our terminal, though not to it."""
    if not sys.stdout.isatty():
        return dict(os.environ)
    columns = shutil.get_terminal_size().columns
    return {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(columns)}


def describe_run(
    *,
    options: Mapping[str, Any],
    target: str,
    paid: bool,
    load: Mapping[str, Any],
    truth: Path | None,
) -> dict[str, Any]:
    """
    What ``run.json`` says when a run starts.

    Args:
        options: Safe to be shown.
        target: Whom it calls, safe to be shown.
        paid: Whether that may cost money.
        load: Users, spawn rate, run time and the like.
        truth: The truth log of the embedded simulator.

    """
    return {
        "schema": 1,
        "state": "running",
        "started_at": _now(),
        "target": target,
        "paid": paid,
        "options": dict(options),
        **load,
        "truth": None if truth is None else str(truth),
        "versions": _versions(),
        "machine": _machine(),
        "anchors": {},
        "lost_workers": [],
    }


def _versions() -> dict[str, str]:
    """What made these numbers."""
    return {
        "realtime-harness": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def _machine() -> dict[str, Any]:
    """Where the local or master process runs."""
    return {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "cpu": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
