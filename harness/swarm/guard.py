"""Never more users than asked for: what to do when there are."""

from enum import Enum, auto

__all__ = ["ABORT_AFTER", "CUT_AFTER", "LOOK", "Deed", "OvershootGuard"]

LOOK = 0.5
"""Seconds between looks."""

CUT_AFTER = 0.5
"""Seconds over the target after which users who are leaving anyway hear nothing out."""

ABORT_AFTER = 6.0
"""Seconds over the target, whatever was cut, after which the run can't go on: calls cost money."""

NOTICE = 3.0  # seconds until the last of those who left is known to have left


class Deed(Enum):
    """What is to be done."""

    NOTHING = auto()
    RESTORE = auto()  # tell workers once more how many users each has
    CUT = auto()  # the calls of users who leave
    ABORT = auto()  # the run


class OvershootGuard:
    """
    Compares a run's users with its target, look by look.

    Locust moves users between workers by stopping some here and starting others there at once:
    while the first hear their answers out, both call. A worker that was missing and returns brings
    back users who were replaced, and Locust may leave it at that. After the target fell, as many
    as before may be there until the ramp is down and the last answer heard.

    Attributes:
        longest: Seconds of the longest time over the target.

    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._target = 0
        self._ceiling = 0  # users who may be there until then
        self._until = 0.0
        self._over_since: float | None = None

    def look(
        self, now: float, *, users: int, target: int, spawning: bool, hearing_out: float
    ) -> Deed:
        """
        What is to be done now; asked every ``LOOK`` seconds.

        Args:
            now: Seconds, monotonic.
            users: How many there are.
            target: How many are asked for.
            spawning: Whether Locust is on its way to the target.
            hearing_out: Seconds a user who is told to stop may take.

        """
        self._note_target(now, target, spawning, hearing_out + NOTICE)
        over = users > (max(target, self._ceiling) if now < self._until else target)
        if self._over_since is None:
            self._over_since = now if over else None
            return Deed.RESTORE if over else Deed.NOTHING
        duration = now - self._over_since
        self.longest = max(self.longest, duration)
        if not over:
            self._over_since = None
            return Deed.NOTHING
        if duration >= ABORT_AFTER:
            return Deed.ABORT
        return Deed.CUT if duration >= CUT_AFTER else Deed.RESTORE

    def _note_target(self, now: float, target: int, spawning: bool, leave: float) -> None:
        leaving = now < self._until
        if target < self._target:
            self._ceiling = max(self._target, self._ceiling if leaving else 0)
            self._until = now + leave
        elif leaving and spawning:
            self._until = now + leave
        self._target = target
