"""A Locust user who makes the calls of a schedule instead of calling when it likes."""

from collections.abc import Mapping
from typing import ClassVar

from locust import constant
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_WAITING

from harness.arrivals import Intended
from harness.swarm.crowd import Crowd
from harness.swarm.user import RealtimeUser

__all__ = ["ArrivingUser"]


class ArrivingUser(RealtimeUser):
    """
    A caller for calls of the schedule: ``call`` waits for the next one and until it is due.

    ``-u`` users are the most calls at once. A call for which none of them is idle waits, and counts
    as blocked.
    """

    abstract = True
    arrives = True
    wait_time = constant(0)
    options: ClassVar[Mapping[str, str | None]] = {
        "arrivals": None,
        "call_length": "lognormal(60s, 0.5)",
    }

    def _next_call(self, crowd: Crowd) -> Intended | None:
        """Idle until a call is due; a user who is told to stop meanwhile is stopped at once."""
        if self._is_stopping():
            raise StopUser
        self._state = LOCUST_STATE_WAITING
        intended = crowd.desk.take()
        self._state = LOCUST_STATE_RUNNING
        return intended
