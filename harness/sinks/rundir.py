"""A run's own directory: what was measured, written as it is measured."""

import os
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import msgspec

from harness.cache import write_whole
from harness.records import Health, Session, Turn, encode

__all__ = ["RunDirectory", "RunDirectoryError", "check_writable"]

FILES = ("turns.jsonl", "sessions.jsonl", "health.jsonl")
TAPE = re.compile(r"tapes/[\w.-]+\.jsonl")


class RunDirectoryError(OSError):
    """The run can't be recorded; one line that says why, and what to do."""


def check_writable(parent: Path) -> None:
    """
    Make the folder that runs go to, and see that they can.

    Raises:
        RunDirectoryError: If they can't.

    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise _unwritable(parent, error) from error


class RunDirectory:
    """
    One run's files: ``run.json`` and a line of JSON per turn, session and second of a worker.

    Lines are appended whole and unbuffered: whoever kills this process loses none that was written.

    Attributes:
        path: The directory, absolute.
        run: What ``run.json`` says; ``update`` changes it.

    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self.run = dict(run)
        self._files: dict[str, int] = {}
        try:
            for name in FILES:
                self._files[name] = os.open(
                    path / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644
                )
            self._describe()
        except OSError as error:
            self.close()
            raise _unwritable(path, error) from error

    @classmethod
    def create(cls, parent: Path, run: Mapping[str, Any]) -> "RunDirectory":
        """
        Make ``parent/<UTC time>-<id>/``, and let ``parent/latest`` point to it.

        Args:
            parent: Made if it is missing.
            run: What ``run.json`` says, without ``run``: the name of the directory is added.

        Raises:
            RunDirectoryError: If nothing can be written there.

        """
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        path = parent.absolute() / name
        try:
            path.mkdir(parents=True)
            _point(parent.absolute() / "latest", name)
        except OSError as error:
            raise _unwritable(path, error) from error
        return cls(path, {"run": name, **run})

    @property
    def id(self) -> str:
        """The run's name, as in its records."""
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes of records so far."""
        return sum(path.stat().st_size for name in FILES if (path := self.path / name).is_file())

    def on_turn(self, turn: Turn) -> None:
        """Append a finished turn."""
        self.append("turns.jsonl", encode(turn))

    def on_session(self, session: Session) -> None:
        """Append a session that starts, or one that ended."""
        self.append("sessions.jsonl", encode(session))

    def on_health(self, health: Health) -> None:
        """Append a second of a worker."""
        self.append("health.jsonl", encode(health))

    def append(self, name: str, lines: bytes) -> None:
        """
        Append whole lines to one of the files, or leave a tape, whole.

        Raises:
            RunDirectoryError: If they can't be written, the disk being full, say.

        """
        try:
            if is_tape(name):
                self._leave(name, lines)
                return
            while lines:
                lines = lines[os.write(self._files[name], lines) :]
        except OSError as error:
            raise _broken_off(self.path, error) from error

    def _leave(self, name: str, content: bytes) -> None:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    def update(self, **facts: Any) -> None:
        """Change what ``run.json`` says; readers see the old one or the new one, never a half."""
        self.run.update(facts)
        try:
            self._describe()
        except OSError as error:
            raise _broken_off(self.path, error) from error

    def _describe(self) -> None:
        text = msgspec.json.format(msgspec.json.encode(self.run), indent=2) + b"\n"
        write_whole(self.path / "run.json", text)

    def close(self) -> None:
        """Append no more."""
        while self._files:
            os.close(self._files.popitem()[1])


def is_tape(name: str) -> bool:
    """Whether a file of a run's directory is a turn's tape."""
    return TAPE.fullmatch(name) is not None


def _point(link: Path, name: str) -> None:
    beside = link.with_name(f".latest-{secrets.token_hex(3)}")
    beside.symlink_to(name)
    beside.replace(link)


def _unwritable(path: Path, error: OSError) -> RunDirectoryError:
    return RunDirectoryError(
        f"no run can be recorded in {path}: {_reason(error)}; choose another folder with --run-dir"
    )


def _broken_off(path: Path, error: OSError) -> RunDirectoryError:
    return RunDirectoryError(
        f"{path} takes no more records: {_reason(error)}; what came before is kept, what comes is "
        "not: stop, make room or choose another folder with --run-dir"
    )


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
