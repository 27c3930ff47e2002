"""Calls over real sockets to a simulator in its own process, held against its truth log."""

import json
from contextlib import contextmanager
from statistics import median

import gevent
import pytest
from caller import Caller
from endpoint import running_simulator

from harness.adapter import RealtimeAdapter, SessionFailed
from harness.audio import AudioChunk
from harness.call import CallEnded
from harness.records import Flag, Kind, Outcome, Phase, SessionOutcome

pytestmark = pytest.mark.e2e

LATEST = 250_000_000  # ns: on a busy machine most messages are read so late, and none early


def truth_of(simulator, turns):
    by_id = {line["response_id"]: line for line in simulator.truth()}
    return [(turn, [by_id[name] for name in turn.response_ids]) for turn in turns]


def never_early(late):
    """Whether all of these (ns) came when they should or later, and most of them in time."""
    return min(late) >= 0 and median(late) <= LATEST


@contextmanager
def conversation(*simulate, **options):
    with running_simulator("--answer", "600ms", *simulate) as simulator:
        caller = Caller(simulator.url, **options)
        with caller.call as call:
            yield simulator, caller, call


@pytest.mark.parametrize("vad", ["none", "server_vad"])
def test_what_is_measured_is_what_the_simulator_did(vad):
    with running_simulator("--answer", "400ms", "--ttfa", "lognormal(150ms, 0.5)") as simulator:
        callers = [Caller(simulator.url, seed=seed, turn_detection=vad) for seed in range(5)]

        def converse(caller):
            with caller.call as call:
                call.say("Yes, please.")
                call.say("At eight, please.")

        gevent.joinall([gevent.spawn(converse, caller) for caller in callers], raise_error=True)
        turns = [turn for caller in callers for turn in caller.turns]
        truth = truth_of(simulator, turns)
        responses = {line["response_id"] for line in simulator.truth()}

    assert [turn.outcome for turn in turns] == [Outcome.COMPLETED] * 10
    assert never_early([turn.marks["first_audio"] - line["first_out"] for turn, (line,) in truth])
    if vad == "none":
        assert all(turn.marks["commit"] <= line["commit_in"] for turn, (line,) in truth)
        # The frame with the end of the voice, and the commit at once.
        ends = [turn.metrics["ttfa"] - turn.metrics["ttfa_commit"] for turn in turns]
        assert never_early([round(seconds * 1e9) for seconds in ends])
    else:
        stopped = [turn.marks["detected"] - line["speech_stopped_out"] for turn, (line,) in truth]
        assert never_early(stopped)
    assert {name for turn in turns for name in turn.response_ids} == responses
    assert {caller.ended.outcome for caller in callers} == {SessionOutcome.ENDED}
    assert all(caller.ended.deviations == {} for caller in callers)
    assert all(caller.ended.audio_sent_s == caller.ended.audio_due_s for caller in callers)


def test_a_barge_in_stops_the_answer_and_the_next_is_heard():
    with conversation("--answer", "4s", "--speed", "1.5", listen="playback") as (_, caller, call):
        first = call.say("What's on the menu?", listen=0.3)
        assert first.outcome is None
        second = call.say("Yes, please.")

    assert first.outcome is Outcome.CANCELLED
    assert Flag.INTERRUPTED in first.flags
    assert 0.3 <= first.audio_heard_s < 4
    assert first.metrics["interrupt_stop"] is not None
    assert second.outcome is Outcome.COMPLETED
    assert second.audio_heard_s == pytest.approx(4.0)
    assert [turn.turn for turn in caller.turns] == [0, 1]


def test_a_tool_is_called_and_answered_and_the_answer_belongs_to_the_turn():
    options = {"tool_rate": "1", "tool_latency": "100ms"}
    with conversation("--tool-rate", "0", **options) as (simulator, _, call):
        turn = call.say("What's on the menu?")
        ((_, lines),) = truth_of(simulator, [turn])

    assert turn.outcome is Outcome.COMPLETED
    assert [used.outcome for used in turn.tools] == ["ok"]
    assert len(turn.response_ids) == 2
    assert turn.own_delay_s >= 0.1
    assert lines[1]["tool_output_in"] >= turn.marks["tool_output"]
    assert turn.marks["answer_audio"] >= lines[1]["first_out"]


