import numpy as np
import pytest

from harness.report.resample import Curve, curves, intervals, weights
from harness.report.stats import Sample, in_order


def sample(calls=60, turns=5, *, alike=0.0, seed=1, silent=0):
    """Turns of a second and more; ``alike``: how far calls differ among each other."""
    rng = np.random.default_rng(seed)
    units = np.repeat(np.arange(calls), turns)
    values = 1 + rng.random(calls * turns) + alike * rng.random(calls)[units]
    answered, units = in_order(values, units)
    return Sample(answered, silent, 22.0, units=units, silent_units=np.arange(silent) % calls)


def width(found):
    low, high = found
    return high - low


def ends(one, p=0.5):
    units = int(one.all_units.max()) + 1
    return intervals({"x": curves(one, [p], units)}, units)["x"]


def test_a_resample_counts_how_often_it_drew_each_unit():
    assert weights(np.array([[0, 0, 2], [1, 1, 1]]), 3).tolist() == [[2, 0, 1], [0, 3, 0]]


@pytest.mark.parametrize("p", [0.5, 0.9, 0.95])
@pytest.mark.parametrize("silent", [0, 5, 40])
def test_a_resampled_percentile_is_that_of_the_turns_drawn(p, silent):
    one = sample(silent=silent, alike=0.3)
    drawn = np.random.default_rng(2).integers(0, 60, (30, 60))

    curve = Curve.around(one, p, 60)

    for row, rank in zip(drawn, curve.resampled(weights(drawn, 60)), strict=True):
        times = np.bincount(row, minlength=60)
        everyone = np.concatenate(
            [
                np.repeat(one.answered, times[one.units]),
                np.full(times[one.silent_units].sum(), np.inf),
            ]
        )
        true = np.quantile(everyone, p, method="inverted_cdf")
        beyond = {"value": None, "above": one.above}
        assert curve.value(rank) == (beyond if np.isinf(true) else true)


def test_an_interval_holds_its_percentile_and_shrinks_with_the_number_of_calls():
    few, many = sample(calls=40), sample(calls=640)

    low, high = ends(few)["p50"]
    assert low < few.percentile(0.5) < high
    assert 0.15 < width(ends(many)["p50"]) / width(ends(few)["p50"]) < 0.4  # a quarter


def test_calls_that_differ_widen_the_interval():
    """Of turns that are alike within a call, more turns tell nothing more."""
    once, often = sample(calls=60, turns=1, alike=20), sample(calls=60, turns=10, alike=20)

    assert width(ends(often)["p50"]) > 0.6 * width(ends(once)["p50"])


def test_an_interval_covers_the_truth_as_often_as_it_says():
    covered = 0
    for seed in range(100):
        low, high = ends(sample(calls=80, turns=4, seed=seed))["p50"]
        covered += low <= 1.5 <= high

    assert covered >= 90  # 95 are expected; fewer than 90 come once in a hundred


def test_an_interval_may_reach_the_unanswered():
    low, high = ends(sample(silent=30), 0.9)["p90"]

    assert isinstance(low, float)
    assert high == {"value": None, "above": 22.0}


@pytest.mark.parametrize(
    ("one", "p"),
    [(sample(calls=9, turns=20), 0.5), (sample(calls=19, turns=1), 0.5), (sample(), 0.99)],
)
def test_no_interval_is_given_that_turns_or_calls_cant_carry(one, p):
    assert ends(one, p) == {}


def test_all_alike_is_a_point():
    units = np.repeat(np.arange(20), 5)

    assert ends(Sample(np.full(100, 0.3), units=units)) == {"p50": [0.3, 0.3]}


def test_the_same_run_gives_the_same_interval():
    assert ends(sample()) == ends(sample())
