"""What a process has one of: made when it is first asked for, and anew in a forked child."""

import os
from collections.abc import Callable
from functools import cache
from typing import TypeVar

__all__ = ["once_a_process"]

_Made = TypeVar("_Made")


def once_a_process(make: Callable[[], _Made]) -> Callable[[], _Made]:
    """
    Decorate what makes a thing so that each process makes it once.

    Locust forks its workers (``--processes``): what the parent has made is bound to the parent's
    event loop and counts what the parent did.
    """
    made = cache(make)
    os.register_at_fork(after_in_child=made.cache_clear)
    return made