def test_a_tool_that_the_endpoint_runs_itself_is_approved_and_the_answer_goes_on(tmp_path):
    server = {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example.com"}
    session = tmp_path / "session.json"
    session.write_text(json.dumps({"tools": [server], "tool_choice": "required"}))
    with conversation("--mcp-delay", "300ms", session=str(session)) as (simulator, caller, call):
        turn = call.send_text("What's on the menu?")  # at once: the tools are there
        ((_, lines),) = truth_of(simulator, [turn])

    assert turn.outcome is Outcome.COMPLETED
    (used,) = turn.tools
    assert (used.name, used.server, used.outcome) == ("ask_docs", "docs", "ok")
    assert used.listed
    assert caller.ended.imports == {"docs": "ok"}
    assert caller.ended.steps["tools"] >= 0.3
    assert [line["kind"] for line in lines] == ["text", "tool_followup"]
    assert used.answered_at <= lines[1]["created_out"]
    assert turn.marks["answer_audio"] >= lines[1]["first_out"]


def test_tools_that_cannot_be_imported_are_done_without(tmp_path):
    server = {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example.com"}
    session = tmp_path / "session.json"
    session.write_text(json.dumps({"tools": [server]}))
    faults = ("--mcp-delay", "50ms", "--mcp-failure-rate", "1")
    with conversation(*faults, session=str(session)) as (_, caller, call):
        turn = call.send_text("What's on the menu?")

    assert (turn.outcome, turn.tools) == (Outcome.COMPLETED, [])
    assert caller.ended.outcome is SessionOutcome.ENDED
    assert caller.ended.imports == {"docs": "failed"}
    assert caller.ended.errors == {"mcp_list_tools_failed": 1}


def test_the_agent_may_speak_first():
    with conversation(speaks_first="yes") as (_, caller, _):
        pass

    (turn,) = caller.turns
    assert (turn.kind, turn.outcome) == (Kind.GREETING, Outcome.COMPLETED)
    assert turn.metrics["ttfa_request"] > 0
    assert turn.written_at is not None


def test_something_may_be_said_in_writing():
    with conversation() as (_, _, call):
        turn = call.send_text("A table for two, please.")

    assert (turn.kind, turn.outcome) == (Kind.TEXT, Outcome.COMPLETED)


def test_a_turn_that_times_out_is_recorded_and_the_call_goes_on():
    options = {"timeout_first_audio": "300ms"}
    with conversation("--ttfa", "uniform(10s, 20s)", **options) as (_, caller, call):
        first = call.say("Yes, please.")
        second = call.say("Yes, please.")

    assert [(turn.outcome, turn.phase) for turn in (first, second)] == [
        (Outcome.TIMEOUT, Phase.FIRST_AUDIO)
    ] * 2
    assert first.unanswered
    assert first.limits_s == pytest.approx(0.3)
    assert caller.ended.outcome is SessionOutcome.ENDED


def test_an_impatient_caller_hangs_up():
    with (
        pytest.raises(CallEnded),
        conversation("--ttfa", "10s", patience="200ms") as (_, caller, call),
    ):
        call.say("Yes, please.")

    (turn,) = caller.turns
    assert turn.outcome is Outcome.ABANDONED
    assert caller.ended.outcome is SessionOutcome.ENDED


def test_an_endpoint_that_goes_away_ends_the_call_and_keeps_what_was_measured():
    with running_simulator("--answer", "20s", "--speed", "1", "--ttfa", "50ms") as simulator:
        caller = Caller(simulator.url, listen="playback")

        def converse():
            with caller.call as call:
                call.say("Yes, please.", listen=0.2)
                simulator.stop()
                call.say("Yes, please.")

        with pytest.raises(CallEnded):
            converse()
        turn = caller.turns[0]

    assert turn.outcome in (Outcome.DISCONNECTED, Outcome.CANCELLED)
    assert turn.audio_received_s > 0
    assert caller.ended.outcome is SessionOutcome.DISCONNECTED
    assert caller.ended.close_code is not None


def test_a_killed_caller_records_its_turn_as_cut():
    with running_simulator("--ttfa", "30s") as simulator:
        caller = Caller(simulator.url)

        def converse():
            with caller.call as call:
                call.say("Yes, please.")

        greenlet = gevent.spawn(converse)
        with gevent.Timeout(20):
            while not caller.call.recorder.open_turns:
                gevent.sleep(0.01)
        greenlet.kill()

    (turn,) = caller.turns
    assert turn.outcome is Outcome.CUT
    assert Flag.CENSORED in turn.flags
    assert caller.ended.outcome is SessionOutcome.ENDED


def test_once_stopping_no_turn_begins():
    with (
        pytest.raises(CallEnded),
        conversation(stopping=lambda: True) as (_, caller, call),
    ):
        call.say("Yes, please.")

    assert caller.turns == []
    assert caller.ended.outcome is SessionOutcome.ENDED


@pytest.mark.parametrize(
    ("options", "model", "code"),
    [(["--api-key", "right"], "m", "http_401"), (["--model", "known"], "m", None)],
)
def test_a_refused_session_says_why(options, model, code):
    with running_simulator(*options) as simulator:
        caller = Caller(simulator.url, model=model)
        with pytest.raises(CallEnded) as refusal, caller.call:
            pass

    assert caller.ended.outcome is SessionOutcome.REFUSED
    assert caller.ended.code == code or caller.ended.code
    assert "\n" not in str(refusal.value)


def test_the_verbs_talk_and_listen_without_a_call():
    with running_simulator("--answer", "600ms", "--ttfa", "50ms") as simulator:
        with RealtimeAdapter(simulator.url, api_key="") as adapter:
            for _ in range(2):
                adapter.send_audio(AudioChunk(b"\x10\x27" * 12_000))
                heard = b""
                while chunk := adapter.recv_audio(20).data:
                    heard += chunk
                assert len(heard) / 48_000 == pytest.approx(0.6)
            adapter.interrupt()
        adapter.disconnect()


def test_no_one_at_the_other_end_is_one_clear_line():
    caller = Caller("ws://127.0.0.1:9")
    with pytest.raises(CallEnded, match=r"127\.0\.0\.1"), caller.call:
        pass

    assert caller.ended.outcome is SessionOutcome.REFUSED
    assert caller.ended.code == "tcp"


def test_a_failed_connection_raises_for_the_verbs():
    adapter = RealtimeAdapter("ws://127.0.0.1:9")

    with pytest.raises(SessionFailed, match=r"127\.0\.0\.1"):
        adapter.connect()
