import math

import pandas as pd
import pytest
from rundirs import answered, silent, write_run

from harness.records import Flag, Outcome
from harness.report import series
from harness.report.load import load_run


def turns_of(path, turns):
    return load_run(write_run(path, turns)).turns


@pytest.mark.parametrize(
    ("duration", "bins", "width"),
    [(30, 60, 1), (60, 60, 1), (61, 60, 2), (300, 60, 5), (300, 10, 30), (3600, 60, 60), (5, 0, 5)],
)
def test_bins_are_round_and_few(duration, bins, width):
    assert series.bin_width(duration, bins) == width


def test_the_median_over_time_is_that_of_each_bin(tmp_path):
    early = [answered(n / 10, 0.3) for n in range(100)]
    late = [answered(10 + n / 10, 0.6) for n in range(101)]

    lines = series.over_time(turns_of(tmp_path, early + late), 20.0).dropna()

    median = lines[lines["quantile"] == "median"]
    assert median["t"].tolist() == [2.5, 7.5, 12.5, 17.5]
    assert median["ttfa"].tolist() == pytest.approx([0.3, 0.3, 0.6, 0.6])


def test_no_line_is_drawn_that_its_bin_cant_carry(tmp_path):
    lines = series.over_time(turns_of(tmp_path, [answered(n) for n in range(30)]), 30.0)

    assert lines.dropna()["quantile"].unique().tolist() == ["median"]  # thirty carry no p95


def test_a_median_that_reaches_the_unanswered_is_a_gap(tmp_path):
    turns = [answered(n / 10) for n in range(20)] + [silent(n / 10) for n in range(30)]

    assert series.over_time(turns_of(tmp_path, turns), 3.0)["ttfa"].isna().all()


def test_points_are_few_and_the_unanswered_among_them(tmp_path):
    turns = [answered(n / 100) for n in range(4000)] + [silent(3.0)]
    turns.append(silent(4.0, outcome=Outcome.CUT, flags=[Flag.CENSORED]))

    points = series.scatter(turns_of(tmp_path, turns))

    assert points["what"].value_counts().to_dict() == {"turn": series.POINTS, "unanswered": 1}
    assert points[points["what"] == "unanswered"]["ttfa"].isna().all()


def test_the_distribution_ends_at_the_share_answered(tmp_path):
    turns = [answered(n, (n + 1) / 100) for n in range(90)] + [silent(n) for n in range(10)]

    curve = series.distribution(turns_of(tmp_path, turns))

    assert curve["share"].iloc[-1] == 0.9
    assert curve["ttfa"].iloc[-1] == pytest.approx(0.9)
    assert curve[curve["share"] == 0.5]["ttfa"].tolist() == pytest.approx([0.5])


def test_outcomes_are_counted_by_when_turns_began(tmp_path):
    turns = [answered(0), answered(1), silent(11), silent(12, outcome=Outcome.ABANDONED)]
    turns += [silent(13, outcome=Outcome.INTERNAL)]

    frame = series.outcomes_over_time(turns_of(tmp_path, turns), 10.0)

    assert frame.to_dict("records") == [
        {"t": 0.0, "outcome": "completed", "turns": 2, "t_end": 10.0},
        {"t": 10.0, "outcome": "abandoned", "turns": 1, "t_end": 20.0},
        {"t": 10.0, "outcome": "other", "turns": 1, "t_end": 20.0},
        {"t": 10.0, "outcome": "timeout", "turns": 1, "t_end": 20.0},
    ]


def test_the_waterfall_adds_up_to_the_mean_time_to_the_first_audible_sample(tmp_path):
    turns = [answered(n, 0.2 + n / 1000) for n in range(100)]

    bars = series.waterfall(turns_of(tmp_path, turns)).groupby("group")["seconds"].sum()

    assert math.isclose(bars["around the median"], 0.3 + 0.0495, abs_tol=1e-9)
    assert math.isclose(bars["around p95"], 0.3 + 0.094, abs_tol=1e-9)


def test_what_has_few_values_is_its_own_bin(tmp_path):
    turns = turns_of(tmp_path, [answered(n, 0.1 * (n % 4 + 1), turn=n % 4) for n in range(160)])

    lines = series.against(turns, turns["turn"])

    assert lines["quantile"].unique().tolist() == ["median"]  # forty carry no p95
    assert lines["x"].tolist() == [0, 1, 2, 3]
    assert lines["ttfa"].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_what_has_many_values_is_cut_into_bins_of_as_many_turns(tmp_path):
    turns = turns_of(tmp_path, [answered(n, 0.001 * n, session_age_s=n) for n in range(1200)])

    lines = series.against(turns, turns["session_age_s"])

    median = lines[lines["quantile"] == "median"]
    assert median["turns"].tolist() == [100] * 12
    assert median["low"].tolist() == [100.0 * n for n in range(12)]
    assert median["ttfa"].tolist() == pytest.approx([0.05 + 0.1 * n for n in range(12)])
    assert lines[lines["quantile"] == "p95"]["turns"].tolist() == [300] * 4


@pytest.mark.parametrize("count", [0, 10])
def test_too_few_turns_draw_no_line(tmp_path, count):
    turns = turns_of(tmp_path, [answered(n) for n in range(count)])

    assert series.against(turns, turns["turn"]).empty


def test_many_changes_are_thinned_to_the_peaks_and_what_lasts():
    ramp = [(0.001 * n, n) for n in range(1, 1001)]
    flight = [(1.0 + 0.001 * n, 1000 - n) for n in range(1, 991)]
    steps = pd.DataFrame([*ramp, *flight], columns=["t", "sessions"])  # ten stay for a minute

    thin = series.thin_steps(steps, duration_s=60.0)

    assert len(thin) <= 2 * 600
    assert thin["t"].is_monotonic_increasing
    assert thin["sessions"].max() == 1000
    assert thin["sessions"].iloc[-1] == 10
