"""A master on its way to a number of users: one way at a time, and none once it is stopped."""

from typing import Any

import gevent

__all__ = ["Spawning"]

SENT = 0.001  # seconds, in which orders that are on their way out are sent


class Spawning:
    """
    Stands before ``start`` and ``stop`` of Locust's master.

    Locust itself goes on ramping up when it is stopped meanwhile: workers that have just ended
    their calls begin anew, and nobody stops them any more. Where it starts since a worker came or
    went, it hears no worker until all users are there: those who wait for an answer would hang up.

    Args:
        runner: Locust's, whose methods these become.

    """

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._start, self._stop = runner.start, runner.stop
        self._ramp: gevent.Greenlet[..., None] | None = None
        runner.start, runner.stop = self.start, self.stop

    def start(self, *args: Any, **options: Any) -> None:
        """Be on the way to these users, and to no others; waits unless workers wait for us."""
        self._end_ramp()
        self._ramp = ramp = gevent.spawn(self._start, *args, **options)
        current = gevent.getcurrent()
        if current is self._runner.shape_greenlet or current not in self._runner.greenlet:
            ramp.get()

    def stop(self, *args: Any, **options: Any) -> None:
        """Go no further, and stop those who are there."""
        self._end_shape()
        self._end_ramp()
        self._stop(*args, **options)

    def _end_ramp(self) -> None:
        if self._ramp and self._ramp is not gevent.getcurrent():
            self._ramp.kill()
            gevent.sleep(SENT)

    def _end_shape(self) -> None:
        # Locust leaves a shape alone whose test is still to begin.
        shape = self._runner.shape_greenlet
        if shape is not None and shape is not gevent.getcurrent():
            shape.kill()
            self._runner.shape_greenlet = self._runner.shape_last_tick = None
