import csv
import io

import pytest
from rundirs import answered, silent

from harness.records import Health, LagHistogram, Session, SessionOutcome, ToolCall
from harness.sinks.counting import CountingSink
from harness.sinks.tally import Tally, merge
from harness.swarm.headline import headline, judgement
from harness.swarm.voice_tab import as_csv


def counted(*turns, late=0.0, calls=0):
    sink = CountingSink("host-0")
    sink.list_tools(["look_up"])
    for number in range(calls):
        sink.on_session(Session(event="start", caller=number))
        sink.on_session(Session(event="end", caller=number, outcome=SessionOutcome.ENDED))
    for turn in turns:
        sink.on_turn(turn)
    lags = LagHistogram()
    for _ in turns:
        lags.add(late)
    sink.on_health(Health(frame_lateness=lags))
    return sink.tally


def rows(tally, *, over=0.0, **exact):
    return {row.what: row for row in headline(tally, over_target_s=over, exact=exact)}


def test_a_percentile_is_shown_as_the_bucket_it_lies_in():
    turns = [*(answered(ttfa=0.32) for _ in range(900)), *(answered(ttfa=1.3) for _ in range(100))]

    ttfa = rows(counted(*turns))["ttfa"]

    assert (ttfa.value, ttfa.p50, ttfa.p90) == ("1000", "300–350 ms", "300–350 ms")
    assert (ttfa.p95, ttfa.p99) == ("1.2–1.4 s", "1.2–1.4 s")
    assert ttfa.meaning.startswith("last voiced sample spoken")


def test_what_is_known_better_is_shown_better():
    shown = rows(counted(answered()), ttfa=lambda p: f"{p:.2f}")

    assert shown["ttfa"].p95 == "0.95"


def test_cost_is_shown_beside_its_budget():
    tally = counted(answered(cost_usd=0.25))
    tally.set("budget_usd", ("limit",), 2.0)

    assert rows(tally)["cost"].value == "0.2500 of 2 USD"


def test_of_open_arrivals_it_says_how_many_calls_were_blocked():
    tally = counted(answered())
    tally.count("calls_due", (), 40)
    tally.count("calls_blocked", (), 7)
    tally.set("calls_waiting", (), 2)

    assert rows(tally)["calls blocked"].value == "7 of 40, 2 wait now"
    assert "calls blocked" not in rows(counted(answered()))


def test_a_percentile_too_thin_or_beyond_the_answered_is_no_number():
    turns = [*(answered() for _ in range(50)), *(silent() for _ in range(50))]

    ttfa = rows(counted(*turns))["ttfa"]

    assert (ttfa.p50, ttfa.p90, ttfa.p95) == ("250–300 ms", "no answer", "–")


def test_turns_limits_tools_and_cost_are_counted_over_all_scenarios():
    tool = ToolCall(name="look_up", call_id="1", outcome="ok")
    talk = answered(scenario="talk", tools=[tool], cost_usd=0.25)
    tally = counted(talk, answered(scenario="shout", cost_usd=0.5), silent(), calls=2)

    shown = rows(merge([tally, Tally(gauges={"users": {(): 2}, "users_target": {(): 3}})]))

    assert {name: row.value for name, row in shown.items() if not row.p50} == {
        "verdict": "VALID so far",
        "callers": "2/3",
        "open sessions": "0",
        "turns completed": "2",
        "turns timeout": "1",
        "sessions ended": "2",
        "timeouts first_audio": "1",
        "errors": "0",
        "tool calls look_up ok": "1",
        "interrupts": "0",
        "cost": "0.7500 USD",
    }


@pytest.mark.parametrize(
    ("tally", "over", "value", "reason"),
    [
        (Tally(), 0.0, "–", "no turn"),
        (counted(answered()), 0.0, "VALID so far", "kept time"),
        (counted(answered(), late=0.01), 0.0, "SUSPECT so far", "frame lateness 10.0 ms"),
        (counted(answered()), 3.0, "INVALID so far", "more users than asked for"),
    ],
)
def test_the_verdict_so_far_gives_its_reasons(tally, over, value, reason):
    verdict = rows(tally, over=over)["verdict"]

    assert verdict.value == value
    assert reason in verdict.meaning


def test_what_is_over_is_as_its_report_judged_it():
    slo = [
        {"objective": "ttfa:p95<0.8s", "value": 0.412, "met": True},
        {"objective": "turns:failed<1%", "value": 0.03, "met": False},
        {"objective": "ttfa:p99<1s", "value": None, "met": None},
    ]
    shown = judgement({"verdict": "SUSPECT", "reasons": ["late", "later"], "slo": slo})

    assert [(row.what, row.value, row.meaning) for row in shown] == [
        ("verdict", "SUSPECT", "late; later"),
        ("ttfa:p95<0.8s", "met", "it reached 412 ms"),
        ("turns:failed<1%", "missed", "it reached 3.0 %"),
        ("ttfa:p99<1s", "undecidable", "this run can't tell"),
    ]
    (fine,) = judgement({"verdict": "VALID", "reasons": [], "slo": []})
    assert (fine.value, fine.meaning) == ("VALID", "the generator kept time")


def test_the_csv_has_every_row_under_the_columns_names():
    shown = headline(counted(answered()), over_target_s=0.0, exact={})

    read = list(csv.DictReader(io.StringIO(as_csv(shown))))

    assert [row["what"] for row in read] == [row.what for row in shown]
    assert [row["value"] for row in read] == [row.value for row in shown]
    assert list(read[0]) == ["what", "value", "p50", "p90", "p95", "p99", "meaning"]
