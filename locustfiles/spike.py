"""
All at once many more callers: does the endpoint hold, and is it as fast as before afterwards?

    locust -f locustfiles/spike.py -u 100 --spike-base 10 --spike-after 2m --spike-time 30s

``--spike-base`` callers, then for ``--spike-time`` ``-u`` of them, then as many as before.
"""

from locust import between, task

from harness.swarm import RealtimeUser
from harness.swarm.shapes import Spike


class Rush(Spike):
    """--spike-base callers, and -u of them while it lasts."""


class Caller(RealtimeUser):
    wait_time = between(1, 3)

    @task
    def talk(self):
        with self.call() as call:
            while call.goes_on:  # --turns
                call.say()
