"""Durations and seeded distributions, as people write them: ``300ms``, ``lognormal(1s, 0.3)``."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import random

__all__ = ["Distribution", "parse_distribution", "parse_duration"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|min|m|h|)")
_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
LONGEST = 366 * 86_400.0  # seconds
_CALL = re.compile(r"(lognormal|uniform|normal)\(([^,()]+),([^,()]+)\)")


def parse_duration(text: str) -> float:
    """
    Seconds of ``300ms``, ``1.5s``, ``2m``, ``1h`` or a plain number of seconds.

    Raises:
        ValueError: If it is none of these.

    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration: write it like 300ms, 1.5s or 2m")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > LONGEST:
        raise ValueError(f"{text!r} is longer than a year")
    return seconds


class Distribution(msgspec.Struct, frozen=True):
    """
    A distribution of durations in seconds, never negative.

    ``fixed``: ``a``. ``uniform``: from ``a`` to ``b``. ``normal``: mean ``a``, deviation ``b``.
    ``lognormal``: median ``a``, sigma ``b`` of the logarithm.
    """

    name: str
    a: float
    b: float = 0.0

    def sample(self, rng: random.Random) -> float:
        """One draw, in seconds."""
        match self.name:
            case "uniform":
                return rng.uniform(self.a, self.b)
            case "normal":
                return max(0.0, rng.gauss(self.a, self.b))
            case "lognormal":
                return self.a * math.exp(rng.gauss(0.0, self.b)) if self.a else 0.0
        return self.a

    @property
    def mean(self) -> float:
        """Its mean in seconds; of ``normal``, as if it could be negative."""
        match self.name:
            case "uniform":
                return (self.a + self.b) / 2
            case "lognormal":
                return self.a * math.exp(self.b**2 / 2)
        return self.a

    @property
    def median(self) -> float:
        """Its median in seconds."""
        return (self.a + self.b) / 2 if self.name == "uniform" else self.a


def parse_distribution(text: str) -> Distribution:
    """
    The distribution of ``300ms``, ``uniform(…)``, ``normal(…)`` or ``lognormal(300ms, 0.3)``.

    Raises:
        ValueError: If it is none of these.

    """
    match = _CALL.fullmatch(text.strip())
    if match is None:
        if "(" in text:
            raise ValueError(
                f"{text!r} is no distribution: write 300ms, uniform(200ms, 1s), "
                "normal(300ms, 50ms) or lognormal(300ms, 0.3)"
            )
        return Distribution("fixed", parse_duration(text))
    name, a = match[1], parse_duration(match[2])
    if name == "lognormal":
        try:
            sigma = float(match[3])
        except ValueError:
            sigma = -1.0
        if not 0 <= sigma <= 5:
            raise ValueError(f"the sigma of {text!r} must be a number from 0 to 5, like 0.3")
        return Distribution(name, a, sigma)
    b = parse_duration(match[3])
    if name == "uniform" and b < a:
        raise ValueError(f"{text!r} ends before it starts")
    return Distribution(name, a, b)
