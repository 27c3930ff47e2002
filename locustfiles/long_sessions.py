"""
Calls that go on for long: do answers get slower as the context grows, and what ends a session?

    locust -f locustfiles/long_sessions.py -u 20 -t 1h --call-length 45m --renew

The report shows answers against the age of their session. Endpoints cap it, at 60 minutes, say:
with ``--renew`` a caller dials again then, and the call goes on. Such calls cost more by the turn.
"""

from locust import between, task

from harness.swarm import RealtimeUser


class Caller(RealtimeUser):
    wait_time = between(1, 3)
    options = {"call_length": "30m", "pause": "lognormal(2s, 0.5)"}

    @task
    def talk_on(self):
        with self.call() as call:
            while call.goes_on:  # --call-length
                call.say()
