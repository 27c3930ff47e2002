"""How far percentiles could be off: runs resampled by call, since turns of a call are alike."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from scipy import stats

from harness.report.stats import Percentile, Sample, percentile_name

__all__ = [
    "FEWEST_UNITS",
    "LEVEL",
    "Curve",
    "Ratio",
    "curves",
    "ends",
    "enough_units",
    "intervals",
    "weights",
    "widening",
]

LEVEL = 0.95
RESAMPLES = 999
FEWEST_UNITS = 10  # fewer calls can't tell how much calls differ
SPREADS = 6  # a resampled percentile never comes from further off, in standard errors
POINTS = 512  # ranks at which a curve is kept, over twice that distance

Statistic = Callable[[np.ndarray], np.ndarray]

Ranks = np.ndarray
"""Of each resample, the rank of a percentile among the answered; one more is an unanswered turn."""


class Curve(msgspec.Struct, frozen=True):
    """
    How many turns of each unit lie at or below the values around one percentile of a sample.

    It keeps nothing else of the sample: of a long run, many samples don't fit beside each other.

    Attributes:
        p: The percentile, as a share.
        sizes: Turns of each unit, answered and unanswered.
        ranks: The ranks among the answered at which ``counts`` are kept, ascending.
        counts: By unit and rank, the turns at or below it.
        open_end: Whether the unanswered follow after the last of ``ranks``.
        first: The rank of the first of ``values``.
        values: Those of the answered that may become the percentile, in seconds, ascending.
        above: The unanswered waited for this long at least, in seconds.

    """

    p: float
    sizes: np.ndarray
    ranks: np.ndarray
    counts: np.ndarray
    open_end: bool
    first: int
    values: np.ndarray
    above: float

    @classmethod
    def around(cls, sample: Sample, p: float, units: int) -> "Curve":
        """The curve of ``sample`` around ``p``, by ``units`` numbers of units."""
        n = len(sample.answered)
        sizes = _tally(sample.units, units) + _tally(sample.silent_units, units)
        rank = min(n, round(p * sample.count))
        below = _tally(sample.units[:rank], units)
        reach = SPREADS * float(np.sqrt(((below - p * sizes) ** 2).sum())) + SPREADS
        low, high = max(0, int(rank - reach)), min(n, int(rank + reach) + 1)
        ranks = np.unique(np.linspace(low, high, min(high - low + 1, POINTS)).astype(np.int64))
        place = np.searchsorted(ranks, np.arange(low + 1, high + 1))
        cells = sample.units[low:high].astype(np.int64) * len(ranks) + place
        steps = np.bincount(cells, minlength=units * len(ranks)).reshape(units, -1)
        counts = _tally(sample.units[:low], units)[:, None] + steps.cumsum(axis=1)
        first = max(low, 1)
        return cls(
            p=p,
            sizes=sizes.astype(float),
            ranks=ranks,
            counts=counts.astype(float),
            open_end=high == n,
            first=first,
            values=sample.answered[first - 1 : high].copy(),
            above=sample.above,
        )

    def value(self, rank: int) -> Percentile:
        """The value at a rank that a resample may give the percentile."""
        place = rank - self.first
        if place < len(self.values):
            return float(self.values[place])
        return {"value": None, "above": self.above}

    def resampled(self, drawn: np.ndarray) -> Ranks:
        """The percentile's rank in each resample; ``drawn``: how often it drew each unit."""
        wanted = np.ceil(np.round(self.p * (drawn @ self.sizes), 6))
        place = (drawn @ self.counts < wanted[:, None]).sum(axis=1)
        beyond = self.ranks[-1] + int(self.open_end)
        ranks: Ranks = np.append(self.ranks, beyond)[place].clip(min=1)
        return ranks


