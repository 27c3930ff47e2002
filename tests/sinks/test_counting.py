import pytest

from harness.metrics import LATENCY_BUCKETS, SEGMENTS, measure
from harness.realtime.codes import LISTED_CODES
from harness.realtime.deviations import DEVIATION_KINDS
from harness.records import (
    Flag,
    Health,
    Kind,
    Outcome,
    Phase,
    Session,
    SessionOutcome,
    ToolCall,
    Turn,
)
from harness.sinks.counting import MAX_SCENARIOS, MAX_SERVED, TOOL_OUTCOMES, CountingSink
from harness.sinks.prometheus import Page
from harness.sinks.tally import Exemplar
from harness.tools import named_in

TALK = ("Caller.talk", "small")
S = 1_000_000_000
DOCS = {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example.com"}


def a_turn(**fields):
    marks = {"speech_end": 10 * S, "commit": 10 * S, "detected": 10 * S, **fields.pop("marks", {})}
    given = {
        "scenario": TALK[0],
        "model": TALK[1],
        "outcome": Outcome.COMPLETED,
        "limits_s": 10.0,
        **fields,
    }
    turn = Turn(marks=marks, **given)
    measure(turn)
    return turn


def a_start(**fields):
    return Session(event="start", scenario=TALK[0], model=TALK[1], **fields)


def an_end(**fields):
    return Session(event="end", scenario=TALK[0], model=TALK[1], **fields)


def counters(sink, name):
    return sink.tally.counters.get(name, {})


@pytest.fixture
def sink():
    return CountingSink()


def test_an_answered_turn_counts_under_the_first_bound_that_holds_it(sink):
    sink.on_turn(a_turn(marks={"first_audio": 10 * S + 320_000_000}))

    ttfa = sink.tally.histograms["ttfa"][TALK]
    assert ttfa.counts[LATENCY_BUCKETS.index(0.35)] == 1
    assert sum(ttfa.counts) == 1
    assert ttfa.sum == pytest.approx(0.32)


def test_an_unanswered_turn_counts_beyond_every_bound_with_the_limits_as_its_value(sink):
    sink.on_turn(a_turn(outcome=Outcome.TIMEOUT, phase=Phase.FIRST_AUDIO))

    ttfa = sink.tally.histograms["ttfa"][TALK]
    assert ttfa.counts[-1] == sum(ttfa.counts) == 1
    assert ttfa.sum == 10.0
    assert counters(sink, "turns") == {(*TALK, "timeout"): 1}
    assert counters(sink, "timeouts") == {(*TALK, "first_audio"): 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": Outcome.CUT},
        {"outcome": Outcome.CANCELLED},
        {"outcome": Outcome.COMPLETED, "flags": [Flag.CENSORED, Flag.PREMATURE]},
        {"outcome": Outcome.COMPLETED, "kind": Kind.UNSOLICITED},
    ],
)
def test_turns_that_definitions_leave_out_are_in_no_histogram(sink, fields):
    sink.on_turn(a_turn(**fields))

    assert "ttfa" not in sink.tally.histograms


def test_under_vad_an_undetected_turn_is_unanswered_but_has_no_commit_to_count_from(sink):
    sink.on_turn(a_turn(outcome=Outcome.TIMEOUT, marks={"commit": None, "detected": None}))

    assert "ttfa" in sink.tally.histograms
    assert "ttfa_commit" not in sink.tally.histograms
    assert "ttfa_detected" not in sink.tally.histograms


def test_the_value_of_an_unanswered_turn_is_what_could_be_waited_from_where_a_metric_counts(sink):
    sink.on_turn(a_turn(outcome=Outcome.TIMEOUT, limits_s=22.0, answer_limits_s=10.0))

    sums = {name: series[TALK].sum for name, series in sink.tally.histograms.items()}
    assert sums["ttfa"] == sums["ttfa_audible"] == sums["time_to_answer"] == 22.0
    assert sums["ttfa_detected"] == sums["ttfa_commit"] == 10.0


def test_segments_and_gaps_are_counted_each(sink):
    sink.on_turn(a_turn(segments={"create": 0.1, "generate": 0.3}, gaps=[0.2, 0.4]))

    segments = sink.tally.histograms["turn_segment"]
    assert {labels[-1]: h.sum for labels, h in segments.items()} == {"create": 0.1, "generate": 0.3}
    assert sum(sink.tally.histograms["audio_gap"][TALK].counts) == 2
    assert counters(sink, "audio_gaps") == {TALK: 2}


def test_ten_thousand_strange_names_make_no_series_of_their_own(sink):
    sink.list_tools(["book_table"])
    for i in range(10_000):
        call = ToolCall(name=f"tool-{i}", call_id="1", outcome=f"outcome-{i}")
        sink.on_turn(a_turn(outcome=Outcome.FAILED, code=f"code-{i}", tools=[call]))
        sink.on_session(
            an_end(outcome=SessionOutcome.DISCONNECTED, close_code=i, deviations={f"kind-{i}": 1})
        )

    assert counters(sink, "errors") == {(*TALK, "other"): 10_000}
    assert counters(sink, "tool_run") == {}
    assert counters(sink, "tool_calls") == {(*TALK, "other", "other"): 10_000}
    assert counters(sink, "deviations") == {(*TALK, "other"): 10_000}
    assert 1 < len(counters(sink, "disconnects")) < 20


