"""Load tests of realtime voice endpoints by Locust: what a locustfile imports."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.capacity import Plan
    from harness.swarm.arriving import ArrivingUser
    from harness.swarm.searching import CapacityShape
    from harness.swarm.user import RealtimeUser

__all__ = ["ArrivingUser", "CapacityShape", "Plan", "RealtimeUser"]


def __getattr__(name: str) -> Any:
    # To import locust is to monkey-patch the process: done for locustfiles, and for nobody who
    # imports a module beside.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from locust import events

    from harness.capacity import Plan
    from harness.swarm.arriving import ArrivingUser
    from harness.swarm.lifecycle import install
    from harness.swarm.searching import CapacityShape
    from harness.swarm.user import RealtimeUser

    install(events)
    found = (ArrivingUser, CapacityShape, Plan, RealtimeUser)
    globals().update({each.__name__: each for each in found})
    return globals()[name]
