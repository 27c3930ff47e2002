"""Garbage collection while callers talk: often and little, instead of seldom and much."""

import gc
from time import monotonic

import gevent

from harness.records import Health, Session, Turn

__all__ = ["ENDED_SESSIONS", "LONGEST_S", "YOUNG_S", "Sweeper"]

YOUNG_S = 0.1
"""What is younger is looked through: at 1000 sessions for half a millisecond."""

ENDED_SESSIONS = 1000
"""Each leaves circles of references behind, about 20 kB: so many are worth a pause."""

LONGEST_S = 600.0
"""After so long a pause is worth it anyhow, whatever the user's own code leaves behind."""


class Sweeper:
    """
    Takes the place of Python's own rules, which keep the event loop from going round.

    They look through all that lives whenever there is a quarter more of it than last time: all
    through a ramp, for 35 ms at 800 sessions, during which no frame is sent; and through what is
    young when there is more new than gone, which in a steady crowd takes long, and then 15 ms.

    While this runs, what lived before is left out, what is young is looked through ten times a
    second, and the rest when many sessions have ended. It is a sink, since sessions that end and
    seconds that pass are records.
    """

    def __init__(self) -> None:
        self._greenlet: gevent.Greenlet[[], None] | None = None
        self._ended = 0
        self._swept_at = 0.0

    def start(self) -> None:
        """Begin, with a last look through everything."""
        self._sweep()
        gc.freeze()
        gc.disable()
        self._greenlet = gevent.spawn(self._look_after_the_young)

    def stop(self) -> None:
        """Leave it to Python again; idempotent."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None
            gc.unfreeze()
            gc.enable()

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

    def _look_after_the_young(self) -> None:
        while True:
            gevent.sleep(YOUNG_S)
            gc.collect(1)

    def _sweep(self) -> None:
        self._ended, self._swept_at = 0, monotonic()
        gc.collect()
