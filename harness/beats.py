"""Instants common to all hosts: whole multiples of a duration on a clock they share."""

__all__ = ["next_beat"]


def next_beat(every: float, after: int, *, wall: int, now: int) -> int:
    """
    The first beat that is not before ``after``.

    Workers need not talk to each other to do something at once: as far as their clocks agree, so
    do the beats.

    Args:
        every: Seconds between beats.
        after: Monotonic ns.
        wall: The clock that all have in common, ns of the epoch.
        now: The monotonic clock at the same instant.

    Returns:
        Monotonic ns.

    """
    offset = wall - now
    step = round(every * 1e9)
    return -(-(after + offset) // step) * step - offset
