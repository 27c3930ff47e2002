"""
Callers whose agent calls functions: methods marked ``@tool`` are offered to the endpoint.

    locust -f locustfiles/tools.py --tool-choice required

A tool's JSON schema comes from its signature and docstring. What it returns goes back to the
endpoint, which then goes on with its answer; its time is ``own_delay``, and not the endpoint's.
"""

import gevent
from locust import between, task

from harness.swarm import RealtimeUser
from harness.tools import tool


class Guest(RealtimeUser):
    wait_time = between(1, 3)

    @task
    def book_a_table(self):
        with self.call(instructions="You take bookings for a restaurant.") as call:
            call.say("Hi, I'd like a table for two tonight.")
            call.say("At eight, please.")

    @tool
    def free_tables(self, people: int, time: str = "20:00") -> dict[str, int]:
        """
        Look up how many tables are free.

        Args:
            people: How many come.
            time: When they come, as in 20:00.

        """
        gevent.sleep(0.1)  # what our own backend takes
        return {"tables": 3 if people <= 4 else 0}
