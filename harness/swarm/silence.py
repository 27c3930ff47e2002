"""
How long each side of a swarm may be silent before the other acts.

A worker that is cut off from its master goes on calling; a master that holds a worker for missing
may give its users to others. So that no user is there twice, workers hang up first. One that was
frozen for as long hangs up as soon as it goes on.
"""

import time
from enum import Enum, auto

__all__ = [
    "HASTE",
    "LIVENESS",
    "LOOK",
    "MASTER_SILENT",
    "REPLACED_AFTER",
    "USERS_UNKNOWN",
    "WORKER_SILENT",
    "Finding",
    "Watch",
    "seconds",
]

LOOK = 0.25
"""Seconds between a worker's looks at the time."""

LATE = 2.0  # seconds between two of them: this process itself did not run

MASTER_SILENT = 6.0
"""Seconds without a word of the master after which a worker hangs up and ends."""

HASTE = 0.5
"""Seconds for running answers to end when it does."""

LIVENESS = 6
"""
Beats, of a second each, that Locust's master counts down after one of a worker's.

It looks once a beat, and holds the worker for missing when it finds the count below zero: seven to
eight seconds after the last beat. By itself it counts three, and takes four or five.
"""

WORKER_SILENT = LIVENESS + 2.0
"""Seconds without a word of a worker after which the master surely holds it for missing."""

USERS_UNKNOWN = 1.5
"""
Seconds without a word of a worker after which its users are not counted as there.

It may be dead, and a worker that joins in its place be given some of them at once.
"""

REPLACED_AFTER = 60
"""Beats after which a missing worker's users are given to others though nobody asked for it."""


class Finding(Enum):
    """What a worker finds when it looks at the time."""

    NOTHING = auto()
    FROZEN = auto()  # it did not run itself, for so long that others may have its users
    MASTER_LOST = auto()


class Watch:
    """
    A worker's watch over its master and itself, look by look.

    Args:
        now: Seconds, by ``seconds``.

    """

    def __init__(self, now: float) -> None:
        self._heard = self._looked = now

    def heard(self, now: float) -> None:
        """The master gives a sign of life."""
        self._heard = now

    def look(self, now: float, *, deaf: bool = False) -> Finding:
        """
        What has happened since the last look; asked every ``LOOK`` seconds.

        Args:
            now: Seconds, by ``seconds``.
            deaf: Whether nobody listens to the master at present.

        """
        away, self._looked = now - self._looked, now
        if deaf or away > LATE:
            self._heard = now
        if away >= MASTER_SILENT:
            return Finding.FROZEN
        return Finding.MASTER_LOST if now - self._heard >= MASTER_SILENT else Finding.NOTHING


def seconds() -> float:
    """Seconds by a clock that goes on, where there is one, while this host is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
