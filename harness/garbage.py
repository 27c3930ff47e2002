"""Garbage collection while callers talk: what lives long is not looked through again and again."""

import gc
from time import monotonic

from harness.records import Health, Session, Turn

__all__ = ["ENDED_SESSIONS", "LONGEST_S", "Sweeper"]

ENDED_SESSIONS = 1000
"""Each leaves circles of references behind, about 20 kB: so many are worth a pause."""

LONGEST_S = 600.0
"""After so long a pause is worth it anyhow, whatever the user's own code leaves behind."""

NEVER = 1 << 30


class Sweeper:
    """
    Puts off what would keep the event loop from going round.

    Python looks through all that lives whenever there is a quarter more of it than last time: all
    through a ramp, for 35 ms at 800 sessions, during which no frame is sent. While this runs, what
    lived before is left out, and the rest is looked through when many sessions have ended. What
    is young is looked through as ever, which takes a millisecond.

    It is a sink, since sessions that end and seconds that pass are records.
    """

    def __init__(self) -> None:
        self._thresholds: tuple[int, int, int] | None = None
        self._ended = 0
        self._swept_at = 0.0

    def start(self) -> None:
        """Begin, with a last look through everything."""
        self._thresholds = gc.get_threshold()
        self._sweep()
        gc.freeze()
        gc.set_threshold(*self._thresholds[:2], NEVER)

    def stop(self) -> None:
        """Leave it to Python again; idempotent."""
        if self._thresholds is not None:
            gc.set_threshold(*self._thresholds)
            self._thresholds = None
            gc.unfreeze()

    def on_turn(self, turn: Turn) -> None:
        """A turn leaves nothing behind."""

    def on_session(self, session: Session) -> None:
        """Count a session that ended."""
        self._ended += session.event == "end"
        if self._ended >= ENDED_SESSIONS:
            self._sweep()

    def on_health(self, health: Health) -> None:
        """Look at the clock."""
        if monotonic() - self._swept_at >= LONGEST_S:
            self._sweep()

    def _sweep(self) -> None:
        self._ended, self._swept_at = 0, monotonic()
        gc.collect()
