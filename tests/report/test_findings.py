import random

import pandas as pd
import pytest
from rundirs import answered, session, silent, write_run

from harness.report.concurrency import concurrency_of
from harness.report.findings import findings
from harness.report.load import load_run


def grown(path, wait, *, callers=60, seed=1, noise=0.03):
    """
    A run to which a caller comes each second and stays, speaking every two seconds.

    ``wait(load, age)``: what an answer takes with so many sessions open, in one of that age.
    """
    rng = random.Random(seed)
    turns, sessions = [], []
    for caller in range(callers):
        start, own = float(caller), rng.gauss(0, noise)
        sessions += session(start, callers + 20.0, caller=caller)
        for number, at in enumerate(range(caller + 1, callers + 15, 2)):
            load, age = min(callers, at + 1), at - start
            ttfa = max(0.05, wait(load, age) + own + rng.gauss(0, noise))
            turns.append(answered(at + 0.5, ttfa, caller=caller, turn=number, session_age_s=age))
    return load_run(write_run(path, turns, sessions))


def found(run):
    concurrency = concurrency_of(run)
    return {each["what"]: each for each in findings(run, concurrency)}


@pytest.mark.parametrize("knee", [20, 40])
def test_the_knee_is_where_it_was_set(tmp_path, knee):
    run = grown(tmp_path, lambda load, age: 0.3 + 0.02 * max(0, load - knee))

    told = found(run)

    assert told["load"]["knee"] == pytest.approx(knee, abs=2)
    assert told["load"]["rise"] == pytest.approx(0.02, rel=0.1)
    low, high = told["load"]["knee_ci"]
    assert low <= told["load"]["knee"] <= high
    assert "sessions at once" in told["load"]["text"]
    assert "age" not in told  # sessions were older when load was higher: that is no drift


def test_drift_with_the_age_of_a_session_is_told_at_the_same_load(tmp_path):
    run = grown(tmp_path, lambda load, age: 0.3 + 0.24 * age / 60 + 0.002 * load)

    told = found(run)

    assert told["age"]["per_minute"] == pytest.approx(0.24, rel=0.1)
    low, high = told["age"]["per_minute_ci"]
    assert low < 0.24 < high
    assert told["age"]["text"].startswith("Answers get slower as a session goes on: by 2")


def test_getting_faster_is_told_as_well(tmp_path):
    told = found(grown(tmp_path, lambda load, age: 0.8 - 0.3 * age / 60))

    assert told["age"]["per_minute"] == pytest.approx(-0.3, rel=0.1)
    assert "get faster" in told["age"]["text"]


@pytest.mark.parametrize("seed", range(8))
def test_where_nothing_drives_it_nothing_is_told(tmp_path, seed):
    assert found(grown(tmp_path, lambda load, age: 0.4, seed=seed)) == {}


def test_a_rise_too_small_to_matter_is_not_told(tmp_path):
    assert found(grown(tmp_path, lambda load, age: 0.4 + 0.0002 * load, noise=0.002)) == {}


@pytest.mark.parametrize("turns", [[], [answered(n, caller=n % 20) for n in range(50)],
                                   [silent(n, caller=n % 20) for n in range(200)],
                                   [answered(n, caller=0) for n in range(200)]])  # fmt: skip
def test_too_little_says_nothing(tmp_path, turns):
    assert found(load_run(write_run(tmp_path, turns))) == {}


def test_levels_of_load_between_two_whole_numbers_are_empty(tmp_path):
    load = pd.Series([*range(1, 101), *[200] * 450, *[201] * 550], dtype=float)
    turns = [answered(n * 0.1, 0.3, caller=n % 50, turn=n // 50) for n in range(len(load))]

    assert findings(load_run(write_run(tmp_path, turns)), load) == []


def test_what_tools_take_is_not_the_endpoints_drift(tmp_path):
    """In half of the turns a tool is called, after which the endpoint is asked once more."""
    plain = grown(tmp_path / "plain", lambda load, age: 0.3 + 0.01 * age)
    turns = plain.turns
    turns["has_tools"] = turns["turn"] % 2 == 1
    turns["ttfa"] += turns["ttfa"].where(turns["has_tools"], 0)

    told = found(plain)

    assert told["age"]["per_minute"] == pytest.approx(0.6, rel=0.1)


def test_sessions_that_grow_old_together_are_no_load(tmp_path):
    """All come within a minute and stay: whenever there are more, they are older, too."""
    run = grown(tmp_path, lambda load, age: 0.3 + 0.02 * age, noise=0.01)

    assert found(run).keys() == {"age"}
