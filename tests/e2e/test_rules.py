"""Endpoints that have rules: caps, limits, keys and silences, and what callers make of them."""

import json

import pytest
from caller import Caller
from endpoint import running_simulator
from peers import until

from harness.call import CallEnded
from harness.records import Flag, Kind, Outcome, SessionOutcome

pytestmark = pytest.mark.e2e

KEY = "a-key-of-the-simulator"
QUICK = ("--ttfa", "20ms", "--answer", "200ms", "--answer-audio", "tone")
OK = (SessionOutcome.ENDED, None)


def ended(caller):
    return (caller.ended.outcome, caller.ended.code)


def answered(url, **options):
    """A caller who said one thing and was answered."""
    caller = Caller(url, **options)
    with caller.call as call:
        turn = call.say("Yes, please.")
    assert turn.outcome is Outcome.COMPLETED
    assert ended(caller) == OK
    assert caller.ended.deviations == {}
    return caller


def refused(url, **options):
    """How a caller was refused."""
    caller = Caller(url, **options)
    with pytest.raises(CallEnded), caller.call:
        pass
    assert caller.turns == []
    return caller.ended


def test_who_says_nothing_for_long_is_spoken_to(tmp_path):
    vad = {"type": "server_vad", "idle_timeout_ms": 5000}
    session = tmp_path / "session.json"
    session.write_text(json.dumps({"audio": {"input": {"turn_detection": vad}}}))
    with running_simulator(*QUICK) as simulator:
        caller = Caller(simulator.url, session=str(session), listen="playback")
        with caller.call as call:
            said = call.say("Yes, please.")
            until(lambda: call.pause(0.1) or len(caller.turns) == 2)
        simulator.stop()
        asked, idle = simulator.truth()
    first, second = caller.turns

    assert first is said
    assert (asked["kind"], idle["kind"]) == ("speech", "idle")
    assert (second.kind, second.outcome) == (Kind.UNSOLICITED, Outcome.COMPLETED)
    assert Flag.IDLE_TIMEOUT in second.flags
    assert second.response_ids == [idle["response_id"]]
    assert second.ttfa is None
    assert ended(caller) == OK


def test_a_call_outlives_its_sessions_and_each_is_measured():
    with running_simulator(*QUICK, "--session-cap", "1500ms") as simulator:
        caller = Caller(simulator.url, renew="yes")
        with caller.call as call:
            for _ in range(7):
                call.say("Yes, please.")
        simulator.stop()
        truth, sessions = simulator.truth(), simulator.totals()["sessions"]
    ends = [session for session in caller.sessions if session.event == "end"]

    assert len(caller.turns) == 7
    assert [turn.turn for turn in caller.turns] == list(range(7))
    assert len(ends) == sessions > 2
    assert {session.outcome for session in ends} == {SessionOutcome.ENDED}
    assert {session.code for session in ends[:-1]} == {"session_expired"}
    assert all({"tcp", "upgrade", "created", "updated"} <= set(one.steps) for one in ends)
    assert all(session.steps["upgrade"] > 0 for session in ends)
    assert {turn.session for turn in caller.turns} <= {session.session for session in ends}
    lost = [turn for turn in caller.turns if turn.outcome is not Outcome.COMPLETED]
    assert {(turn.outcome, turn.code) for turn in lost} <= {(Outcome.FAILED, "session_expired")}
    assert len(lost) < len(ends)
    heard = {name for turn in caller.turns for name in turn.response_ids}
    assert heard == {line["response_id"] for line in truth}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dialect": "azure"},
        {"auth": "subprotocol"},
        {"ephemeral_keys": "yes"},
        {"header": f"api-key: {KEY}", "api_key": ""},
    ],
    ids=str,
)
def test_a_key_lets_in_however_it_is_shown(options):
    with running_simulator(*QUICK, "--api-key", KEY) as simulator:
        url = simulator.url
        if options.get("dialect") == "azure":
            url = url.replace("/v1/realtime", "")
        caller = answered(url, **{"api_key": KEY, **options})
        wrong = {"header": "api-key: wrong"} if "header" in options else {"api_key": "wrong-key"}
        stranger = refused(url, **{**options, **wrong})

    assert ("client_secret" in caller.ended.steps) is ("ephemeral_keys" in options)
    assert (stranger.outcome, stranger.code) == (SessionOutcome.REFUSED, "http_401")
    assert "wrong-key" not in stranger.message


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("reject", "session_limit_reached", "session_limit_reached"),
        ("429", "http_429", "429 Too Many Requests, retry after 5 s"),
    ],
)
def test_a_session_too_many_is_refused_and_one_that_ends_makes_room(how, code, message):
    with running_simulator(*QUICK, "--max-sessions", "1", "--when-full", how) as simulator:
        with Caller(simulator.url).call as call:
            call.say("Yes, please.")
            second = refused(simulator.url)
        answered(simulator.url)

    assert (second.outcome, second.code) == (SessionOutcome.REFUSED, code)
    assert message in second.message


def test_a_model_that_does_not_exist_is_refused_after_the_upgrade():
    with running_simulator(*QUICK, "--model", "gpt-realtime-2.1") as simulator:
        stranger = refused(simulator.url, model="gpt-5-imaginary")
        answered(simulator.url, model="gpt-realtime-2.1")

    assert (stranger.outcome, stranger.code) == (SessionOutcome.REFUSED, "model_not_found")
    assert "upgrade" in stranger.steps


def test_beyond_the_requests_of_a_minute_turns_are_rate_limited_and_the_call_goes_on():
    with running_simulator(*QUICK, "--requests-per-minute", "2") as simulator:
        caller = Caller(simulator.url)
        with caller.call as call:
            for _ in range(4):
                call.say("Yes, please.")

    landed = [(turn.outcome, turn.code) for turn in caller.turns]
    limited = (Outcome.RATE_LIMITED, "rate_limit_exceeded")
    assert landed == [(Outcome.COMPLETED, None)] * 2 + [limited] * 2
    assert ended(caller) == OK


def test_calls_under_tls_trust_the_authority_they_are_given(tmp_path):
    authority = str(tmp_path / "authority.pem")
    with running_simulator(*QUICK, "--tls", authority) as simulator:
        assert simulator.url.startswith("wss://")
        caller = answered(simulator.url, ca_file=authority, turn_detection="server_vad")
        stranger = refused(simulator.url)

    assert caller.ended.steps["tls"] > 0
    assert (stranger.outcome, stranger.code) == (SessionOutcome.REFUSED, "tls")
