import pytest

from harness.records import LagHistogram
from harness.verdict import RULES, Facts, Level, exit_code, failures, reach_verdict


def lags(seconds, count=100):
    histogram = LagHistogram()
    for _ in range(count):
        histogram.add(seconds)
    return histogram


GOOD = Facts(
    turns=1000,
    suspect_turns=10,
    frame_lateness=lags(0.005),
    read_lag=lags(0.005),
    audio_due_s=100.0,
    audio_sent_s=98.0,
    damaged_turns=10,
    over_target_s=2.0,
)


def test_a_run_at_every_limit_is_valid():
    assert reach_verdict(GOOD).level is Level.VALID
    assert reach_verdict(GOOD).reasons == ()


def test_a_run_without_anything_is_valid():
    assert reach_verdict(Facts()).level is Level.VALID


@pytest.mark.parametrize(
    ("rule", "changes", "level", "reason"),
    [
        ("frame_lateness_invalid", {"frame_lateness": lags(0.21)}, Level.INVALID, "not speaking"),
        ("audio_sent", {"audio_sent_s": 97.9}, Level.INVALID, "only 97.9% of the audio time due"),
        ("lost_turns", {"lost_turns": 1}, Level.INVALID, "turns that ended but were not recorded"),
        ("damaged_turns", {"damaged_turns": 11}, Level.INVALID, "1.1% of the lines in turns.jsonl"),
        ("over_target", {"over_target_s": 3.0}, Level.INVALID, "more users than asked for: 3 s"),
        ("clock_anchor", {"unanchored_workers": 1}, Level.INVALID, "workers without clock anchor"),
        ("suspect_turns", {"suspect_turns": 11}, Level.SUSPECT, "the generator was late during"),
        ("frame_lateness", {"frame_lateness": lags(0.0051)}, Level.SUSPECT, "p99 frame lateness"),
        ("read_lag", {"read_lag": lags(0.0073)}, Level.SUSPECT, "messages waited to be read: p99"),
        ("clock_offset", {"uncompared_workers": 1}, Level.SUSPECT, "workers of other hosts placed"),
        ("unwatched", {"unwatched_workers": 2}, Level.SUSPECT, "workers that left no record"),
    ],
)  # fmt: skip
def test_each_rule_strikes_just_beyond_its_limit(rule, changes, level, reason):
    facts = Facts(**{name: getattr(GOOD, name) for name in Facts.__struct_fields__} | changes)

    verdict = reach_verdict(facts)

    assert rule in [r.name for r in RULES]
    assert verdict.level is level
    assert verdict.reasons[0].startswith(reason)


def test_every_rule_has_its_row_above():
    (table,) = test_each_rule_strikes_just_beyond_its_limit.pytestmark

    assert [row[0] for row in table.args[1]] == [rule.name for rule in RULES]


def test_a_reason_names_value_and_limit():
    (reason,) = reach_verdict(Facts(frame_lateness=lags(0.0051))).reasons

    assert reason == "p99 frame lateness 5.1 ms, over 5 ms"


def test_the_worst_level_wins_and_all_reasons_are_named():
    facts = Facts(turns=10, suspect_turns=5, lost_turns=2)

    verdict = reach_verdict(facts)

    assert verdict.level is Level.INVALID
    assert [reason.split()[0] for reason in verdict.reasons] == ["turns", "the"]


def run(**changes):
    summary = {
        "verdict": "VALID",
        "turns": 10,
        "outcomes": {"completed": 8, "cancelled": 1, "cut": 1},
        "session_outcomes": {"ended": 3},
        "slo": [],
        "master_lost": False,
    }
    return summary | changes


MET, MISSED, OPEN = ({"objective": "x", "value": 1, "met": met} for met in (True, False, None))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"verdict": "SUSPECT"}, 0),
        ({"slo": [MET]}, 0),
        ({"slo": [MET], "outcomes": {"failed": 10}}, 0),
        ({"slo": [MET, MISSED]}, 1),
        ({"outcomes": {"completed": 9, "timeout": 1}}, 1),
        ({"session_outcomes": {"ended": 2, "refused": 1}}, 1),
        ({"verdict": "INVALID"}, 2),
        ({"verdict": "INVALID", "slo": [MISSED]}, 2),
        ({"master_lost": True}, 2),
        ({"turns": 0, "outcomes": {}}, 2),
        ({"preflight": "the host refused the key"}, 2),
        ({"slo": [MISSED, OPEN]}, 2),
    ],
)
def test_the_exit_code_says_what_the_run_proves(changes, code):
    assert exit_code(run(**changes)) == code


def test_cancelled_cut_and_ended_are_no_failures():
    assert failures(run()) == (0, 0)
    assert failures(run(outcomes={"abandoned": 2, "internal": 1, "cut": 5})) == (3, 0)
