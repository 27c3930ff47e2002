"""
The same load for hours: does the endpoint get slower, leak, or lose sessions?

    locust -f locustfiles/soak.py -u 40 -t 8h

Callers come and go at ``-r`` a second: at its end a soak has the load of its beginning, and should
be as fast as then.
"""

from locust import between, task

from harness.swarm import RealtimeUser
from harness.swarm.shapes import Soak


class Hours(Soak):
    """-u callers, who come and go within -t."""


class Caller(RealtimeUser):
    wait_time = between(1, 3)

    @task
    def talk(self):
        with self.call() as call:
            while call.goes_on:  # --turns
                call.say()
