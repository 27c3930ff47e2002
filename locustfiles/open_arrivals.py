"""
Calls that come whether or not the endpoint keeps up: how many a minute can it take?

    locust -f locustfiles/open_arrivals.py -u 100 --arrivals 30/min --call-length 90s

A fixed crowd waits for slow answers before it calls again, and so goes easy on an endpoint that
struggles. Here calls fall due by a seeded schedule. ``-u`` is the most at once: a due call for
which no caller is idle waits, and the run says on top how many were blocked and for how long.
"""

from locust import task

from harness.swarm import ArrivingUser
from harness.swarm.shapes import AtOnce


class Idle(AtOnce):
    """All -u callers at once; they wait for calls."""


class Caller(ArrivingUser):
    @task
    def talk(self):
        with self.call() as call:  # waits until one is due
            while call.goes_on:  # --call-length
                call.say()
