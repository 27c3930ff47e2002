import json

import msgspec
import pytest
from rundirs import answered, crowd, second, session, silent, write_run

from harness.metrics import TURN_METRICS
from harness.records import Flag, Kind, Outcome, Phase, SessionOutcome, ToolCall
from harness.report.load import load_run
from harness.report.summary import summarise
from harness.slo import parse_slo
from harness.verdict import exit_code


def summary_of(path, turns=(), sessions=(), health=(), objectives=None, **more):
    return summarise(load_run(write_run(path, turns, sessions, health, **more)), objectives)


PROMISED = {
    *("schema", "verdict", "reasons", "turns", "sessions", "outcomes", "metrics", "errors"),
    *("timeouts", "slo", "cost_usd", "max_concurrency"),
}


def test_the_summary_has_what_is_promised(tmp_path):
    summary = summarise(load_run(crowd(tmp_path, callers=8, seconds=60)))

    assert summary.keys() >= PROMISED
    assert summary["schema"] == 1
    assert summary["verdict"] in ("VALID", "SUSPECT", "INVALID")
    assert set(summary["metrics"]) == {m.name for m in TURN_METRICS} | {"audio_gap"}
    for figures in summary["metrics"].values():
        assert figures.keys() == {
            *("count", "answered", "unanswered", "censored"),
            *("mean", "p50", "p90", "p95", "p99", "max", "ci"),
        }
        assert figures["count"] == figures["answered"] + figures["unanswered"]
    assert json.loads(msgspec.json.encode(summary)) == summary  # JSON holds all of it


def test_a_run_that_ended_early_says_why_and_is_judged_by_what_it_has(tmp_path):
    budget = {"limit_usd": 1.0, "spent_usd": 0.98, "reached": True}
    meta = {"state": "ended", "ended_early": "the budget of 1 USD is spent", "budget": budget}

    summary = summary_of(tmp_path, [answered(n) for n in range(20)], meta=meta)

    assert summary["ended_early"] == "the budget of 1 USD is spent"
    assert summary["budget"] == budget
    assert summary["exit_code"] == exit_code(summary) == 0


def test_percentiles_come_from_the_records(tmp_path):
    turns = [answered(n, ttfa=(n + 1) / 1000) for n in range(200)]

    ttfa = summary_of(tmp_path, turns)["metrics"]["ttfa"]

    assert ttfa == {
        "count": 200,
        "answered": 200,
        "unanswered": 0,
        "censored": 0,
        "mean": pytest.approx(0.1005),
        "p50": 0.1,
        "p90": 0.18,
        "p95": 0.19,
        "p99": {"value": None, "why": "too few"},
        "max": 0.2,
        "ci": {},  # all of one call: nobody knows how much calls differ
    }


def test_a_percentile_that_enough_calls_carry_has_an_interval(tmp_path):
    turns = [answered(n, ttfa=0.3 + 0.001 * (n % 100), caller=n % 40) for n in range(400)] + [
        silent(n, caller=n) for n in range(40)
    ]

    ttfa = summary_of(tmp_path, turns)["metrics"]["ttfa"]

    assert ttfa["ci"].keys() == {"p50", "p90", "p95"}
    low, high = ttfa["ci"]["p50"]
    assert 0.34 < low < ttfa["p50"] < high < 0.37
    assert ttfa["ci"]["p95"] == [{"value": None, "above": 10.0}] * 2  # it reaches the unanswered


def test_a_server_that_leaves_a_tenth_unanswered_has_no_p95(tmp_path):
    turns = [answered(n, 0.3) for n in range(180)] + [silent(n, limit=22.0) for n in range(20)]

    ttfa = summary_of(tmp_path, turns)["metrics"]["ttfa"]

    assert (ttfa["count"], ttfa["answered"], ttfa["unanswered"]) == (200, 180, 20)
    assert ttfa["p90"] == pytest.approx(0.3)
    assert ttfa["p95"] == {"value": None, "above": 22.0}
    assert ttfa["mean"] == pytest.approx(0.3)


