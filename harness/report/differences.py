"""
How two runs differ: each figure's difference, with an interval that holds for all of them at once.

Calls (or blocks of time) of both runs are drawn whole, again and again, by scipy's bootstrap; each
draw gives every figure of both. All intervals reach so far that in ``CONFIDENCE`` of the draws not
one figure deviates further, each being left as seldom as any other: Beran, Balanced Simultaneous
Confidence Sets (1988). Figures that go together, as ``ttfa`` and ``ttfa_audible`` do, thus cost no
more certainty than one would, and one that jumps, as a p95 near the unanswered does, spoils none.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from scipy import stats

from harness.metrics import TURN_METRICS
from harness.records import TURN_FAILURES, SessionOutcome
from harness.report.load import Run
from harness.report.resample import (
    FEWEST_UNITS,
    Curve,
    Ratio,
    enough_units,
    weights,
    widening,
)
from harness.report.stats import Sample, is_unanswered, percentile_name, take_sample
from harness.report.units import Units

__all__ = ["CONFIDENCE", "Difference", "Key", "Side", "differences", "side_of"]

CONFIDENCE = 0.99  # that not one of the intervals misses the truth
POWER = 0.8  # the chance with which "would have been found" finds
RESAMPLES = 4999
FEWEST_TURNS = 20
PERCENTILES = (0.5, 0.95, 0.99)
EDGE = 4.0  # standard errors between a percentile and the first of the unanswered

Key = tuple[str, str]
"""A metric and what of it: ``("ttfa", "p95")``, ``("turns", "failed")``."""


class Figure(Protocol):
    """A number of a run, and of any resample of it."""

    def resampled(self, drawn: np.ndarray) -> np.ndarray:
        """Of each resample (a row), by how often it drew each unit."""
        ...


class Quantile(msgspec.Struct, frozen=True):
    """A percentile; where it reaches the unanswered, the least that they waited."""

    curve: Curve
    limit: float

    def resampled(self, drawn: np.ndarray) -> np.ndarray:
        """The value at its rank."""
        values = np.append(self.curve.values, self.limit)
        return np.asarray(values[self.curve.resampled(drawn) - self.curve.first])


class Side(msgspec.Struct, frozen=True):
    """One of two runs, ready to be compared: its samples, and sums by unit."""

    units: int
    samples: dict[str, Sample]
    ratios: dict[Key, Ratio]
    counts: dict[str, int]  # turns, or sessions, behind each metric


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """
    Candidate minus base, of one figure; less is better.

    Attributes:
        base: Seconds, a share or a number per minute; ``above``: it is at least that.
        difference: Between the two.
        low: The least it can be, at ``CONFIDENCE`` for all figures together.
        high: The most.
        turns: Of both runs; the harmonic mean, which the precision depends on.
        reach: The smallest difference found four times in five.

    """

    metric: str
    statistic: str
    base: float
    candidate: float
    base_above: bool = False
    candidate_above: bool = False
    difference: float
    low: float
    high: float
    turns: float
    reach: float

    @property
    def proven(self) -> bool:
        """Whether the interval leaves no doubt that there is a difference."""
        return self.low > 0 or self.high < 0

    def turns_to_show(self, worth: float) -> int | None:
        """How many turns of each run would show a difference of ``worth``; ``None``: no number."""
        if worth <= 0 or self.reach <= 0:
            return None
        return int(np.ceil(self.turns * (self.reach / worth) ** 2))


def side_of(run: Run, units: Units) -> Side:
    """What a run brings into a comparison."""
    samples = {m.name: take_sample(run.turns, m, units.turns) for m in TURN_METRICS}
    kept = {name: s for name, s in samples.items() if s.count >= FEWEST_TURNS and enough_units(s)}
    counts = {name: sample.count for name, sample in kept.items()}
    ended = int(run.sessions["outcome"].notna().sum())
    counts |= {"turns": len(run.turns), "sessions": ended, "audio_gaps": len(run.turns)}
    return Side(units.number, kept, _ratios(run, units, kept), counts)


def _ratios(run: Run, units: Units, samples: Mapping[str, Sample]) -> dict[Key, Ratio]:
    def turns(values: Any) -> np.ndarray:
        return np.bincount(units.turns, weights=values, minlength=units.number)

    failed = run.sessions["outcome"].notna() & (run.sessions["outcome"] != SessionOutcome.ENDED)
    every = turns(np.ones(len(run.turns)))
    ended = run.sessions["outcome"].notna()
    by_session = [
        np.bincount(units.sessions, weights=values, minlength=units.number)
        for values in (failed, ended)
    ]
    means = {
        (name, "mean"): Ratio(
            np.bincount(sample.units, weights=sample.answered, minlength=units.number),
            np.bincount(sample.units, minlength=units.number).astype(float),
        )
        for name, sample in samples.items()
        if len(sample.answered) >= FEWEST_TURNS
    }
    return means | {
        ("turns", "failed"): Ratio(turns(run.turns["outcome"].isin(list(TURN_FAILURES))), every),
        ("turns", "unanswered"): Ratio(turns(is_unanswered(run.turns)), every),
        ("sessions", "failed"): Ratio(*by_session),
        ("audio_gaps", "per_minute"): Ratio(
            turns(run.turns["gaps"]), turns(run.turns["audio_heard_s"] / 60)
        ),
    }


def differences(base: Side, candidate: Side) -> list[Difference]:
    """
    Every figure that both runs carry, compared; none if either has too few calls.

    Returns:
        By metric, in the order of the table of metrics, turns, sessions and gaps last.

    """
    if min(base.units, candidate.units) < FEWEST_UNITS:
        return []
    keys = _keys(base, candidate)
    limit = {name: _limit(base, candidate, name) for name, _ in keys}
    sides = [[_figure(side, key, limit[key[0]]) for key in keys] for side in (base, candidate)]
    found, drawn = _resample(sides, (base.units, candidate.units))
    error = drawn.std(axis=1, ddof=1)
    wide = widening(CONFIDENCE, min(base.units, candidate.units))
    margins = wide * _margins(found[1] - found[0], drawn)
    reaches = margins + error * stats.norm.ppf(POWER)
    return [
        _difference(
            key,
            (base, candidate),
            (float(found[0, i]), float(found[1, i])),
            margin=float(margins[i]),
            reach=float(reaches[i]),
            limit=limit[key[0]],
        )
        for i, key in enumerate(keys)
    ]


def _keys(base: Side, candidate: Side) -> list[Key]:
    names = [name for name in base.samples if name in candidate.samples]
    percentiles = [
        (name, percentile_name(p))
        for name in names
        for p in PERCENTILES
        if all(_compares(side.samples[name], p) for side in (base, candidate))
        and any(isinstance(side.samples[name].percentile(p), float) for side in (base, candidate))
    ]
    ratios = [
        key
        for key, ratio in base.ratios.items()
        if key in candidate.ratios and ratio.below.any() and candidate.ratios[key].below.any()
    ]
    place = {name: number for number, name in enumerate([*names, "turns", "sessions"])}
    return sorted([*percentiles, *ratios], key=lambda key: place.get(key[0], len(place)))


def _compares(sample: Sample, p: float) -> bool:
    """
    Whether a percentile says anything of its own.

    Where it may as well be that of an unanswered turn, it jumps with how many there are, and that
    is compared by itself.
    """
    if not sample.carries(p):
        return False
    silent = sample.unanswered / sample.count
    by_unit = np.bincount(sample.silent_units, minlength=int(sample.all_units.max()) + 1)
    off = by_unit - silent * np.bincount(sample.all_units)
    return abs(1 - p - silent) * sample.count > EDGE * float(np.sqrt((off**2).sum()))


def _limit(base: Side, candidate: Side, name: str) -> float:
    """What an unanswered turn of either run counts as: the least that it waited."""
    return max((side.samples[name].above for side in (base, candidate) if name in side.samples),
               default=0.0)  # fmt: skip


def _figure(side: Side, key: Key, limit: float) -> Figure:
    if key in side.ratios:
        return side.ratios[key]
    sample, p = side.samples[key[0]], float(key[1].removeprefix("p")) / 100
    return Quantile(Curve.around(sample, p, side.units), limit)


def _resample(
    sides: Sequence[Sequence[Figure]], units: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """The figures of both runs as they are, and the differences in each resample."""

    def figures(side: int, drawn: np.ndarray) -> np.ndarray:
        counted = weights(drawn.reshape(-1, units[side]), units[side])
        found = np.stack([figure.resampled(counted) for figure in sides[side]])
        return found.reshape(len(found), *drawn.shape[:-1])

    def difference(base: np.ndarray, candidate: np.ndarray, axis: int) -> np.ndarray:
        moved: np.ndarray = figures(1, candidate) - figures(0, base)
        return moved

    everyone = [np.arange(number) for number in units]
    result: Any = stats.bootstrap(
        everyone,
        difference,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    as_they_are = np.stack([figures(side, everyone[side]) for side in (0, 1)])
    return as_they_are, result.bootstrap_distribution


def _margins(found: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """How far each figure may deviate, so that seldom any does."""
    deviations = np.abs(drawn - found[:, None])
    ranks = stats.rankdata(deviations, method="min", axis=1)
    rank = np.quantile(ranks.max(axis=0), CONFIDENCE, method="higher")
    return np.asarray(np.sort(deviations, axis=1)[:, int(rank) - 1])


def _difference(
    key: Key,
    sides: tuple[Side, Side],
    values: tuple[float, float],
    *,
    margin: float,
    reach: float,
    limit: float,
) -> Difference:
    metric, statistic = key
    first, second = (side.counts[metric] for side in sides)
    above = [
        key not in side.ratios and _reaches(side.samples[metric], value, limit)
        for side, value in zip(sides, values, strict=True)
    ]
    difference = values[1] - values[0]
    return Difference(
        metric=metric,
        statistic=statistic,
        base=values[0],
        candidate=values[1],
        base_above=above[0],
        candidate_above=above[1],
        difference=difference,
        low=difference - margin,
        high=difference + margin,
        turns=2 / (1 / first + 1 / second),
        reach=reach,
    )


def _reaches(sample: Sample, value: float, limit: float) -> bool:
    """Whether a percentile is that of an unanswered turn."""
    return sample.unanswered > 0 and value >= limit
