"""
Everybody hangs up and dials again at once, as after a gateway's restart: does it come back?

    locust -f locustfiles/reconnect_storm.py -u 100 --every 30s

Look at the steps of connecting, at refused sessions, and at ttfa right after a storm. It happens
every ``--every`` by the master's clock, on all workers.
"""

from locust import constant, task

from harness.swarm import RealtimeUser
from harness.swarm.shapes import AtOnce


class Everybody(AtOnce):
    """All -u callers at once."""


class Caller(RealtimeUser):
    wait_time = constant(0)
    options = {"every": "30s"}

    @task
    def talk_until_the_storm(self):
        with self.call() as call:
            call.say()
            call.wait_for_beat(self.load.every)
