"""A caller's randomness: the same for the same seed, on whatever worker the caller is."""

import random
from importlib import import_module
from typing import Any

import gevent

from harness.arrivals import Intended

__all__ = ["between_calls", "of_call", "of_due", "seed_locust"]


def of_call(seed: int, caller: int, call: int) -> random.Random:
    """The randomness of one call."""
    return random.Random(f"{seed}/{caller}/{call}")


def of_due(seed: int, intended: Intended) -> random.Random:
    """The randomness of a call of a schedule, whoever makes it."""
    return random.Random(f"{seed}/call/{intended.number}")


def between_calls(seed: int, caller: int) -> random.Random:
    """The randomness of everything a caller does beside calls."""
    return random.Random(f"{seed}/{caller}")


def seed_locust() -> None:
    """Let Locust draw each caller's tasks and waiting times from that caller's randomness."""
    for name in ("task", "wait_time", "markov_taskset"):
        # Not by attribute: locust.user.task is a decorator, too.
        vars(import_module(f"locust.user.{name}"))["random"] = _OfCurrentUser()


class _OfCurrentUser:
    """Stands where Locust uses the module ``random``: what runs in a user's greenlet is seeded."""

    def __getattr__(self, name: str) -> Any:
        # The argument of a user's greenlet is the user; Locust itself relies on it.
        user: Any = next(iter(getattr(gevent.getcurrent(), "args", ())), None)
        return getattr(user.rng if hasattr(type(user), "rng") else random, name)
