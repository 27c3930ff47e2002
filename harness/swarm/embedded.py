"""The embedded simulator: the endpoint that is called when no host was named."""

import secrets
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import gevent

__all__ = ["EmbeddedSimulator", "SimulatorError"]

START_LIMIT = 30.0  # seconds until it must listen
LATENCY = "lognormal(300ms, 0.3)"  # of its answers, so that there is something to look at
END_LIMIT = 5.0  # seconds until it must have ended

_LISTENING = "listening on "


class SimulatorError(RuntimeError):
    """It does not run; one line that says why."""


class EmbeddedSimulator:
    """
    A simulator in a process session of its own, so that Ctrl-C reaches the callers first.

    It ends when its stdin does: should this process be killed, the kernel closes the pipe.

    Args:
        folder: Where it writes its truth log, ``truth-<id>.jsonl``.

    Attributes:
        truth: The truth log.
        url: Where it listens.

    """

    def __init__(self, folder: Path) -> None:
        self.truth = folder.absolute() / f"truth-{secrets.token_hex(3)}.jsonl"
        try:
            self.truth.parent.mkdir(parents=True, exist_ok=True)
            self._process = subprocess.Popen(
                [*_command(), "--truth", str(self.truth)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise SimulatorError(f"the embedded simulator can't start: {error}") from None
        self.url = self._await_url()

    def stop(self) -> None:
        """End it and wait until it has; idempotent."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def _await_url(self) -> str:
        assert self._process.stdout is not None
        line = b""
        with suppress(gevent.Timeout), gevent.Timeout(START_LIMIT):
            line = self._process.stdout.readline()
        text = line.decode(errors="replace").strip()
        if not text.startswith(_LISTENING):
            self.stop()
            raise SimulatorError("the embedded simulator did not start; see what it said above")
        return text.removeprefix(_LISTENING)


def _command() -> list[str]:
    return [
        *(sys.executable, "-m", "harness", "simulate", "--ttfa", LATENCY),
        *("--port", "0", "--until-stdin-closes"),
    ]
