"""A worker that hears its master while calls are heard out."""

from typing import Any

import gevent
from locust.runners import locust_exception_handler

__all__ = ["Listening"]

LATER = ("ack", "quit", "reconnect", "spawn", "spawning_complete", "stop", "update_user_class")
"""Messages of Locust's that must find a stop before them done."""


class Listening:
    """
    Stands before ``handle_message`` of Locust's worker.

    Locust itself hears nothing from the order to stop until the last user is gone: no receipt for
    records, and not that calls are to be cut after all.

    Args:
        runner: Locust's, whose method this becomes.

    """

    def __init__(self, runner: Any) -> None:
        self._group = runner.greenlet
        self._handle = runner.handle_message
        self._failed = locust_exception_handler(runner.environment)
        self._stop: gevent.Greenlet[..., None] | None = None
        runner.handle_message = self.handle

    def handle(self, message: Any) -> None:
        """Do what the master says; what must not overtake a stop waits for it."""
        if message.type in LATER and self._stop is not None:
            self._stop.join()
        if message.type == "stop":
            self._stop = self._group.spawn(self._handle, message)
            self._stop.link_exception(self._failed)
        else:
            self._handle(message)
