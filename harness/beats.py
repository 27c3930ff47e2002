"""Instants common to all hosts: whole multiples of a duration on the wall clock."""

from time import monotonic_ns, time_ns

__all__ = ["next_beat"]

NS = 1_000_000_000


def next_beat(every: float, after: int, *, wall: int | None = None, now: int | None = None) -> int:
    """
    The first beat that is not before ``after``.

    Workers need not talk to each other to do something at once: as far as their hosts' wall clocks
    agree, so do the beats.

    Args:
        every: Seconds between beats.
        after: Monotonic ns.
        wall: The wall clock, ns of the epoch; read if not given.
        now: The monotonic clock at the same instant.

    Returns:
        Monotonic ns.

    """
    offset = (time_ns() if wall is None else wall) - (monotonic_ns() if now is None else now)
    step = round(every * NS)
    return -(-(after + offset) // step) * step - offset
