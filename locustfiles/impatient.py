"""
Callers who hang up when an answer takes too long, and call again: how many give up?

    locust -f locustfiles/impatient.py -u 40 --patience 1.5s

Whoever hears nothing for ``--patience`` hangs up (outcome ``abandoned``) and dials again soon,
which makes a slow endpoint busier still.
"""

from locust import between, task

from harness.swarm import RealtimeUser


class Caller(RealtimeUser):
    wait_time = between(0.5, 1)
    options = {"patience": "2s"}

    @task
    def talk(self):
        with self.call() as call:
            while call.goes_on:  # --turns
                call.say()
