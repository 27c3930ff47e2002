"""
Talk, listen, repeat: callers who say a few things, hear the answers out and hang up.

    locust -f locustfiles/realtime.py

With no host it calls the embedded simulator. What callers say and how they listen is set by the
options: ``realtime-harness options`` explains them.
"""

from locust import between, task

from harness.swarm import RealtimeUser


class Caller(RealtimeUser):
    wait_time = between(1, 3)  # seconds between calls

    @task
    def talk(self):
        with self.call() as call:
            for _ in range(call.workload.turns):
                call.say()
