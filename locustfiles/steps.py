"""
More and more callers, step by step: from how many on do callers notice?

    locust -f locustfiles/steps.py --steps 10,20,40 --step-time 2m

The report shows answers against load, and says from which number of sessions on they get slower.
Steps are numbers of callers, or shares of ``-u``.
"""

from locust import between, task

from harness.swarm import RealtimeUser
from harness.swarm.shapes import Steps


class Stairs(Steps):
    """-u callers at most, --steps of --step-time each."""


class Caller(RealtimeUser):
    wait_time = between(1, 3)

    @task
    def talk(self):
        with self.call() as call:
            while call.goes_on:  # --turns
                call.say()
