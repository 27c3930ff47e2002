"""
How many concurrent calls an endpoint carries before its callers notice.

    locust -f locustfiles/capacity.py --headless -u 500 -r 10 -t 30m --slo "ttfa:p95<0.8s"

``-u`` is the most that may call at once. It calls more and more until an objective breaks, looks
whether the endpoint recovers, and closes in on the largest number at which all objectives hold.
Who hangs up calls again at once, so that there are as many calls as users; who was refused, a
second later.
"""

from locust import constant, task

from harness.swarm import CapacityShape, RealtimeUser


class Caller(RealtimeUser):
    wait_time = constant(1)  # seconds after a call that never came about

    @task
    def talk(self):
        while True:
            with self.call() as call:
                for _ in range(call.workload.turns):
                    call.say()


class Capacity(CapacityShape):
    """``plan = Plan(start=50, precision=0.02)`` begins higher and ends closer."""
