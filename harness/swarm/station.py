"""What every process of a swarm has, whichever its part in it."""

import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, NoReturn

import gevent

from harness.streams import tell
from harness.swarm.crowd import Crowd
from harness.swarm.setup import Setup, read_setup
from harness.swarm.staff import leavers
from harness.swarm.user import RealtimeUser

__all__ = ["DEFAULT_STOP_TIMEOUT", "Station", "refuse", "say", "wait_until"]

DEFAULT_STOP_TIMEOUT = 15.0
"""Seconds for running answers to end; Locust's own default would cut every call in mid-turn."""


class Station(ABC):
    """
    A process of the swarm, as Locust's events see it.

    Args:
        environment: Locust's.

    Attributes:
        crowd: What its users share while a run lasts; ``None`` while there is none.
        trouble: Why the run was abandoned, in one line.

    """

    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self.runner = environment.runner
        self.options = environment.parsed_options
        self.crowd: Crowd | None = None
        self.trouble = ""
        # Locust's stop() looks at its stack, which takes 30 ms the first time: while callers speak.
        inspect.stack()
        if not environment.stop_timeout:
            environment.stop_timeout = DEFAULT_STOP_TIMEOUT

    @abstractmethod
    def prepare(self) -> None:
        """Get ready, once Locust is."""

    @abstractmethod
    def begin(self) -> None:
        """A test starts: let callers begin."""

    @abstractmethod
    def end(self) -> None:
        """A test has stopped: all its users have ended."""

    @abstractmethod
    def abandon(self, reason: str) -> None:
        """End a run that can't go on, for the reason given in one line; once."""

    @abstractmethod
    def shut_down(self) -> None:
        """Locust quits."""

    def interrupt(self) -> None:
        """Let Locust's main greenlet hear of Ctrl-C: it ends the calls."""
        gevent.get_hub().handle_system_error(KeyboardInterrupt, KeyboardInterrupt())

    def cut(self) -> None:
        """End running calls at once, in mid-turn."""
        self.environment.stop_timeout = 0
        self.runner.user_greenlets.kill(block=False)

    def cut_leaving(self) -> None:
        """End the calls of users who are told to stop: they hear no answer out."""
        for greenlet in leavers(self.runner):
            greenlet.kill(block=False)

    def kinds(self) -> list[str]:
        """Names of the classes of callers."""
        return [cls.__name__ for cls in self._classes()]

    def hosts(self, posted: str | None = None) -> list[str]:
        """Whom callers call: the host given for all, else those of their classes."""
        host = posted or self.environment.host
        if host:
            return [host]
        return sorted({cls.host for cls in self._classes() if cls.host})

    def _classes(self) -> list[type[RealtimeUser]]:
        return [cls for cls in self.environment.user_classes if issubclass(cls, RealtimeUser)]

    def read_setup(
        self,
        given_hosts: list[str],
        *,
        posted: Mapping[str, Any] | None = None,
        dials: bool = True,
    ) -> Setup:
        """
        What the options, and what a web form posted over them, say.

        Raises:
            SetupError: If it makes no sense.

        """
        posted = posted or {}
        values = {**vars(self.options), **posted}
        hosts = self.hosts(posted.get("host"))
        return read_setup(values, hosts, given_hosts=given_hosts, dials=dials)


def wait_until(condition: Callable[[], bool], limit: float) -> bool:
    """Wait for ``condition`` for at most ``limit`` seconds; whether it came true."""
    deadline = monotonic() + limit
    while not condition():
        if monotonic() > deadline:
            return False
        gevent.sleep(0.05)
    return True


def say(text: str) -> None:
    """One line for whoever started Locust."""
    tell(f"realtime-harness: {text}", sys.stderr)


def refuse(reason: str) -> NoReturn:
    """Don't start: one line that says why, and exit code 2."""
    say(reason)
    sys.exit(2)