def test_outcomes_errors_and_timeouts_are_counted(tmp_path):
    turns = [
        answered(0),
        answered(
            1, outcome=Outcome.CANCELLED, code="turn_detected"
        ),  # a success: its code no error
        silent(2),
        silent(3, phase=Phase.DETECTION),
        silent(4, outcome=Outcome.FAILED, code="server_error"),
        silent(5, outcome=Outcome.CUT, flags=[Flag.CENSORED]),
    ]
    sessions = [
        *session(0, 9, caller=0, turns=6, errors={"hiccup": 2}, deviations={"second_answer": 1}),
        *session(1, 2, caller=1, outcome=SessionOutcome.REFUSED, code="invalid_api_key",
                 close_code=3000, steps={}),
        *session(1, 2, caller=2, outcome=SessionOutcome.TIMEOUT, phase=Phase.CONNECT, steps={}),
        *session(1, 9, caller=3, outcome=SessionOutcome.DISCONNECTED, code="server_error", turns=1),
    ]  # fmt: skip

    summary = summary_of(tmp_path, turns, sessions)

    assert summary["turns"] == 6
    assert summary["sessions"] == 4
    assert summary["max_concurrency"] == 2
    assert summary["outcomes"] == {
        "timeout": 2,
        "cancelled": 1,
        "completed": 1,
        "cut": 1,
        "failed": 1,
    }
    assert summary["session_outcomes"] == {
        "ended": 1,
        "refused": 1,
        "timeout": 1,
        "disconnected": 1,
    }
    assert summary["errors"] == {"hiccup": 2, "server_error": 1, "invalid_api_key": 1}
    assert summary["timeouts"] == {"first_audio": 1, "detection": 1, "connect": 1}
    assert summary["deviations"] == {"second_answer": 1}
    assert summary["close_codes"] == {"1000": 3, "3000": 1}
    assert summary["unanswered"] == 3
    assert summary["metrics"]["ttfa"]["censored"] == 1


def test_headline_figures_stand_beside_those_without_suspect_turns(tmp_path):
    turns = [answered(n, 0.3) for n in range(60)]
    turns += [answered(n, 0.9, flags=[Flag.SUSPECT]) for n in range(60)]

    summary = summary_of(tmp_path, turns)

    assert summary["suspect"] == 60
    assert summary["metrics"]["ttfa"]["count"] == 120
    assert summary["without_suspect"]["turns"] == 60
    assert summary["without_suspect"]["ttfa"]["max"] == pytest.approx(0.3)


def test_gaps_are_counted_by_minute_heard(tmp_path):
    turns = [answered(0, gaps=[0.1, 1.6]), *(answered(n) for n in range(1, 30))]  # 60 s heard

    summary = summary_of(tmp_path, turns)

    assert summary["audio_gaps"] == {
        "count": 2,
        "seconds": pytest.approx(1.7),
        "longest": 1.6,
        "dead_air": 1,
        "heard_s": 60.0,
        "per_minute": 2.0,
    }
    assert summary["metrics"]["audio_gap"]["max"] == 1.6


def test_tools_and_cost_are_summed(tmp_path):
    call = ToolCall(name="book", call_id="c", called_at=0, answered_at=300_000_000, outcome="ok")
    docs = ToolCall(name="book", call_id="m", server="docs", called_at=0, answered_at=1_000_000_000)
    turns = [
        answered(0, tools=[call], cost_usd=0.02),
        *(answered(n, tools=[call], cost_usd=0.01) for n in range(1, 20)),
        answered(20, tools=[docs]),
    ]

    summary = summary_of(tmp_path, turns)

    assert summary["cost_usd"] == pytest.approx(0.21)
    ours, servers = summary["tools"]
    took = ours.pop("took")
    assert ours == {
        "name": "book",
        "calls": 20,
        "invalid": 0,
        "outcomes": {"ok": 20},
        "own_delay_mean": 0.3,
    }
    assert (took["count"], took["p50"], took["max"]) == (20, 0.3, 0.3)
    assert (servers["name"], servers["calls"], servers["took"]["mean"]) == ("docs.book", 1, 1.0)


def test_what_has_no_price_costs_null(tmp_path):
    assert summary_of(tmp_path, [answered()])["cost_usd"] is None


def test_objectives_come_from_the_run_or_are_given(tmp_path):
    turns = [answered(n, 0.3) for n in range(40)]
    options = {"slo": "ttfa:p50<0.4s; turns:failed<1%"}

    own = summary_of(tmp_path, turns, meta={"options": options})
    given = summarise(load_run(tmp_path), parse_slo("ttfa:p75<0.2s"))

    assert own["slo"] == [
        {"objective": "ttfa:p50<0.4s", "value": pytest.approx(0.3), "met": True},
        {"objective": "turns:failed<1%", "value": 0.0, "met": True},
    ]
    # A percentile beyond the promised ones is there when an objective asks for it.
    assert given["slo"] == [{"objective": "ttfa:p75<0.2s", "value": pytest.approx(0.3),
                             "met": False}]  # fmt: skip
    assert given["metrics"]["ttfa"]["p75"] == pytest.approx(0.3)


