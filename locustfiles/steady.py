"""
The same number of callers for the whole test: what does a caller feel at this load?

    locust -f locustfiles/steady.py -u 40 -r 2 -t 10m

They come at ``-r`` a second. What one run says is compared with another by
``realtime-harness compare``: before and after a release, say.
"""

from locust import between, task

from harness.swarm import RealtimeUser
from harness.swarm.shapes import Steady


class Plateau(Steady):
    """-u callers, until -t."""


class Caller(RealtimeUser):
    wait_time = between(1, 3)

    @task
    def talk(self):
        with self.call() as call:
            while call.goes_on:  # --turns
                call.say()
