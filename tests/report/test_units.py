import numpy as np
import pandas as pd
import pytest
from rundirs import answered, session, write_run

from harness.report.load import load_run
from harness.report.units import MOST_UNITS, call_units, load_varies, units_of


def test_turns_of_one_call_are_one_unit():
    turns = pd.DataFrame(
        {
            "worker": pd.Categorical(["a", "a", "b", "a", "a"]),
            "caller": [1, 1, 1, 2, 1],
            "call": [0, 0, 0, 0, 1],
        }
    )

    assert call_units(turns).tolist() == [0, 0, 1, 2, 3]


def test_very_many_calls_share_units_evenly_and_always_in_the_same_way():
    n = 3 * MOST_UNITS
    turns = pd.DataFrame({"worker": pd.Categorical(["a"] * n), "caller": range(n), "call": 0})

    units = call_units(turns)

    assert np.bincount(units).tolist() == [3] * MOST_UNITS
    assert call_units(turns).tolist() == units.tolist()


def run_of(path, calls, *, at_once=4, seconds=100.0):
    """Calls of two turns that begin evenly over the run, so many open at once."""
    turns, sessions = [], []
    length = seconds * at_once / calls
    for caller in range(calls):
        start = seconds * caller / calls
        turns += [answered(start + t, caller=caller) for t in (0.1, 0.6)]
        sessions += session(start, start + length, caller=caller)
    return load_run(write_run(path, turns, sessions))


def test_a_session_shares_the_unit_of_its_turns_and_one_without_turns_has_its_own(tmp_path):
    turns = [answered(1, caller=1), answered(2, caller=2), answered(3, caller=1)]
    sessions = [*session(0, caller=3, outcome="refused"), *session(0, caller=1)]

    units = units_of(load_run(write_run(tmp_path, turns, sessions)), blocks=False)

    assert units.turns.tolist() == [0, 1, 0]
    assert units.sessions.tolist() == [2, 0]
    assert (units.number, units.what) == (3, "call")


def test_a_block_holds_the_whole_calls_begun_in_it(tmp_path):
    units = units_of(run_of(tmp_path, 200), blocks=True)

    assert 45 <= units.number <= 51
    assert units.turns[0] == units.turns[1]  # of one call, though half a second apart
    assert np.bincount(units.turns).max() <= 12
    assert units.what == "block of time"


def test_steady_load_does_not_vary_and_steps_do(tmp_path):
    steady = run_of(tmp_path / "steady", 200)
    assert not load_varies(steady)

    turns = [answered(t, caller=0) for t in range(100)]
    turns += [answered(50 + t / 10, caller=c) for t in range(50) for c in (1, 2, 3)]
    sessions = session(0, 100, caller=0)
    for caller in (1, 2, 3):
        sessions += session(50, 100, caller=caller)
    assert load_varies(load_run(write_run(tmp_path / "steps", turns, sessions)))


@pytest.mark.parametrize("turns", [[], [answered()]])
def test_what_is_not_recorded_does_not_vary(tmp_path, turns):
    run = load_run(write_run(tmp_path, turns))

    assert not load_varies(run)
    assert units_of(run, blocks=True).number == len(turns)
