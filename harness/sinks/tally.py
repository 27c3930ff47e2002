"""What has been counted: histograms, counters and gauges that add up over any number of workers."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

__all__ = ["Exemplar", "Histogram", "Labels", "Tally", "merge"]

T = TypeVar("T")

Labels = tuple[str, ...]
"""Label values, in the order of ``Metric.labels``."""


class Exemplar(msgspec.Struct, array_like=True, frozen=True, order=True):
    """One of the values in a bucket, and whose it is."""

    at: float  # seconds of the epoch
    value: float
    turn: str
    response_id: str


class Histogram(msgspec.Struct, array_like=True):
    """How many values lie under each bound of a metric; the last count is those above all."""

    counts: list[int]  # not cumulative
    sum: float = 0.0
    exemplars: dict[int, Exemplar] = {}  # by the number of the bucket, the newest

    def add(self, value: float, bounds: Sequence[float]) -> int:
        """Count one value; the number of its bucket."""
        bucket = bisect_left(bounds, value)
        self.counts[bucket] += 1
        self.sum += value
        return bucket

    def add_beyond(self, value: float) -> None:
        """Count one value above every bound, whatever the bounds are."""
        self.counts[-1] += 1
        self.sum += value


class Tally(msgspec.Struct):
    """
    All series of one process since its run began, by metric name and label values.

    Cumulative: a later one of the same process replaces an earlier one, so that a tally which was
    lost, came late or came twice on its way to the master does no harm.
    """

    histograms: dict[str, dict[Labels, Histogram]] = {}
    counters: dict[str, dict[Labels, float]] = {}
    gauges: dict[str, dict[Labels, float]] = {}

    def histogram(self, name: str, labels: Labels, bounds: Sequence[float]) -> Histogram:
        """The histogram of these labels, an empty one at first."""
        series = self.histograms.setdefault(name, {})
        found = series.get(labels)
        if found is None:
            found = series[labels] = Histogram([0] * (len(bounds) + 1))
        return found

    def count(self, name: str, labels: Labels, amount: float = 1) -> None:
        """Add to a counter."""
        series = self.counters.setdefault(name, {})
        series[labels] = series.get(labels, 0) + amount

    def change(self, name: str, labels: Labels, amount: float) -> None:
        """Add to, or take from, a gauge."""
        series = self.gauges.setdefault(name, {})
        series[labels] = series.get(labels, 0) + amount

    def set(self, name: str, labels: Labels, value: float) -> None:
        """Set a gauge."""
        self.gauges.setdefault(name, {})[labels] = value

    def encode(self) -> bytes:
        """As bytes that ``decode`` understands."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "Tally":
        """The tally of ``encode``."""
        return msgspec.msgpack.decode(data, type=cls)


def merge(live: Iterable[Tally], retired: Iterable[Tally] = ()) -> Tally:
    """
    One tally of many, the same in whatever order they come.

    Args:
        live: Of processes at work.
        retired: Of processes that are gone: what they counted stays, their gauges don't.

    """
    live = tuple(live)
    everyone = (*live, *retired)
    return Tally(
        histograms=_merge_histograms(tally.histograms for tally in everyone),
        counters=_merge_numbers(tally.counters for tally in everyone),
        gauges=_merge_numbers(tally.gauges for tally in live),
    )


def _gather(parts: Iterable[dict[str, dict[Labels, T]]]) -> dict[str, dict[Labels, list[T]]]:
    found: dict[str, dict[Labels, list[T]]] = {}
    for part in parts:
        for name, series in part.items():
            for labels, value in series.items():
                found.setdefault(name, {}).setdefault(labels, []).append(value)
    return found


def _merge_histograms(
    parts: Iterable[dict[str, dict[Labels, Histogram]]],
) -> dict[str, dict[Labels, Histogram]]:
    return {
        name: {labels: _add_up(same) for labels, same in series.items()}
        for name, series in _gather(parts).items()
    }


def _add_up(same: Sequence[Histogram]) -> Histogram:
    counts = [sum(column) for column in zip(*(one.counts for one in same), strict=True)]
    exemplars: dict[int, Exemplar] = {}
    for one in same:
        for bucket, exemplar in one.exemplars.items():
            exemplars[bucket] = max(exemplar, exemplars.get(bucket, exemplar))
    return Histogram(counts, math.fsum(one.sum for one in same), exemplars)


def _merge_numbers(
    parts: Iterable[dict[str, dict[Labels, float]]],
) -> dict[str, dict[Labels, float]]:
    # fsum is exact, so that the order of the workers makes no difference.
    return {
        name: {labels: math.fsum(same) for labels, same in series.items()}
        for name, series in _gather(parts).items()
    }
