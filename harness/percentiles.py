"""How many samples a percentile needs, before it is told."""

import math

__all__ = ["percentile_too_thin", "turns_needed"]

BEYOND = 10
"""Samples that must lie beyond a percentile, for it to be told."""


def percentile_too_thin(p: float, count: int) -> bool:
    """
    Whether fewer than ``BEYOND`` samples lie beyond the percentile: ⌊(1−p)·count⌋ < 10.

    Args:
        p: As a share, 0.95.
        count: Turns that count, answered and unanswered.

    """
    # 1 − 0.95 is a little more than 0.05 in binary, 1 − 0.9 a little less: count millionths.
    return (1_000_000 - round(p * 1_000_000)) * count // 1_000_000 < BEYOND


def turns_needed(p: float) -> int:
    """How many turns carry a percentile: 20 the median, 200 the 95th."""
    return math.ceil(BEYOND * 1_000_000 / (1_000_000 - round(p * 1_000_000)))
