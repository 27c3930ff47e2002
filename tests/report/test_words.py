import pytest

from harness.report import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0004, "0.40 ms"),
        (0.0042, "4.2 ms"),
        (0.4123, "412 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (1.2345, "1.23 s"),
        (22.04, "22.0 s"),
        ({"value": None, "above": 22.0}, "> 22 s"),
        ({"value": None, "above": 10.53}, "> 10.5 s"),
        ({"value": None, "why": "too few"}, "–"),
    ],
)
def test_a_percentile_reads(value, text):
    assert words.percentile(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.4123, "seconds", "412 ms"),
        (0.4123, "", "0.412"),
        (3.0, "", "3"),
        (None, "", "–"),
        ({"value": None, "why": "too few"}, "", "–"),
    ],
)
def test_a_figure_reads_in_its_unit(value, unit, text):
    assert words.figure(value, unit) == text


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        (None, ""),
        ([], ""),
        ([0.398, 0.431], "398–431 ms"),
        ([0.1, 0.1], "100 ms"),
        ([0.9, 1.241], "900 ms – 1.24 s"),
        ([1.2, 9.5], "1.20–9.50 s"),
        ([0.5, {"value": None, "above": 22.0}], "500 ms – > 22 s"),
        ([{"value": None, "above": 22.0}, {"value": None, "above": 22.0}], ""),
    ],
)
def test_an_interval_reads(ends, text):
    assert words.interval(ends) == text


def test_a_percentile_that_is_no_number_says_why():
    assert "unanswered" in words.why({"value": None, "above": 22.0})
    assert "too few" in words.why({"value": None, "why": "too few"})
    assert words.why(0.3) == words.why(None) == ""


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        *((0, 10, "0.0 %"), (1, 300, "0.33 %"), (5, 100, "5.0 %"), (1, 1, "100.0 %"), (0, 0, "–")),
        *((299, 300, "99.7 %"), (9999, 10_000, "99.990 %"), (999_967, 1_000_000, "99.9967 %")),
    ],
)
def test_a_share_reads(part, whole, text):
    assert words.share(part, whole) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 s"), (45.4, "45 s"), (100, "1 min 40 s"), (59.7, "1 min 00 s"), (7500, "2 h 05 min")],
)
def test_a_span_reads(value, text):
    assert words.span(value) == text


@pytest.mark.parametrize(
    ("objective", "value", "text"),
    [
        ("ttfa:p95<0.8s", 0.7, "700 ms"),
        ("ttfa:p95<0.8s", {"value": None, "above": 22.0}, "> 22 s"),
        ("turns:failed<1%", 0.012, "1.2 %"),
        ("turns:failed<5", 1200, "1\u202f200"),
        ("audio_gaps:per_minute<0.5", 0.4123, "0.41 per minute"),
        ("tool_call:p75<1s", None, "there are none"),
        ("ttfa:p95<0.8s", {"value": None, "why": "too few"}, "too few turns: p95 takes 200"),
        ("ttfa{kind=text}:p99.9<2s", {"value": None}, "too few turns: p99.9 takes 10\u202f000"),
    ],
)
def test_what_an_objective_reached_reads_in_its_unit(objective, value, text):
    assert words.objective_value(objective, value) == text
