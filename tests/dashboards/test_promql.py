import pytest

from dashboards.promql import Queries, le

ASK = Queries(window="1m", filters={"job": "~$job", "scenario": "~$scenario"})
RULE = Queries(window="5m", keep=("job", "scenario"))


def test_filters_are_put_on_metrics_that_have_the_label():
    assert ASK.now("turns") == 'sum(realtime_turns_total{job=~"$job", scenario=~"$scenario"})'
    assert ASK.now("users") == 'sum(realtime_users{job=~"$job"})'


def test_rules_keep_their_labels():
    assert RULE.rate("turns", "outcome") == (
        "sum by (job, scenario, outcome) (rate(realtime_turns_total[5m]))"
    )
    assert RULE.now("cpu", "worker") == "sum by (job, worker) (realtime_cpu_ratio)"


def test_a_quantile_adds_up_buckets_before_it_is_taken():
    assert RULE.quantile(0.95, "ttfa") == (
        "histogram_quantile(0.95, "
        "sum by (job, scenario, le) (rate(realtime_ttfa_seconds_bucket[5m])))"
    )


def test_a_share_is_of_a_bucket_in_all_that_were_asked():
    assert RULE.share_within("0.8", "ttfa") == (
        'sum by (job, scenario) (rate(realtime_ttfa_seconds_bucket{le="0.8"}[5m])) '
        "/ sum by (job, scenario) (rate(realtime_ttfa_seconds_count[5m]))"
    )


def test_parts_are_divided_by_wholes():
    assert RULE.mean_part("turn_segment", "segment", "tool", once="audible") == (
        'sum by (job, scenario) (rate(realtime_turn_segment_seconds_sum{segment="tool"}[5m])) '
        "/ sum by (job, scenario) "
        '(rate(realtime_turn_segment_seconds_count{segment="audible"}[5m]))'
    )


def test_what_was_is_asked_as_what_is():
    before = Queries(window="1m", ago="1d")

    assert before.rate("turns") == "sum(rate(realtime_turns_total[1m] offset 1d))"


def test_the_most_while_something_held_is_looked_for_in_the_time_shown():
    assert ASK.most_while("users", "up > 0") == (
        'max_over_time((sum(realtime_users{job=~"$job"}) and up > 0 '
        'or 0 * sum(realtime_users{job=~"$job"}))[$__range:$__interval])'
    )


def test_a_gauge_and_a_counter_of_one_name_are_told_apart_by_what_is_asked():
    assert RULE.now("sessions") == "sum by (job) (realtime_sessions)"
    assert "realtime_sessions_total" in RULE.rate("sessions")
    assert RULE.so_far("sessions") == "sum by (job, scenario) (realtime_sessions_total)"


@pytest.mark.parametrize(
    "write",
    [
        lambda: RULE.rate("users"),
        lambda: RULE.rate("ttfa"),
        lambda: RULE.quantile(0.5, "turns"),
        lambda: RULE.now("no_such_metric"),
    ],
)
def test_what_the_table_does_not_have_cannot_be_written(write):
    with pytest.raises(KeyError):
        write()


@pytest.mark.parametrize(
    "write",
    [lambda: RULE.now("turns", "phase"), lambda: RULE.now("users", scenario="talk")],
)
def test_labels_are_those_of_the_table(write):
    with pytest.raises(AssertionError, match="has no label"):
        write()


@pytest.mark.parametrize(("bound", "label"), [(1, "1.0"), (0.05, "0.05"), (60.0, "60.0")])
def test_bounds_are_written_as_they_are_scraped(bound, label):
    assert le(bound) == label
