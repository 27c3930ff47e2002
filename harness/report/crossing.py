"""
At how many calls the share of bad turns crosses what objectives allow, with its interval.

The share is made to rise with the number of calls (isotonic regression), and joined by straight
lines between the numbers that were tried. The interval comes from resampling by call.
"""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from scipy.optimize import isotonic_regression

from harness.report.resample import ends

__all__ = ["Curve", "crossing_interval"]


class Curve(msgspec.Struct, frozen=True):
    """How many turns counted for one objective, and how many were bad, by unit and level."""

    limit: float  # the share of bad ones allowed
    counted: np.ndarray
    bad: np.ndarray

    @classmethod
    def of(
        cls, limit: float, levels: Iterable[tuple[np.ndarray, np.ndarray]], units: int
    ) -> "Curve":
        """Of each level the unit of each turn, and whether it was bad; ``units``: how many."""
        cells = list(levels)
        counted = [np.bincount(unit, minlength=units) for unit, _ in cells]
        bad = [np.bincount(unit, weights=bad, minlength=units) for unit, bad in cells]
        return cls(limit, np.stack(counted, axis=1).astype(float), np.stack(bad, axis=1))

    def crossings(self, levels: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Of each resample (a row of how often each unit was drawn), the calls at the limit."""
        counted, bad = drawn @ self.counted, drawn @ self.bad
        rows = zip(counted, bad, strict=True)
        return np.array([_crossing(levels, n, wrong, self.limit) for n, wrong in rows])


def crossing_interval(
    levels: Sequence[int], curves: Sequence[Curve], units: int
) -> tuple[float, float]:
    """
    The interval at 95 % of the number of calls at which the first of ``curves`` crosses.

    Args:
        levels: The numbers tried, ascending.
        curves: One for each objective.
        units: How many units there are.

    """
    x = np.array(levels, dtype=float)

    def crossings(drawn: np.ndarray) -> np.ndarray:
        each = np.stack([curve.crossings(x, drawn) for curve in curves])
        return np.asarray(each.min(axis=0, keepdims=True))

    low, high = ends(crossings, units)
    return float(low[0]), float(high[0])


def _crossing(levels: np.ndarray, counted: np.ndarray, bad: np.ndarray, limit: float) -> float:
    seen = counted > 0
    if not seen.any():
        return float(levels[-1])
    x, n = levels[seen], counted[seen]
    share = isotonic_regression(bad[seen] / n, weights=n).x
    over = np.flatnonzero(share > limit)
    if not len(over):
        return float(x[-1])
    first = over[0]
    before, at_before = (x[first - 1], share[first - 1]) if first else (0.0, 0.0)
    return float(before + (x[first] - before) * (limit - at_before) / (share[first] - at_before))
