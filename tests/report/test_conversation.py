import pytest
from rundirs import answered, session, silent, write_run

from harness.records import Flag, Outcome, ToolCall
from harness.report.load import load_run
from harness.report.summary import summarise


def summary_of(path, turns=(), sessions=()):
    return summarise(load_run(write_run(path, turns, sessions)))


def test_answers_with_silences_and_how_fast_they_came(tmp_path):
    turns = [answered(0, gaps=[0.1, 1.8]), answered(1, gaps=[0.2]), answered(2), silent(3)]

    listening = summary_of(tmp_path, turns)["listening"]

    assert (listening["answers"], listening["with_gaps"], listening["with_dead_air"]) == (3, 2, 1)
    assert listening["rtf"]["mean"] == pytest.approx(0.5)  # two seconds of audio within one


def test_what_else_is_known_of_answers_is_counted_over_those_that_have_it(tmp_path):
    turns = [answered(n, gaps=[0.1, 1.8] if n == 0 else []) for n in range(20)] + [silent(30)]

    figures = summary_of(tmp_path, turns)["figures"]

    assert figures["audio_gaps"]["count"] == 20  # an unanswered turn has no silences inside
    assert figures["audio_gap_longest"]["max"] == figures["dead_air"]["max"] == 1.8
    assert figures["audio_gap_seconds"]["mean"] == pytest.approx(0.095)
    assert figures["rtf"]["p50"] == pytest.approx(0.5)
    assert figures["rtf"]["p95"] == {"value": None, "why": "too few"}
    assert "own_delay" not in figures


def test_answers_talked_over_while_they_ran_and_after(tmp_path):
    over = {"outcome": Outcome.CANCELLED, "flags": [Flag.INTERRUPTED]}
    turns = [
        answered(0, marks={"barge_in": 2.8, "last_delta": 3.0}, overtalk_s=0.2, **over),
        answered(10, marks={"barge_in": 14.0}, **over),  # done at 13.3
        answered(20),
    ]

    told = summary_of(tmp_path, turns, session(stale_audio_s=0.7))["interruptions"]

    assert told == {
        "turns": 2,
        "running": 1,
        "after_done": 1,
        "overtalk_s": pytest.approx(0.2),
        "stale_audio_s": 0.7,
    }


def test_rate_limits_say_when_and_under_what_load_they_began(tmp_path):
    limited = {"outcome": Outcome.RATE_LIMITED, "code": "rate_limit_exceeded"}
    turns = [answered(1), silent(30, **limited), silent(20, **limited)]
    sessions = [*session(0, 60), *session(10, 60, caller=1)]
    sessions += session(40, 40, caller=2, outcome="refused", code="http_429", steps={})

    told = summary_of(tmp_path, turns, sessions)["rate_limits"]

    assert told == {
        "turns": 2,
        "sessions": 1,
        "from_s": pytest.approx(20.02),
        "concurrency": 2,
        "ramp_delay_s": 0.0,
    }


def test_no_rate_limit_is_none(tmp_path):
    told = summary_of(tmp_path, [answered()])["rate_limits"]

    assert (told["turns"], told["sessions"]) == (0, 0)
    assert told["from_s"] is told["concurrency"] is None


def test_each_scenario_has_its_own_figures(tmp_path):
    call = ToolCall(name="book", call_id="c")
    turns = [answered(n, 0.2, scenario="talk") for n in range(30)]
    turns += [answered(n, 0.6, scenario="tools", tools=[call]) for n in range(20)]
    turns += [silent(n, scenario="tools") for n in range(5)]

    talk, tools = summary_of(tmp_path, turns)["scenarios"]

    assert (talk["scenario"], talk["turns"], talk["failed"], talk["tools"]) == ("talk", 30, 0, 0)
    assert talk["ttfa"]["p50"] == pytest.approx(0.2)
    assert (tools["turns"], tools["failed"], tools["unanswered"], tools["tools"]) == (25, 5, 5, 20)
    assert tools["ttfa"]["p50"] == pytest.approx(0.6)


@pytest.mark.parametrize(("paid", "free"), [(True, False), (False, True), (None, False)])
def test_what_a_free_host_would_have_cost_is_told_as_such(tmp_path, paid, free):
    path = write_run(tmp_path, [answered()], meta={} if paid is None else {"paid": paid})

    assert summarise(load_run(path))["spending"]["free"] is free
