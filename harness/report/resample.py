"""How far percentiles could be off: runs resampled by call, since turns of a call are alike."""

from collections.abc import Callable, Mapping, Sequence
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

    Attributes:
        p: The percentile, as a share.
        sizes: Turns of each unit, answered and unanswered.
        ranks: The ranks among the answered at which ``counts`` are kept, ascending.
        counts: By unit and rank, the turns at or below it.
        open_end: Whether the unanswered follow after the last of ``ranks``.

    """

    p: float
    sizes: np.ndarray
    ranks: np.ndarray
    counts: np.ndarray
    open_end: bool

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
        return cls(p, sizes.astype(float), ranks, counts.astype(float), high == n)

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


def intervals(
    samples: Mapping[str, Sample], percentiles: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, list[Percentile]]]:
    """
    The intervals of confidence of a run's percentiles, at ``LEVEL``.

    Args:
        samples: By name, all of one run, so that one resample holds the same calls for all.
        percentiles: As shares, by the same names.

    Returns:
        By name and percentile (``p95``), the lower and the upper end; those that the sample can't
        carry, or that fewer than ``FEWEST_UNITS`` calls stand behind, are left out.

    """
    units = 1 + max((int(s.all_units.max(initial=-1)) for s in samples.values()), default=-1)
    known = [name for name, sample in samples.items() if enough_units(sample)]
    asked = [(name, p) for name in known for p in percentiles[name] if samples[name].carries(p)]
    found: dict[str, dict[str, list[Percentile]]] = {name: {} for name in samples}
    if not asked:
        return found
    curves = [Curve.around(samples[name], p, units) for name, p in asked]

    def ranks(drawn: np.ndarray) -> np.ndarray:
        return np.stack([curve.resampled(drawn) for curve in curves]).astype(float)

    low, high = ends(ranks, units)
    for (name, p), a, b in zip(asked, low, high, strict=True):
        sample = samples[name]
        # Outward to a value that a turn really had.
        found[name][percentile_name(p)] = [
            sample.rank(int(np.floor(a))),
            sample.rank(int(np.ceil(b))),
        ]
    return found


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
