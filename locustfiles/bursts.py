"""
Everybody stops speaking at once, again and again: how does the endpoint take a burst of turns?

    locust -f locustfiles/bursts.py -u 50 --every 20s

The last voiced sample of all callers of all workers falls on the same instant, every ``--every`` by
the master's clock. What looks fine under an even load may queue at such an instant: compare ttfa
with that of ``steady.py`` at as many callers.
"""

from locust import constant, task

from harness.swarm import RealtimeUser
from harness.swarm.shapes import AtOnce


class Everybody(AtOnce):
    """All -u callers at once."""


class Caller(RealtimeUser):
    wait_time = constant(0)
    options = {"every": "15s", "call_length": "5m"}

    @task
    def ask_together(self):
        with self.call() as call:
            while call.goes_on:
                call.say(beat=self.load.every)
