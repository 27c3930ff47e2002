import pytest
from rundirs import answered, second, session, write_run

from harness.report import words
from harness.report.load import load_run
from harness.report.summary import summarise

USAGE = {
    "input_tokens": 30,
    "output_tokens": 50,
    "input_token_details": {"text_tokens": 10, "audio_tokens": 20},
    "output_token_details": {"text_tokens": 5, "audio_tokens": 45},
}


def summary_of(path, turns=(), sessions=(), **more):
    return summarise(load_run(write_run(path, turns, sessions, **more)))


def test_money_by_turn_by_minute_and_by_good_minute(tmp_path):
    turns = [answered(n) for n in range(14)] + [answered(outcome="cancelled")]
    turns += [answered(n, outcome="failed") for n in range(4)] + [answered(outcome="cut")]
    sessions = [*session(0, 60, cost_usd=0.3, usage=USAGE), *session(0, 60, caller=1, usage=USAGE)]

    spent = summary_of(tmp_path, turns, sessions)["spending"]

    assert spent["usd"] == pytest.approx(0.3)
    assert spent["per_turn"] == pytest.approx(0.3 / 20)
    assert spent["per_session_minute"] == pytest.approx(0.15)
    assert spent["per_good_minute"] == pytest.approx(0.6)  # fifteen answers of two seconds
    assert spent["tokens"] == {"text_input": 20, "audio_input": 40, "text_output": 10,
                               "audio_output": 90}  # fmt: skip


def test_what_is_unpriced_is_never_free(tmp_path):
    spent = summary_of(tmp_path, [answered()], session(usage=USAGE))["spending"]

    assert spent["usd"] is spent["per_turn"] is spent["per_good_minute"] is None
    assert spent["tokens"]["audio_output"] == 45


def test_what_a_killed_worker_spent_is_what_its_turns_say(tmp_path):
    alive = [answered(n, cost_usd=0.1, worker="a") for n in (0, 10)]
    killed = [answered(n, cost_usd=0.1, worker="b") for n in (0, 10)]
    sessions = [*session(0, 20, worker="a", cost_usd=0.25), *session(0, worker="b")[:1]]

    summary = summary_of(tmp_path, alive + killed, sessions, workers=["a", "b"])

    # The end of a's session knows of a transcription told late; b's session has no end.
    assert summary["cost_usd"] == pytest.approx(0.25 + 0.2)
    assert summary["spending"]["per_turn"] == pytest.approx(0.45 / 4)


def test_what_a_killed_worker_used_is_what_its_turns_say(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.report.spending.PART_TURNS", 1)
    turns = [answered(0, worker="a", usage=USAGE), answered(0, worker="b", usage=USAGE)]
    turns += [answered(10, worker="b", usage=USAGE), answered(20, worker="b")]
    sessions = [*session(0, 20, worker="a", usage=USAGE), *session(0, worker="b")[:1]]

    summary = summary_of(tmp_path, turns, sessions, workers=["a", "b"])

    assert summary["spending"]["tokens"] == {"text_input": 30, "audio_input": 60,
                                             "text_output": 15, "audio_output": 135}  # fmt: skip


def test_of_a_call_that_was_renewed_and_killed_each_session_is_paid_once(tmp_path):
    turns = [answered(n, cost_usd=0.1, turn=n // 10) for n in (0, 10, 20, 30, 40)]
    sessions = [*session(0, 29, cost_usd=0.35), *session(29.5)[:1]]

    assert summary_of(tmp_path, turns, sessions)["cost_usd"] == pytest.approx(0.35 + 0.2)


def test_turns_without_any_session_say_what_they_cost(tmp_path):
    turns = [answered(0, cost_usd=0.1), answered(10, cost_usd=0.2)]

    assert summary_of(tmp_path, turns)["cost_usd"] == pytest.approx(0.3)


def test_sessions_of_a_killed_worker_lasted_until_it_was_heard_of_last(tmp_path):
    sessions = [*session(0, 60, worker="a", cost_usd=0.2), *session(0, worker="b")[:1]]
    health = [second(t, worker=worker) for worker, t in (("b", 30.0), ("a", 60.0))]

    run = {"health": health, "workers": ["a", "b"]}
    spent = summary_of(tmp_path, [answered(worker="a")], sessions, **run)["spending"]

    assert spent["per_session_minute"] == pytest.approx(0.2 / 1.5)


def test_a_refused_session_lasted_no_time(tmp_path):
    sessions = session(0, 60, cost_usd=0.2)
    sessions += session(0, 60, caller=1, outcome="refused", code="http_429", steps={})

    spent = summary_of(tmp_path, [answered()], sessions)["spending"]

    assert spent["per_session_minute"] == pytest.approx(0.2)


def test_what_is_priced_in_part_cost_at_least_that(tmp_path):
    turns = [answered(0, cost_usd=0.1, usage=USAGE), answered(10, usage=USAGE), answered(20)]

    summary = summary_of(tmp_path, turns)

    assert summary["cost_usd"] == pytest.approx(0.1)
    assert summary["spending"]["unpriced_turns"] == 1
    assert words.cost(summary) == "at least $0.10"


def test_what_is_priced_whole_cost_just_that(tmp_path):
    summary = summary_of(tmp_path, [answered(0, cost_usd=0.1, usage=USAGE), answered(10)])

    assert summary["spending"]["unpriced_turns"] == 0
    assert words.cost(summary) == "$0.10"
