import random

import pytest

from harness.sequential import ShareTest


def turns_needed(bad, limit=0.05, most=10_000):
    test = ShareTest(limit)
    while test.holds is None and test.count < most:
        test.add(bad)
    return test.count


@pytest.mark.parametrize(
    ("limit", "good", "bad"),
    # log(19) over log((1 - good) / (1 - bad)), and over log(bad / good), rounded up
    [(0.05, 40, 3), (0.01, 197, 3), (0.5, 5, 5)],
)
def test_turns_that_are_all_alike_decide_soon(limit, good, bad):
    assert turns_needed(False, limit) == good
    assert turns_needed(True, limit) == bad


def test_nothing_is_decided_before_the_first_turn():
    test = ShareTest(0.05)

    assert (test.holds, test.share, test.evidence, test.dispersion) == (None, None, 0, 1)


def test_turns_of_one_block_prove_less():
    alone, together = ShareTest(0.05), ShareTest(0.05)
    for number in range(100):
        alone.add(number % 10 == 0, number)
        together.add(number < 10, number // 10)

    assert alone.share == together.share == 0.1
    assert alone.dispersion == pytest.approx(1, abs=0.02)
    assert together.dispersion == pytest.approx(10 * 10 / 9)  # one call of ten failed throughout
    assert abs(together.evidence) < abs(alone.evidence) / 10


def test_the_kind_of_block_that_varies_most_counts():
    test = ShareTest(0.05)
    for number in range(100):
        test.add(number < 10, number % 10, number // 10)

    assert test.dispersion == pytest.approx(10 * 10 / 9)


def test_seven_calls_decide_nothing_whatever_became_of_them():
    test = ShareTest(0.05)
    for call in range(7):
        test.add(True, call)

    assert test.holds is None
    test.add(True, 7)
    assert test.holds is False


def decided(seed, share, *, alike):
    """What is decided of turns in calls of four; ``alike``: the chance that one is as the first."""
    rng, test = random.Random(seed), ShareTest(0.05)
    for call in range(5000):
        first = rng.random() < share
        for turn in range(4):
            as_first = turn == 0 or rng.random() < alike
            test.add(first if as_first else rng.random() < share, call, call // 8)
        if test.holds is not None:
            return test.holds
    return None


@pytest.mark.parametrize("alike", [0.0, 0.5])
@pytest.mark.parametrize(("share", "holds"), [(0.02, True), (0.12, False)])
def test_few_answers_are_wrong_even_where_turns_of_a_call_are_alike(share, holds, alike):
    answers = [decided(seed, share, alike=alike) for seed in range(200)]

    assert answers.count(holds) >= 190
    assert None not in answers
