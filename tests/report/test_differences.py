import random

import numpy as np
import pytest
from rundirs import answered, session, silent, write_run

from harness.records import Outcome
from harness.report.differences import differences, side_of
from harness.report.load import load_run
from harness.report.resample import Ratio
from harness.report.units import units_of


def talked(path, seed=1, *, calls=100, turns=5, more=0.0, tail=0.0, silence=0.0):
    """
    A run of calls whose turns are alike: each call has its own pace, each turn varies about it.

    ``more`` seconds on every answer, ``tail`` on every tenth; ``silence``: the share unanswered.
    """
    rng = random.Random(seed)
    said, sessions = [], []
    for call in range(calls):
        pace = rng.gauss(-0.9, 0.12)
        for number in range(turns):
            who = {"caller": call, "turn": number}
            at = call + number * 5.0
            if rng.random() < silence:
                said.append(silent(at, **who))
                continue
            ttfa = rng.lognormvariate(pace, 0.16) + more + (tail if rng.random() < 0.1 else 0)
            said.append(answered(at, ttfa, **who))
        sessions += session(call, call + 30.0, caller=call, turns=turns)
    return load_run(write_run(path, said, sessions))


def compared(base, candidate):
    sides = [side_of(run, units_of(run, blocks=False)) for run in (base, candidate)]
    return {(d.metric, d.statistic): d for d in differences(*sides)}


def proven(found):
    return {key for key, d in found.items() if d.proven}


def test_differences_are_between_the_figures_of_both_runs(tmp_path):
    base, candidate = talked(tmp_path / "a"), talked(tmp_path / "b", 2, more=0.2)

    found = compared(base, candidate)

    d = found["ttfa", "p50"]
    values = [np.quantile(r.turns["ttfa"], 0.5, method="inverted_cdf") for r in (base, candidate)]
    assert [d.base, d.candidate] == pytest.approx(values)
    assert d.difference == pytest.approx(values[1] - values[0])
    means = [r.turns["ttfa"].mean() for r in (base, candidate)]
    assert [found["ttfa", "mean"].base, found["ttfa", "mean"].candidate] == pytest.approx(means)
    assert d.low < 0.2 < d.high
    assert ("ttfa", "p99") not in found  # five hundred turns don't carry it


def test_what_is_the_same_does_not_differ(tmp_path):
    run = talked(tmp_path)

    found = compared(run, run)

    assert all(d.difference == 0 for d in found.values())
    assert proven(found) == set()


def test_no_false_alarm_and_nothing_missed_where_turns_of_a_call_are_alike(tmp_path):
    """A reduced form: of six pairs without a difference none may be told apart, of six all."""
    for seed in range(6):
        base = talked(tmp_path / f"{seed}-base", seed)
        alike = compared(base, talked(tmp_path / f"{seed}-alike", 100 + seed))
        slower = compared(base, talked(tmp_path / f"{seed}-slow", 200 + seed, more=0.05))

        assert proven(alike) == set(), seed
        assert {("ttfa", "p50"), ("ttfa", "mean")} & proven(slower), seed


def test_turns_that_are_alike_prove_less(tmp_path):
    """As many turns, but of few calls: each tells what its neighbours do."""
    many = compared(talked(tmp_path / "a"), talked(tmp_path / "b", 2))
    few = compared(*(talked(tmp_path / str(n), n, calls=20, turns=25) for n in (3, 4)))

    assert few["ttfa", "mean"].reach > 1.4 * many["ttfa", "mean"].reach


def test_a_slow_tail_shows_in_p95_and_not_in_the_median(tmp_path):
    found = compared(talked(tmp_path / "a"), talked(tmp_path / "b", 2, tail=0.6))

    assert ("ttfa", "p95") in proven(found)
    assert ("ttfa", "p50") not in proven(found)


def test_falling_silent_is_a_difference_though_no_answer_is_slower(tmp_path):
    found = compared(talked(tmp_path / "a"), talked(tmp_path / "b", 2, silence=0.2))

    assert found["turns", "unanswered"].low > 0
    assert found["turns", "failed"].low > 0
    assert found["ttfa", "p95"].candidate_above
    assert found["ttfa", "p95"].candidate == 10.0


def test_a_percentile_at_the_edge_of_the_unanswered_is_left_to_their_share(tmp_path):
    found = compared(talked(tmp_path / "a"), talked(tmp_path / "b", 2, silence=0.05))

    assert ("ttfa", "p95") not in found
    assert ("ttfa", "p50") in found


def test_sessions_that_never_talked_are_compared_too(tmp_path):
    runs = []
    for name, refused in (("a", 0), ("b", 40)):
        turns = [answered(n, caller=n % 50, turn=n) for n in range(100)]
        sessions = [line for n in range(50) for line in session(n, caller=n)]
        for n in range(refused):
            sessions += session(n, caller=100 + n, outcome="refused", steps={})
        runs.append(load_run(write_run(tmp_path / name, turns, sessions)))

    d = compared(*runs)["sessions", "failed"]

    assert (d.base, d.candidate) == (0, pytest.approx(40 / 90))
    assert d.low > 0


def test_cut_turns_and_open_sessions_count_for_nothing(tmp_path):
    turns = [answered(n, caller=n % 20) for n in range(60)]
    turns += [silent(n, caller=n, outcome=Outcome.CUT) for n in range(20)]
    run = load_run(write_run(tmp_path, turns, [session(caller=n)[0] for n in range(20)]))

    found = compared(run, run)

    assert found["turns", "failed"].base == 0
    assert ("sessions", "failed") not in found


@pytest.mark.parametrize(("calls", "turns"), [(9, 20), (0, 0)])
def test_too_few_calls_give_no_comparison(tmp_path, calls, turns):
    few, many = talked(tmp_path / "a", calls=calls, turns=turns), talked(tmp_path / "b")

    assert compared(few, many) == {}


def test_the_turns_that_would_show_a_difference_grow_with_the_square(tmp_path):
    d = compared(talked(tmp_path / "a"), talked(tmp_path / "b", 2))["ttfa", "p50"]

    assert d.turns == 500
    assert d.turns_to_show(d.reach) == 500
    assert d.turns_to_show(d.reach / 2) == 2000
    assert d.turns_to_show(0) is None


def test_a_ratio_of_nothing_is_zero():
    assert Ratio(np.array([1.0]), np.array([0.0])).resampled(np.array([[1.0]])).tolist() == [0]