def served(name, *, server="docs", listed=True, took=0.5):
    called = {"called_at": 10 * S, "answered_at": 10 * S + round(took * S)}
    return ToolCall(name=name, call_id="1", server=server, listed=listed, outcome="ok", **called)


def test_tools_of_servers_go_by_the_names_that_their_endpoint_listed(sink):
    for call in (
        served("search"),
        served("search", took=1.5),
        ToolCall(name="search", call_id="2"),
    ):
        sink.on_turn(a_turn(tools=[call]))

    assert counters(sink, "tool_calls") == {
        (*TALK, "docs.search", "ok"): 2,
        (*TALK, "other", "other"): 1,
    }
    assert counters(sink, "tool_run") == {(*TALK, "docs.search"): 2.0}


def test_those_that_the_session_names_need_not_be_listed_and_the_rest_go_by_their_server(sink):
    sink.list_tools(named_in({"tools": [{**DOCS, "allowed_tools": ["search"]}]}))
    for call in (
        served("search", listed=False),
        served("made_up", listed=False),
        served("search", server="made_up", listed=False),
    ):
        sink.on_turn(a_turn(tools=[call]))

    assert counters(sink, "tool_calls") == {
        (*TALK, "docs.search", "ok"): 1,
        (*TALK, "docs.other", "ok"): 1,
        (*TALK, "other", "ok"): 1,
    }


def test_ten_thousand_tools_of_servers_make_no_more_series_than_the_first_few(sink):
    sink.list_tools(named_in({"tools": [DOCS]}))
    for i in range(10_000):
        sink.on_turn(a_turn(tools=[served(f"tool-{i}"), served(f"made-up-{i}", listed=False)]))

    labels = [label for _, _, label, _ in counters(sink, "tool_calls")]
    named = [f"docs.tool-{i}" for i in range(MAX_SERVED)]
    assert sorted(labels) == sorted([*named, "docs.other"])
    assert len(counters(sink, "tool_run")) == MAX_SERVED + 1


def everything(scenario):
    """Records of a scenario in which all that can happen happens."""
    said = {"scenario": scenario, "segments": dict.fromkeys(SEGMENTS, 0.1), "gaps": [0.2]}
    heard = {"created": 10 * S, "first_text": 10 * S, "first_audio": 11 * S, "request": 10 * S}
    heard |= {"first_audible": 11 * S, "call": 11 * S, "tool_output": 12 * S}
    heard |= {"answer_audio": 13 * S, "barge_in": 14 * S, "last_delta": 15 * S}
    tools = [
        ToolCall(name=name, call_id="1", outcome=outcome, called_at=0, answered_at=S)
        for name in ("book_table", "send_mail")
        for outcome in TOOL_OUTCOMES
    ]
    tools += [
        ToolCall(name=f"tool-{n}", call_id="1", server="docs", listed=True, outcome=outcome)
        for n in range(MAX_SERVED + 5)
        for outcome in ("ok", "error")
    ]
    yield Session(event="start", scenario=scenario, model=TALK[1])
    yield a_turn(**said, marks=heard, tools=tools, flags=[Flag.INTERRUPTED], cost_usd=0.1)
    yield a_turn(**said, marks=heard, kind=Kind.GREETING)
    for code in sorted(LISTED_CODES)[:20]:
        yield a_turn(scenario=scenario, outcome=Outcome.FAILED, code=code)
    yield Session(
        event="end",
        scenario=scenario,
        model=TALK[1],
        steps=dict.fromkeys(("dns", "tcp", "tls", "upgrade", "created", "updated", "tools"), 0.01),
        deviations=dict.fromkeys(DEVIATION_KINDS, 1),
        close_code=1006,
    )


def test_a_process_has_about_three_thousand_series_at_most(sink):
    sink.list_tools(["book_table", "send_mail"])
    sink.on_health(Health())
    for number in range(MAX_SCENARIOS + 5):
        for record in everything(f"call {number}"):
            (sink.on_turn if isinstance(record, Turn) else sink.on_session)(record)

    page, _ = Page(lambda: sink.tally, lambda: 0.0).render("")

    series = [line for line in page.decode().splitlines() if not line.startswith("#")]
    assert sum('scenario="other"' in line for line in series) > 550  # all of them did happen
    assert len(series) <= 3400


