"""Every worker's monotonic clock on one axis: nanoseconds of the epoch, by the master's clock."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Clocks"]


class Clocks:
    """
    The offsets of the workers' clocks, by their anchors.

    Args:
        anchors: ``{worker: {"monotonic_ns": …, "time_ns": …}}``, two readings of one instant; where
            probed also ``offset_ns``, by which that wall clock is ahead of the master's, and
            ``bound_ns``, by which the offset may be wrong.

    """

    def __init__(self, anchors: Mapping[str, Any]) -> None:
        self.offsets: dict[str, int] = {
            worker: int(anchor["time_ns"]) - int(anchor["monotonic_ns"]) - _ahead(anchor)
            for worker, anchor in anchors.items()
        }

    def assume(self, firsts: Mapping[str, int]) -> list[str]:
        """
        Place workers without anchor so that their first instant is the run's; return their names.

        Args:
            firsts: The first instant of each worker, ns of its own clock.

        """
        missing = sorted(set(firsts) - set(self.offsets))
        known = [firsts[w] + self.offsets[w] for w in firsts if w in self.offsets]
        start = min(known, default=0)
        self.offsets |= {worker: start - firsts[worker] for worker in missing}
        return missing

    def place(self, workers: pd.Series, at: pd.Series) -> pd.Series:
        """The instants ``at`` of ``workers``, a category, in ns of the epoch."""
        offsets = [self.offsets.get(str(worker), 0) for worker in workers.cat.categories]
        return at + np.array([*offsets, 0], dtype=np.int64)[workers.cat.codes]


def _ahead(anchor: Mapping[str, Any]) -> int:
    """Nanoseconds to take off; none while the clocks agree as far as can be known."""
    offset, bound = int(anchor.get("offset_ns") or 0), int(anchor.get("bound_ns") or 0)
    return offset if abs(offset) > bound else 0
