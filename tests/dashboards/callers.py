"""Callers who do a bit of everything that dashboards show: for tests."""

from locust import constant, task

from harness.realtime.client_events import RetrieveItem
from harness.swarm import ArrivingUser, RealtimeUser


def book_table(people: int) -> str:
    """
    Book a table.

    Args:
        people: How many come.

    """
    return f"booked for {people}"


class Caller(RealtimeUser):
    wait_time = constant(0.1)

    @task
    def talk(self):
        with self.call() as call:
            call.greet()
            call.say("menu", listen=0.2)
            call.say("menu")
            # There is none: the endpoint answers with an error.
            call.connection.send(RetrieveItem(item_id="item_of_nobody"))

    @task
    def book(self):
        with self.call(tools=[book_table]) as call:
            call.say("menu")
            call.send_text("For two, please.")


class Visitor(ArrivingUser):
    fixed_count = 1  # so that some calls are blocked
    options = {"arrivals": "1/s", "call_length": "1s"}

    @task
    def visit(self):
        with self.call() as call:
            call.say("menu")