def test_objectives_with_filters_are_judged_by_what_these_leave(tmp_path):
    talk = {"scenario": "Caller.talk", "model": "mini", "tags": {"tier": "gold"}}
    tools = {"scenario": "tools", "model": "mini"}
    turns = [answered(n, 0.3, **talk) for n in range(40)]
    turns += [answered(n, 0.9, gaps=[0.1], **tools) for n in range(40)]
    turns += [silent(n, **tools) for n in range(10)]
    turns += [answered(n, kind=Kind.GREETING, scenario="tools") for n in range(5)]
    sessions = [*session(caller=1, **talk), *session(caller=2, outcome="refused", **tools)]

    def reached(*texts):
        run = load_run(write_run(tmp_path, turns, sessions))
        return [each["value"] for each in summarise(run, parse_slo(";".join(texts)))["slo"]]

    assert reached('ttfa{scenario="tools"}:p50<1s', "ttfa{scenario!=tools}:p50<1s") == [0.9, 0.3]
    assert reached("turns{scenario=tools}:failed<1%", "turns{tier=gold}:failed<1") == [
        pytest.approx(10 / 55),
        0,
    ]
    assert reached("turns{kind=greeting}:completed>0", "turns{tier!=gold}:completed>0") == [5, 45]
    assert reached("sessions{scenario=tools}:failed<1%", "sessions{tier=gold}:failed<1%") == [1, 0]
    assert reached("audio_gaps{tier=gold}:per_minute<1") == [0]
    assert reached("audio_gaps{scenario=tools,kind=speech}:per_minute<99") == [pytest.approx(30)]
    assert reached("ttfa{scenario=nobody}:p50<1s", "turns{model=other}:failed<1%") == [
        {"value": None, "why": "too few"},
        None,
    ]


def test_a_run_without_any_record_still_has_a_summary(tmp_path):
    summary = summary_of(tmp_path)

    assert summary.keys() >= PROMISED
    assert (summary["turns"], summary["sessions"], summary["max_concurrency"]) == (0, 0, 0)
    assert summary["outcomes"] == {}
    assert summary["metrics"]["ttfa"]["count"] == 0


def test_damage_is_named(tmp_path):
    write_run(tmp_path, [answered()], session(turns=1), [second()])
    for name in ("turns.jsonl", "health.jsonl"):
        with (tmp_path / name).open("ab") as file:
            file.write(b'{"half')

    summary = summarise(load_run(tmp_path))

    assert summary["damaged"] == {"turns.jsonl": 1, "health.jsonl": 1}
    assert summary["verdict"] == "VALID"


@pytest.mark.parametrize(
    ("state", "lost"), [("running", True), ("kept", True), ("ended", False), (None, False)]
)
def test_a_run_that_never_ended_lost_its_master(tmp_path, state, lost):
    assert summary_of(tmp_path, [answered()], meta={"state": state})["master_lost"] is lost


@pytest.mark.parametrize(
    ("files", "meta", "started"),
    [
        ({"turns": [answered(0)]}, {}, "2026-09-21T14:13:20+00:00"),
        ({}, {"started_at": "2026-11-23T01:00:00.250+01:00"}, "2026-11-23T00:00:00+00:00"),
        (
            {"turns": [answered(0)]},
            {"anchors": {}, "started_at": "2026-11-23T00:00:00+00:00"},
            "2026-11-23T00:00:00+00:00",
        ),
        ({}, {}, None),
    ],
)
def test_a_run_started_when_its_first_record_or_else_its_description_says(
    tmp_path, files, meta, started
):
    assert summary_of(tmp_path, **files, meta=meta)["started"] == started


def test_the_share_of_sessions_that_failed_is_of_those_whose_end_is_known(tmp_path):
    lines = [session(n, n + 5, caller=n) for n in range(9)]
    lines += [session(n, n + 5, caller=n, outcome="disconnected") for n in (9,)]
    lines += [session(n, caller=n)[:1] for n in range(10, 30)]  # a worker was killed
    sessions = [line for each in lines for line in each]
    objectives = parse_slo("sessions:failed<5%; sessions:ended>=90%; sessions:failed<=1")

    summary = summary_of(tmp_path, [answered()], sessions, objectives=objectives)

    assert (summary["sessions"], summary["sessions_without_end"]) == (30, 20)
    assert [(each["value"], each["met"]) for each in summary["slo"]] == [
        (0.1, False),
        (0.9, True),
        (1, True),
    ]
