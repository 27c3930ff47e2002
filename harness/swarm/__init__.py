"""Load tests of realtime voice endpoints by Locust: what a locustfile imports."""

from locust import events

from harness.swarm.lifecycle import install
from harness.swarm.user import RealtimeUser

__all__ = ["RealtimeUser"]

install(events)