def test_each_bucket_of_the_headline_names_its_newest_turn():
    seconds = iter([100.0, 101.0, 102.0])
    sink = CountingSink(clock=lambda: next(seconds))
    for turn, wait in enumerate((320, 330, 900)):
        answered = {"first_audio": 10 * S + wait * 1_000_000}
        sink.on_turn(a_turn(caller=7, call=2, turn=turn, response_ids=["r" * 90], marks=answered))

    assert sink.tally.histograms["ttfa"][TALK].exemplars == {
        LATENCY_BUCKETS.index(0.35): Exemplar(101.0, 0.33, "7.2.1", "r" * 80),
        LATENCY_BUCKETS.index(0.9): Exemplar(102.0, 0.9, "7.2.2", "r" * 80),
    }
    assert not sink.tally.histograms["ttfa_commit"][TALK].exemplars


def test_the_users_own_tools_and_listed_codes_keep_their_names(sink):
    sink.list_tools(["book_table"])
    sink.on_turn(
        a_turn(
            outcome=Outcome.RATE_LIMITED,
            code="rate_limit_exceeded",
            tools=[ToolCall(name="book_table", call_id="1", outcome="ok")],
        )
    )

    assert counters(sink, "errors") == {(*TALK, "rate_limit_exceeded"): 1}
    assert counters(sink, "tool_calls") == {(*TALK, "book_table", "ok"): 1}


def test_too_many_scenarios_become_other(sink):
    for i in range(MAX_SCENARIOS + 5):
        sink.on_turn(a_turn(scenario=f"call {i}"))

    turns = counters(sink, "turns")
    assert len(turns) == MAX_SCENARIOS + 1
    assert turns["other", "small", "completed"] == 5


@pytest.mark.parametrize(("done", "kind"), [(9 * S, "after_done"), (12 * S, "running")])
def test_a_barge_in_is_told_by_whether_the_answer_was_done(sink, done, kind):
    sink.on_turn(
        a_turn(
            outcome=Outcome.CANCELLED,
            flags=[Flag.INTERRUPTED],
            marks={"barge_in": 11 * S, "done": done},
        )
    )

    assert counters(sink, "interrupts") == {(*TALK, kind): 1}


def test_sessions_are_open_from_their_start_line_to_their_end_line(sink):
    for _ in range(3):
        sink.on_session(a_start())
    sink.on_session(an_end(outcome=SessionOutcome.ENDED, steps={"tcp": 0.002, "tls": None}))

    assert sink.tally.gauges["sessions"] == {(): 2}
    assert {labels: n for labels, n in counters(sink, "sessions").items() if n} == {
        (*TALK, "ended"): 1
    }
    assert list(sink.tally.histograms["session_connect"]) == [(*TALK, "tcp")]


def test_a_call_of_a_schedule_counts_how_late_it_began(sink):
    due = 1_000_000_000
    sink.on_session(a_start())
    sink.on_session(a_start(arrival=1, due_at=due, started_at=due + 2_000_000))
    sink.on_session(a_start(arrival=2, due_at=due, started_at=due + 3_500_000_000))

    waits = sink.tally.histograms["call_wait"][TALK]
    assert waits.sum == pytest.approx(3.502)
    assert (waits.counts[0], sum(waits.counts)) == (1, 2)


def test_series_begin_at_zero_so_that_a_rate_sees_the_first_timeout(sink):
    sink.on_session(a_start())

    assert counters(sink, "timeouts") == {(*TALK, phase): 0 for phase in Phase}
    assert counters(sink, "turns") == {(*TALK, outcome): 0 for outcome in Outcome}
    assert sum(sink.tally.histograms["ttfa"][TALK].counts) == 0


def test_a_later_session_leaves_what_was_counted(sink):
    sink.on_session(a_start())
    sink.on_turn(a_turn())
    sink.on_session(a_start())

    assert counters(sink, "turns")[*TALK, "completed"] == 1


def test_a_refused_session_counts_its_code_and_a_dialling_one_its_limit(sink):
    sink.on_session(an_end(outcome=SessionOutcome.REFUSED, code="http_401"))
    sink.on_session(an_end(outcome=SessionOutcome.TIMEOUT, phase=Phase.CONNECT))

    assert counters(sink, "errors") == {(*TALK, "http_401"): 1}
    assert counters(sink, "timeouts") == {(*TALK, "connect"): 1}


def test_audio_and_tokens_of_turns_are_not_counted_again_with_their_session(sink):
    usage = {"input_token_details": {"audio_tokens": 30}, "total_tokens": 30}
    sink.on_turn(a_turn(caller=7, audio_sent_s=2.0, usage=usage))
    sink.on_session(
        an_end(caller=7, audio_sent_s=5.0, usage={"input_token_details": {"audio_tokens": 40}})
    )

    assert counters(sink, "audio_sent") == {TALK: 5.0}
    assert counters(sink, "tokens") == {(*TALK, "input_audio"): 40}


def test_health_adds_up_by_worker():
    sink = CountingSink(worker="host-1")
    health = Health(cpu=0.5)
    health.hub_lag.add(0.004)
    sink.on_health(health)
    sink.on_health(health)

    assert sink.tally.gauges["cpu"] == {("host-1",): 0.5}
    (labels, lags), *_ = sink.tally.histograms["hub_lag"].items()
    assert labels == ("host-1",)
    assert sum(lags.counts) == 2
    assert lags.sum == pytest.approx(0.008)