class Ratio(msgspec.Struct, frozen=True):
    """A mean, a share or a rate: sums over units, one by the other."""

    above: np.ndarray
    below: np.ndarray

    def resampled(self, drawn: np.ndarray) -> np.ndarray:
        """Zero where nothing to divide by was drawn."""
        below = drawn @ self.below
        above: np.ndarray = drawn @ self.above
        return np.where(below > 0, above / np.where(below > 0, below, 1), 0.0)


def _tally(units: np.ndarray, number: int) -> np.ndarray:
    return np.bincount(units, minlength=number)


def weights(drawn: np.ndarray, number: int) -> np.ndarray:
    """How often each resample (a row) drew each of ``number`` units."""
    rows = np.arange(len(drawn))[:, None] * number
    counts = np.bincount((drawn + rows).ravel(), minlength=len(drawn) * number)
    return counts.reshape(len(drawn), number).astype(float)


def curves(sample: Sample, percentiles: Iterable[float], units: int) -> list[Curve]:
    """
    Those around the percentiles that ``sample`` carries.

    None are where fewer than ``FEWEST_UNITS`` calls stand behind it.

    Args:
        sample: By ``units`` numbers of units.
        percentiles: As shares.
        units: How many there are.

    """
    carried = [p for p in percentiles if sample.carries(p)]
    return [Curve.around(sample, p, units) for p in carried] if enough_units(sample) else []


def intervals(
    found: Mapping[str, Sequence[Curve]], units: int
) -> dict[str, dict[str, list[Percentile]]]:
    """
    The intervals of confidence of a run's percentiles, at ``LEVEL``.

    Args:
        found: Curves by the name of their metric, all of one run, so that one resample holds the
            same calls for all.
        units: How many units there are.

    Returns:
        By name and percentile (``p95``), the lower and the upper end.

    """
    every = [(name, curve) for name, each in found.items() for curve in each]
    told: dict[str, dict[str, list[Percentile]]] = {name: {} for name in found}
    if not every:
        return told

    def ranks(drawn: np.ndarray) -> np.ndarray:
        return np.stack([curve.resampled(drawn) for _, curve in every]).astype(float)

    low, high = ends(ranks, units)
    for (name, curve), a, b in zip(every, low, high, strict=True):
        # Outward to a value that a turn really had.
        outer = curve.value(int(np.floor(a))), curve.value(int(np.ceil(b)))
        told[name][percentile_name(curve.p)] = list(outer)
    return told


def enough_units(sample: Sample) -> bool:
    """Whether calls enough stand behind a sample to say how sure its figures are."""
    return len(np.unique(sample.all_units)) >= FEWEST_UNITS


def widening(level: float, units: int) -> float:
    """
    How much wider an interval must be for few units than resampling makes it.

    Resampling makes the spread of few units too small, and takes it for known: Hesterberg's
    expanded percentile interval (What Teachers Should Know About the Bootstrap, 2015).
    """
    tail = (1 + level) / 2
    wider = stats.t.ppf(tail, units - 1) / stats.norm.ppf(tail)
    return float(np.sqrt(units / (units - 1)) * wider)


def _level(units: int) -> float:
    """The level at which percentiles of resamples cover as ``LEVEL`` says."""
    reach = stats.norm.ppf((1 + LEVEL) / 2) * widening(LEVEL, units)
    return float(2 * stats.norm.cdf(reach) - 1)


def ends(statistic: Statistic, units: int) -> tuple[np.ndarray, np.ndarray]:
    """
    The lower and upper ends of intervals at ``LEVEL``, for figures of one run.

    Args:
        statistic: The figures (rows) of each resample (columns), by how often each resample (a
            row) drew each unit.
        units: How many there are.

    """

    def figures(drawn: np.ndarray, axis: int) -> np.ndarray:
        found = statistic(weights(drawn.reshape(-1, units), units))
        return found.reshape(len(found), *drawn.shape[:-1])

    result: Any = stats.bootstrap(
        (np.arange(units),),
        figures,
        vectorized=True,
        axis=0,
        n_resamples=RESAMPLES,
        confidence_level=_level(units),
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return result.confidence_interval.low, result.confidence_interval.high
