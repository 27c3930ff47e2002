import math

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rundirs import Kind, answered, silent

from harness.metrics import TURN_METRICS, Metric
from harness.percentiles import percentile_too_thin
from harness.records import Flag, Outcome, ToolCall, Turn, encode
from harness.report.rows import TurnRow, turn_columns
from harness.report.stats import Sample, figures, is_unanswered, percentile_name, take_sample

TOO_FEW = {"value": None, "why": "too few"}


def metric(name) -> Metric:
    return next(m for m in TURN_METRICS if m.name == name)


def frame(turns):
    rows = [msgspec.json.decode(encode(turn), type=TurnRow) for turn in turns]
    return pd.DataFrame(turn_columns(rows))


def hundredths(n):
    """0.01, 0.02, … of ``n`` turns."""
    return np.arange(1, n + 1) / 100


@pytest.mark.parametrize(
    ("n", "unanswered", "p", "expected"),
    [
        (20, 0, 0.5, 0.10),  # the tenth of twenty: ten lie beyond it
        (19, 0, 0.5, TOO_FEW),
        (21, 0, 0.5, 0.11),  # nearest rank rounds up
        (100, 0, 0.9, 0.90),
        (99, 0, 0.9, TOO_FEW),
        (200, 0, 0.95, 1.90),
        (199, 0, 0.95, TOO_FEW),
        (1000, 0, 0.99, 9.90),
        (999, 0, 0.99, TOO_FEW),
        (10_000, 0, 0.999, 99.90),
        (0, 0, 0.5, TOO_FEW),
        (190, 10, 0.95, 1.90),  # the last answered one
        (189, 11, 0.95, {"value": None, "above": 22.0}),
        (10, 10, 0.5, 0.10),
        (9, 11, 0.5, {"value": None, "above": 22.0}),
        (0, 20, 0.5, {"value": None, "above": 22.0}),
        (0, 19, 0.5, TOO_FEW),
    ],
)
def test_a_percentile_is_the_nearest_rank_with_the_unanswered_above_all(n, unanswered, p, expected):
    sample = Sample(hundredths(n), unanswered, limit=22.0)

    assert sample.percentile(p) == (pytest.approx(expected) if n and expected != TOO_FEW
                                    and isinstance(expected, float) else expected)  # fmt: skip


@pytest.mark.parametrize(
    ("values", "limit", "above"),
    [([0.3], 22.0, 22.0), ([0.3, 25.0], 22.0, 25.0), ([], 10.0, 10.0)],
)
def test_above_is_the_larger_of_the_limits_and_the_largest_answer(values, limit, above):
    assert Sample(np.array(values), 30, limit).percentile(0.5) == {"value": None, "above": above}


@given(
    st.lists(st.floats(0, 60), max_size=300),
    st.integers(0, 300),
    st.sampled_from([0.5, 0.75, 0.9, 0.95, 0.99]),
)
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values, unanswered, p):
    answered = np.sort(np.array(values))
    everyone = [*answered, *[math.inf] * unanswered]

    result = Sample(answered, unanswered, 60.0).percentile(p)

    if percentile_too_thin(p, len(everyone)):
        assert result == TOO_FEW
    else:
        share = round(p * 1_000_000)
        covers = [v for i, v in enumerate(everyone, 1) if i * 1_000_000 >= share * len(everyone)]
        assert result == (covers[0] if covers[0] < math.inf else {"value": None, "above": 60.0})


def test_figures_count_answered_and_unanswered_and_average_the_answered():
    told = figures(Sample(np.array([0.1, 0.2, 0.6]), 2, limit=10.0, censored=4))

    assert told == {
        "count": 5,
        "answered": 3,
        "unanswered": 2,
        "censored": 4,
        "mean": pytest.approx(0.3),
        "p50": TOO_FEW,
        "p90": TOO_FEW,
        "p95": TOO_FEW,
        "p99": TOO_FEW,
        "max": {"value": None, "above": 10.0},
    }


def test_figures_of_nothing():
    told = figures(Sample(np.array([])))

    assert told["count"] == 0
    assert told["mean"] is None
    assert told["max"] is None


def test_percentiles_have_short_names():
    assert [percentile_name(p) for p in (0.5, 0.95, 0.99, 0.999)] == ["p50", "p95", "p99", "p99.9"]


ZOO = {
    "answered": answered(ttfa=0.4),
    "cancelled while it played": answered(ttfa=0.5, outcome=Outcome.CANCELLED),
    "timed out": silent(limit=10.0),
    "timed out under a longer limit": silent(limit=22.0),
    "failed fast": silent(outcome=Outcome.FAILED),
    "patience ended": silent(outcome=Outcome.ABANDONED),
    "filler and then nothing": answered(
        outcome=Outcome.FAILED, tools=[ToolCall(name="book", call_id="c")]
    ),
    "cut after its filler": answered(
        outcome=Outcome.CUT, tools=[ToolCall(name="book", call_id="c")]
    ),
    "text only": silent(outcome=Outcome.COMPLETED, flags=[Flag.TEXT_ONLY]),
    "asked for text": silent(outcome=Outcome.COMPLETED, audio=False),
    "cut": silent(outcome=Outcome.CUT, flags=[Flag.CENSORED]),
    "cancelled before audio": silent(outcome=Outcome.CANCELLED),
    "premature only": answered(
        outcome=Outcome.COMPLETED, flags=[Flag.CENSORED, Flag.PREMATURE], marks={"speech_end": None}
    ),
    "never committed": Turn(outcome=Outcome.DISCONNECTED, limits_s=10.0),
    "greeting unanswered": Turn(outcome=Outcome.TIMEOUT, kind=Kind.GREETING, limits_s=10.0),
    "unsolicited": Turn(outcome=Outcome.FAILED, kind=Kind.UNSOLICITED),
}


@pytest.mark.parametrize(
    ("name", "n_answered", "unanswered", "censored"),
    [
        ("ttfa", 4, 6, 3),  # five kinds of silence, and the one that never got to commit
        ("ttfa_commit", 4, 5, 3),  # without a commit there is nothing to count from
        ("ttfa_request", 0, 1, 0),
        ("ttfa_audible", 4, 7, 3),
        ("time_to_answer", 2, 7, 4),  # filler is no answer
        ("ttft", 4, 0, 3),  # counts no unanswered turns
    ],
)
def test_each_metric_counts_the_turns_it_is_asked_of(name, n_answered, unanswered, censored):
    sample = take_sample(frame(ZOO.values()), metric(name))

    assert len(sample.answered) == n_answered
    assert sample.unanswered == unanswered
    assert sample.censored == censored


def test_the_limit_is_the_largest_of_the_unanswered():
    assert take_sample(frame(ZOO.values()), metric("ttfa")).limit == 22.0
    assert take_sample(frame(ZOO.values()), metric("ttfa_request")).limit == 10.0


def test_the_limit_counts_from_where_the_metric_does():
    assert take_sample(frame(ZOO.values()), metric("ttfa_detected")).limit == 10.0


def test_the_frame_says_of_each_turn_what_its_record_says():
    turns = list(ZOO.values())

    assert is_unanswered(frame(turns)).tolist() == [turn.unanswered for turn in turns]
    for each in TURN_METRICS:
        sample = take_sample(frame(turns), each)
        assert sample.unanswered == sum(each.unanswered(turn) for turn in turns), each.name
