"""Who of the workers takes part in a run, and who joined late, was missing or frozen or quit."""

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

__all__ = ["Change", "Changes", "Roll"]


class Change(StrEnum):
    """What can happen to a worker while a run lasts."""

    JOINED = "joined"  # after the run had begun
    MISSING = "missing"  # silent from then on
    RETURNED = "returned"  # after it was missing
    FROZEN = "frozen"  # until then; its calls are cut
    QUIT = "quit"  # by itself: it was told to stop
    LOST = "lost"  # silent from then on, and its last records never came


class Changes(NamedTuple):
    """Client ids of workers of whom something is to be done."""

    gone: set[str]
    returned: set[str]


class Roll:
    """
    The workers of one run, looked at again and again.

    Args:
        names: What workers are called, by client id, as far as they have said so.
        now: Seconds since the run began.
        say: Told each change in one line.

    Attributes:
        entries: Every change: ``t`` in seconds since the run began, ``worker``, ``change``.

    """

    def __init__(
        self, names: Mapping[str, str], now: Callable[[], float], say: Callable[[str], None]
    ) -> None:
        self.entries: list[dict[str, Any]] = []
        self._names = names
        self._now = now
        self._say = say
        self._heard: dict[str, float] = {}
        self._live: set[str] = set()
        self._missing: set[str] = set()
        self._quit: set[str] = set()

    def heard(self, client: str) -> None:
        """A worker gives a sign of life."""
        self._heard[client] = self._now()

    def silent(self, limit: float) -> set[str]:
        """Client ids of workers that take part, and were not heard for so many seconds."""
        since = self._now() - limit
        return {client for client in self._live if self._heard.get(client, 0.0) <= since}

    def begin(self, live: Collection[str]) -> None:
        """The run begins with these workers."""
        for client in live:
            self.heard(client)
        self._live = set(live)

    def look(self, live: set[str], leaving: set[str]) -> Changes:
        """
        Note who comes and goes.

        Args:
            live: Client ids of workers that give signs of life.
            leaving: Those that quit by themselves.

        """
        quitting = leaving - self._quit
        missing = self._live - live - leaving
        returned = self._missing & live
        joined = live - self._live - self._missing
        joined &= self._names.keys()  # others are still getting ready
        for client in joined:
            self.heard(client)
        self._note(quitting, Change.QUIT, "quits by itself")
        self._note(missing, Change.MISSING, "is missing, silent from")
        self._note(returned, Change.RETURNED, "is back")
        self._note(joined, Change.JOINED, "joined")
        self._quit |= quitting
        self._missing = (self._missing | missing) - live
        self._live = (self._live & live) | returned | joined
        return Changes(missing | quitting, returned)

    def frozen(self, client: str) -> None:
        """A worker that did not run goes on, without its calls."""
        self._note([client], Change.FROZEN, "was frozen, its calls are cut, and goes on")

    def close(self, lost: Collection[str]) -> None:
        """The run is over, and of these not every record came."""
        self._note(lost, Change.LOST, "is lost, silent from")

    def name(self, client: str) -> str:
        """What a worker is called."""
        return self._names.get(client, client)

    def _note(self, clients: Collection[str], change: Change, text: str) -> None:
        silent = change in (Change.MISSING, Change.LOST)
        for client in sorted(clients, key=self.name):
            t = self._heard.get(client, 0.0) if silent else self._now()
            entry = {"t": round(t, 3), "worker": self.name(client), "change": change.value}
            self.entries.append(entry)
            self._say(f"{self.name(client)} {text} {t:.1f} s after the run began")
