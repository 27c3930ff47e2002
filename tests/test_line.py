"""What becomes of a call's turns and sessions, whatever the endpoint does to them."""

import json
from contextlib import suppress
from time import monotonic_ns, time_ns

import ga
import gevent
import pytest
from caller import Caller
from judge import CLIENT, judged
from partner import Partner

from harness.arrivals import Intended
from harness.call import CallEnded
from harness.corpus import load_corpus
from harness.cost import load_prices
from harness.money.expected import Expected, Talk
from harness.money.ledger import Ledger
from harness.money.purse import Purse
from harness.realtime.codes import LISTED_CODES
from harness.records import Flag, Outcome, Phase, SessionOutcome
from harness.tools import tool

NS = 1_000_000_000
OK = (SessionOutcome.ENDED, None)


class Line(Caller):
    """A call to a scripted endpoint."""

    def __init__(self, monkeypatch, **options):
        self.partner = Partner(monkeypatch)
        super().__init__("ws://127.0.0.1:9", api_key="sk-secret-key", pause="0s", **options)

    def answer(self, *rounds):
        """Answer each response.create with the next of these messages; the last ones repeat."""
        left = list(rounds)
        self.partner.answers["response.create"] = lambda event: [
            each(event) if callable(each) else each
            for each in (left.pop(0) if len(left) > 1 else left[0])
        ]

    def ends(self, event):
        return [session for session in self.sessions if session.event == event]


@pytest.fixture
def line(monkeypatch):
    return Line(monkeypatch)


def quiet(line, *texts):
    """Say something in writing, and let the call end as it does."""
    try:
        with line.call as call:
            for text in texts or ("Hello",):
                call.send_text(text)
    except CallEnded:
        pass
    (session,) = line.ends("end")
    return line.turns[0], (session.outcome, session.code)


def failed(code, message="No.", response="resp_1"):
    error = {"type": "server_error", "code": code, "message": message}
    return ga.response_done(
        response, status="failed", status_details={"type": "failed", "reason": None, "error": error}
    )


def refusing(code, **fields):
    return lambda event: ga.error(code, event_id=event["event_id"], **fields)


def closing(partner, code, *before, reason=""):
    """Say something, then close."""

    def answer(_):
        def act():
            partner.say(*before)
            partner.hang_up(code, reason)

        gevent.get_hub().loop.run_callback(act)
        return []

    partner.answers["response.create"] = answer


@pytest.mark.parametrize(
    ("said", "outcome", "code"),
    [
        ([*ga.answer()], Outcome.COMPLETED, None),
        ([ga.response_created(), failed("server_error")], Outcome.FAILED, "server_error"),
        (
            [ga.response_created(), failed("insufficient_quota")],
            Outcome.FAILED,
            "insufficient_quota",
        ),
        (
            [ga.response_created(), failed("rate_limit_exceeded")],
            Outcome.RATE_LIMITED,
            "rate_limit_exceeded",
        ),
        ([ga.response_created(), ga.response_done(status="failed")], Outcome.FAILED, "failed"),
        (
            [ga.response_created(), failed("x" * 500)],
            Outcome.FAILED,
            "x" * 80,
        ),
        (
            [
                ga.response_created(),
                ga.response_done(
                    status="incomplete", status_details={"reason": "max_output_tokens"}
                ),
            ],
            Outcome.INCOMPLETE,
            "max_output_tokens",
        ),
        (
            [
                ga.response_created(),
                ga.response_done(status="cancelled", status_details={"reason": "turn_detected"}),
            ],
            Outcome.FAILED,
            "turn_detected",
        ),
        ([refusing("invalid_value")], Outcome.FAILED, "invalid_value"),
        ([refusing(None)], Outcome.FAILED, "invalid_request_error"),
        ([refusing("rate_limit_exceeded")], Outcome.RATE_LIMITED, "rate_limit_exceeded"),
        ([ga.error("inference_rate_limit_exceeded")], Outcome.RATE_LIMITED, None),
        ([ga.error("insufficient_quota")], Outcome.FAILED, "insufficient_quota"),
        ([ga.error(None, type="invalid_api_key")], Outcome.FAILED, "invalid_api_key"),
        ([ga.error("whatever"), *ga.answer()], Outcome.COMPLETED, None),
        (
            [ga.error("conversation_already_has_active_response"), *ga.answer()],
            Outcome.COMPLETED,
            None,
        ),
    ],
)
def test_each_end_of_an_answer_has_an_outcome_and_a_code_of_its_own(line, said, outcome, code):
    line.answer(said)
    turn, session = quiet(line)

    assert turn.outcome is outcome
    assert turn.code == code or code is None
    assert session == OK


def test_whoever_is_refused_at_once_says_the_next_thing_at_speaking_pace_too(line):
    line.answer(
        *([ga.response_created(f"r{n}"), failed("busy", response=f"r{n}")] for n in range(3))
    )
    with line.call as call:
        for _ in range(3):
            call.say("Yes, please.")

    assert {(turn.outcome, turn.code) for turn in line.turns} == {(Outcome.FAILED, "busy")}
    for turn in line.turns:
        assert Flag.PREMATURE not in turn.flags
        assert turn.marks["commit"] >= turn.marks["speech_end"]


def test_what_a_caller_talks_over_is_cut_to_what_was_heard_of_it(line):
    second = b"\x10\x27" * 24_000
    line.answer(
        [ga.response_created(), ga.item_added(), *(ga.audio_delta(second) for _ in range(3))],
        ga.answer("resp_2"),
    )
    line.partner.answers["response.cancel"] = lambda _: [ga.response_done(status="cancelled")]
    with line.call as call:
        first = call.say("Yes, please.", listen=0.3)
        call.say("Yes, please.")

    heard_of_it = line.partner.last("conversation.item.truncate")
    assert first.outcome is Outcome.CANCELLED
    assert heard_of_it["item_id"] == "item_1"
    assert heard_of_it["content_index"] == 0
    assert heard_of_it["audio_end_ms"] == int(first.audio_heard_s * 1000) >= 300
    names = line.partner.names
    cancel = names.index("response.cancel")
    assert names[cancel : cancel + 2] == ["response.cancel", "conversation.item.truncate"]


@pytest.mark.parametrize(
    ("close", "before", "turn", "session"),
    [
        (1011, [], (Outcome.DISCONNECTED, "close_1011"), "close_1011"),
        (1006, [ga.response_created()], (Outcome.DISCONNECTED, "close_1006"), "close_1006"),
        (
            1001,
            [ga.error("session_expired")],
            (Outcome.FAILED, "session_expired"),
            "session_expired",
        ),
        (
            1008,
            [ga.error("insufficient_quota")],
            (Outcome.FAILED, "insufficient_quota"),
            "insufficient_quota",
        ),
        (
            1013,
            [ga.response_created(), ga.error("rate_limit_exceeded")],
            (Outcome.RATE_LIMITED, "rate_limit_exceeded"),
            "rate_limit_exceeded",
        ),
        (1000, [ga.error("whatever")], (Outcome.DISCONNECTED, "close_1000"), "close_1000"),
    ],
)
def test_each_end_of_a_session_has_a_code_of_its_own(line, close, before, turn, session):
    closing(line.partner, close, *before)
    ended, how = quiet(line)

    assert (ended.outcome, ended.code) == turn
    assert how == (SessionOutcome.DISCONNECTED, session)
    assert line.sessions[-1].close_code == close
    assert {ended.code, session} <= LISTED_CODES


@pytest.mark.parametrize(
    ("greeting", "code"),
    [
        ([ga.error("model_not_found", message="No such model, sk-secret-key")], "model_not_found"),
        ([ga.error(None, type="session_limit_reached")], "session_limit_reached"),
        ([ga.created(), ga.error("invalid_value")], "invalid_value"),
    ],
)
def test_a_refused_session_is_recorded_with_what_was_said_but_no_key(line, greeting, code):
    line.partner.greeting, line.partner.answers = greeting, {}
    with pytest.raises(CallEnded), line.call:
        pass

    assert [session.event for session in line.sessions] == ["start", "end"]
    ended = line.sessions[-1]
    assert (ended.outcome, ended.code) == (SessionOutcome.REFUSED, code)
    assert ended.errors == {}
    assert "No" in ended.message
    assert "secret" not in ended.message
    assert code in LISTED_CODES
    assert line.turns == []


def test_a_session_that_is_never_configured_is_a_timeout(monkeypatch):
    line = Line(monkeypatch, timeout_session="50ms")
    line.partner.answers = {}
    with pytest.raises(CallEnded), line.call:
        pass

    ended = line.sessions[-1]
    assert (ended.outcome, ended.phase) == (SessionOutcome.TIMEOUT, Phase.SESSION)
    assert ended.code == "session.updated"
    assert ended.code in LISTED_CODES


def test_an_endpoint_that_never_says_goodbye_is_a_timeout_of_its_own(monkeypatch):
    line = Line(monkeypatch, timeout_close="50ms")
    line.partner.holds_on = True
    line.answer(ga.answer())
    turn, session = quiet(line)

    assert turn.outcome is Outcome.COMPLETED
    assert session == (SessionOutcome.TIMEOUT, None)
    assert line.ended.phase is Phase.CLOSE


def test_a_call_killed_while_it_dials_leaves_a_record(line):
    line.partner.greeting = []

    def dial():
        with line.call:
            pass

    greenlet = gevent.spawn(dial)
    gevent.sleep(0.01)
    greenlet.kill()

    assert [session.event for session in line.sessions] == ["start", "end"]
    assert line.sessions[-1].outcome is SessionOutcome.ENDED
    assert line.partner.closed is not None


def test_what_the_server_said_of_a_failure_is_kept_without_our_key(line):
    line.answer([ga.response_created(), failed("server_error", "Busy,\nsk-secret-key, later.")])
    turn, _ = quiet(line)

    assert turn.message == "Busy, ***, later."


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ([refusing("invalid_value")], {}),
        ([ga.error("hiccup"), refusing("invalid_value")], {"hiccup": 1}),
        ([ga.error("server_error"), ga.response_created(), failed("server_error")], {}),
        ([ga.error("hiccup"), ga.error("hiccup"), *ga.answer()], {"hiccup": 2}),
    ],
)
def test_an_error_that_ended_a_turn_is_counted_with_the_turn_and_only_there(line, said, left):
    line.answer(said)
    quiet(line)

    assert line.ended.errors == left


def test_codes_that_a_server_makes_up_without_end_are_not_all_kept(line):
    made_up = [ga.error(f"code_{n}") for n in range(500)]
    line.answer([*made_up, *ga.answer()])
    quiet(line)

    errors = line.sessions[-1].errors
    assert len(errors) == 65
    assert sum(errors.values()) == 500


def test_deviations_are_recorded_by_event_and_field_without_our_key(line):
    odd = [ga.message(f"odd.{n}") for n in range(100) for _ in range(2)]
    line.answer([ga.message("sk-secret-key"), *odd, *ga.answer()])
    quiet(line)

    ended = line.sessions[-1]
    card = ended.scorecard["unknown_event"]
    assert sum(card.values()) == ended.deviations["unknown_event"] == 201
    assert card["odd.1"] == 2
    assert "***" in card
    assert len(card) == 51  # as many names as are told apart, and the rest


# Money.


def test_whoever_can_not_pay_the_next_turn_hangs_up_with_what_was_said_recorded(monkeypatch):
    ledger = Ledger(0.01)

    def tell(claim):
        for grant in ledger.claim("local", claim).values():
            purse.hear(grant)

    prices = load_prices()
    purse = Purse(Expected("gpt-realtime-2.1-mini", prices, Talk(says_s=1, hears_s=1)), tell)
    line = Line(monkeypatch, purse=purse)
    usage = {"total_tokens": 20, "output_tokens": 20}
    ids = [f"resp_{n}" for n in range(30)]
    line.answer(*([*ga.answer(name)[:-1], ga.response_done(name, usage=usage)] for name in ids))

    with suppress(CallEnded), line.call as call:
        while True:
            call.send_text("Hello")

    assert {turn.outcome for turn in line.turns} == {Outcome.COMPLETED}
    assert 3 < len(line.turns) < 25
    assert purse.spent == pytest.approx(len(line.turns) * 20 * 20e-6)  # 20 USD a million tokens
    assert purse.reserved == pytest.approx(0)
    assert (line.ended.outcome, line.ended.code) == OK


def test_what_an_answer_cost_is_counted_though_it_was_not_waited_for(monkeypatch):
    line = Line(monkeypatch, timeout_first_audio="50ms")
    usage = {"total_tokens": 20, "output_tokens": 20}
    line.answer([ga.response_created()])
    line.partner.answers["response.cancel"] = lambda event: [
        ga.response_done(status="cancelled", usage=usage)
    ]
    with line.call as call:
        turn = call.send_text("Hello")
        call.pause(0.05)

    assert (turn.outcome, turn.usage, turn.cost_usd) == (Outcome.TIMEOUT, None, None)
    assert line.ended.usage == usage
    assert line.ended.cost_usd == pytest.approx(20 * 20e-6)


def test_a_transcript_that_comes_between_turns_is_paid_for(monkeypatch):
    line = Line(monkeypatch, transcription="gpt-realtime-whisper")
    transcript = ga.message(
        "conversation.item.input_audio_transcription.completed",
        item_id="item_0",
        content_index=0,
        transcript="Hello",
        usage={"type": "duration", "seconds": 30},
    )
    line.answer(ga.answer())
    with line.call as call:
        call.send_text("Hello")
        line.partner.say(transcript)

    assert line.ended.usage["transcription"] == {"seconds": 30}
    assert line.turns[0].usage == {"total_tokens": 3}
    assert line.ended.cost_usd == pytest.approx(line.turns[0].cost_usd + 0.017 / 2)


def test_what_is_left_of_rate_limits_is_handed_on(monkeypatch):
    told = []
    line = Line(monkeypatch, on_limits=lambda limits, at: told.append((limits, at)))
    limit = {"name": "tokens", "limit": 100, "remaining": 7, "reset_seconds": 3.5}
    created, *rest = ga.answer()
    line.answer([created, ga.message("rate_limits.updated", rate_limits=[limit]), *rest])

    turn, _ = quiet(line)

    ((limits, at),) = told
    assert [(one.name, one.remaining, one.reset_seconds) for one in limits] == [("tokens", 7, 3.5)]
    assert turn.marks["created"] <= at <= turn.marks["done"]


# How long a call goes on, and when it was to begin.


def answers(n):
    """As many answers, each a response of its own."""
    return [ga.answer(f"resp_{number}", f"item_{number}") for number in range(n)]


def test_a_call_goes_on_for_as_many_turns_as_were_asked_for(monkeypatch):
    line = Line(monkeypatch, turns="3")
    line.answer(*answers(3))
    with line.call as call:
        while call.goes_on:
            call.send_text("Hello")

    assert len(line.turns) == 3


def test_a_call_with_a_length_goes_on_until_that_is_over(monkeypatch):
    line = Line(monkeypatch, turns="1", length=0.5)
    line.answer(*answers(10_000))
    with line.call as call:
        began = monotonic_ns()
        while call.goes_on:
            call.send_text("Hello")
        took = monotonic_ns() - began

    assert len(line.turns) > 1
    assert took > 0.49 * NS


def test_a_call_whose_caller_is_to_stop_or_whose_session_is_gone_goes_on_no_more(monkeypatch):
    stopped = Line(monkeypatch, length=60.0, stopping=lambda: True)
    with suppress(CallEnded), stopped.call as call:
        assert not call.goes_on
    gone = Line(monkeypatch, length=60.0)
    with gone.call as call:
        assert call.goes_on
        gone.partner.hang_up(1001)
        call.pause(60)
        assert not call.goes_on


def test_who_is_to_stop_pauses_no_longer(monkeypatch):
    stop = []
    line = Line(monkeypatch, stopping=lambda: bool(stop))
    with line.call as call:
        gevent.spawn_later(0.01, stop.append, True)
        call.pause(60)

    assert stop


def test_a_record_says_when_a_schedule_wanted_the_call_to_begin(monkeypatch):
    due = monotonic_ns() - 5 * NS
    line = Line(monkeypatch, intended=Intended(17, due, 3.0, blocked=True))
    line.answer(ga.answer())
    quiet(line)

    assert [(s.arrival, s.due_at, s.blocked) for s in line.sessions] == [(17, due, True)] * 2
    assert all(session.started_at > session.due_at + 5 * NS for session in line.sessions)


def test_only_its_first_session_is_what_the_schedule_wanted(monkeypatch):
    line = renewing(
        monkeypatch, ga.error("session_expired"), intended=Intended(4, 1, 0.0, blocked=False)
    )
    with line.call as call:
        call.send_text("Hello")
        line.partner.greeting = [ga.created(id="sess_2")]
        line.partner.session = {"id": "sess_2"}
        call.send_text("Hello")

    assert [session.arrival for session in line.sessions] == [4, 4, 0, 0]
    assert [session.due_at for session in line.sessions] == [1, 1, None, None]


def test_speech_ends_on_the_beat(monkeypatch):
    line = Line(monkeypatch, turns="1")
    line.answer(ga.answer())
    with line.call as call:
        turn = call.say("Yes, please.", beat=0.5)

    offset = time_ns() - monotonic_ns()
    voice_end = round(load_corpus().get("Yes, please.").voice_end * NS)
    start = turn.due_at - 20_000_000  # its first frame is due when it has been spoken
    beyond = (start + voice_end + offset) % (NS // 2)
    assert min(beyond, NS // 2 - beyond) < 2_000_000  # a beat, as far as the clocks drift


def test_a_fault_of_our_own_while_speaking_ends_the_session_as_ours(line, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("a fault of ours")

    with suppress(CallEnded), line.call as call:
        monkeypatch.setattr(call.recorder, "spoken", fail)
        call.say("Yes, please.")

    assert [turn.outcome for turn in line.turns] == [Outcome.INTERNAL]
    assert (line.ended.outcome, line.ended.code) == (SessionOutcome.INTERNAL, "internal")


# The cap of a session.


def renewing(monkeypatch, *before_close, **options):
    line = Line(monkeypatch, renew="yes", **options)

    def expire(_):
        line.answer(ga.answer())
        gevent.get_hub().loop.run_callback(line.partner.say, *before_close)
        gevent.get_hub().loop.run_callback(line.partner.hang_up, 1001)
        return []

    line.partner.answers["response.create"] = expire
    return line


def test_a_session_that_reached_its_cap_is_renewed_and_the_call_goes_on(monkeypatch):
    line = renewing(monkeypatch, ga.error("session_expired"))
    with line.call as call:
        first = call.send_text("Hello")
        line.partner.greeting = [ga.created(id="sess_2")]
        line.partner.session = {"id": "sess_2"}
        second = call.send_text("Hello")

    assert (first.outcome, first.code) == (Outcome.FAILED, "session_expired")
    assert second.outcome is Outcome.COMPLETED
    assert [turn.turn for turn in line.turns] == [0, 1]
    assert [turn.session for turn in line.turns] == ["sess_1", "sess_2"]
    assert [session.event for session in line.sessions] == ["start", "end"] * 2
    expired, ended = line.ends("end")
    assert (expired.outcome, expired.code) == (SessionOutcome.ENDED, "session_expired")
    assert (ended.outcome, ended.code) == OK
    assert [session.turns for session in (expired, ended)] == [1, 1]
    assert [session.responses for session in (expired, ended)] == [0, 1]
    assert "updated" in ended.steps
    assert len(line.partner.dials) == 2


@pytest.mark.parametrize("grant_after", [0.0, 0.05], ids=["at once", "by the master"])
def test_a_turn_of_a_renewed_session_is_paid_for_before_it_begins(monkeypatch, grant_after):
    ledger = Ledger(1.0)

    def tell(claim):
        grants = ledger.claim("local", claim).values()
        gevent.spawn_later(grant_after, lambda: [purse.hear(grant) for grant in grants])

    talk = Talk(says_s=1, hears_s=1)
    purse = Purse(Expected("gpt-realtime-2.1-mini", load_prices(), talk), tell)
    line = renewing(monkeypatch, ga.error("session_expired"), purse=purse)
    reserved = []
    with line.call as call:
        call.send_text("Hello")
        line.partner.answers["response.create"] = lambda event: (
            reserved.append(purse.reserved) or ga.answer()
        )
        second = call.send_text("Hello")

    assert second.outcome is Outcome.COMPLETED
    assert reserved[0] > 0
    assert purse.reserved == pytest.approx(0)


def test_a_cap_that_cuts_the_last_turn_costs_the_turn_not_the_session(monkeypatch):
    line = renewing(monkeypatch, ga.error("session_expired"))
    turn, session = quiet(line)

    assert (turn.outcome, turn.code) == (Outcome.FAILED, "session_expired")
    assert session == (SessionOutcome.ENDED, "session_expired")
    assert len(line.partner.dials) == 1


def test_without_renewal_the_call_ends_with_its_session(line):
    closing(line.partner, 1001, ga.error("session_expired"))
    _, session = quiet(line)

    assert len(line.partner.dials) == 1
    assert session == (SessionOutcome.DISCONNECTED, "session_expired")


@pytest.mark.parametrize(("modality", "unanswered"), [("audio", True), ("text", False)])
def test_who_asked_for_text_is_not_unanswered_by_it(monkeypatch, tmp_path, modality, unanswered):
    override = tmp_path / "session.json"
    override.write_text(json.dumps({"output_modalities": [modality]}))
    line = Line(monkeypatch, session=str(override))
    text = ga.message("response.output_text.delta", response_id="resp_1", item_id="i", delta="Hi")
    line.answer([ga.response_created(), text, ga.response_done()])
    turn, _ = quiet(line)

    assert turn.outcome is Outcome.COMPLETED
    assert turn.metrics["ttft"] is not None
    assert turn.unanswered is unanswered
    assert (Flag.TEXT_ONLY in turn.flags) is unanswered


def test_a_renewal_that_is_refused_ends_the_call_and_is_recorded_once(monkeypatch):
    line = renewing(monkeypatch, ga.error("session_expired"))
    with line.call as call:
        call.send_text("Hello")
        line.partner.greeting = [ga.error("session_limit_reached")]
        with pytest.raises(CallEnded, match="session_limit_reached"):
            call.send_text("Hello")

    assert [session.code for session in line.ends("end")] == [
        "session_expired",
        "session_limit_reached",
    ]
    assert [(s.event, s.session) for s in line.sessions[1:]] == [
        ("end", "sess_1"),
        ("start", ""),  # nobody has named it
        ("end", ""),
    ]
    assert len(line.turns) == 1


# Tools.


def calls(*call_ids, response="resp_1", arguments='{"query": "x"}', name="look_up"):
    """A whole response that calls functions."""
    items = [
        {"id": f"item_{call_id}", "type": "function_call", "name": name, "call_id": call_id}
        for call_id in call_ids
    ]
    return [
        ga.response_created(response),
        *(ga.item_added(response, item["id"], **item) for item in items),
        *(ga.item_done(response, item["id"], **item, arguments=arguments) for item in items),
        ga.response_done(response),
    ]


def outputs(line):
    items = [e["item"] for e in line.partner.sent if e["type"] == "conversation.item.create"]
    return [
        (item["call_id"], json.loads(item["output"]))
        for item in items
        if item["type"] == "function_call_output"
    ]


def test_a_greeting_asked_for_during_a_tool_call_waits_until_that_is_answered(monkeypatch):
    line = Line(monkeypatch, tools=[double])
    made = calls("c1", name="double", arguments='{"n": 4}')
    greeting = [ga.response_created("resp_3"), ga.response_done("resp_3")]
    line.answer([made[0], ga.audio_delta()], ga.answer("resp_2"), greeting)
    with line.call as call:
        booked = call.send_text("Hello", listen=0.0)
        gevent.spawn(line.partner.say, *made[1:])
        greeted = call.greet()

    assert (booked.response_ids, greeted.response_ids) == (["resp_1", "resp_2"], ["resp_3"])
    assert {booked.outcome, greeted.outcome} == {Outcome.COMPLETED}


def test_a_tool_call_that_is_broken_off_with_its_response_is_not_answered(monkeypatch):
    line = Line(monkeypatch, tools=[double])
    begun = {"id": "item_1", "type": "function_call", "name": "double", "call_id": "c1"}
    cut = {**begun, "arguments": '{"n"', "status": "incomplete"}
    line.answer(
        [
            ga.response_created(),
            ga.item_added(item="item_1", **begun),
            ga.item_done(item="item_1", **cut),
            failed("server_error"),
        ]
    )
    turn, _ = quiet(line)

    assert (turn.outcome, turn.code) == (Outcome.FAILED, "server_error")
    assert outputs(line) == []


def test_an_answer_nobody_asked_for_was_not_written_by_what_its_tools_led_to(monkeypatch):
    line = Line(monkeypatch, tools=[double])
    line.answer(ga.answer("resp_2"))
    with line.call:
        line.partner.say(*calls("c1", name="double", arguments='{"n": 4}'))
    (turn,) = line.turns

    assert (turn.kind, turn.response_ids) == ("unsolicited", ["resp_1", "resp_2"])
    assert turn.written_at is None


@tool
def double(n: int) -> int:
    """Twice a number."""
    return 2 * n


def test_parallel_calls_are_all_answered_before_the_answer_goes_on(monkeypatch):
    line = Line(monkeypatch, tools=[double])
    line.answer(calls("a", "b", name="double", arguments='{"n": 4}'), ga.answer("resp_2"))
    turn, _ = quiet(line)

    assert turn.outcome is Outcome.COMPLETED
    assert outputs(line) == [("a", 8), ("b", 8)]
    assert line.partner.names[-3:] == [
        "conversation.item.create",
        "conversation.item.create",
        "response.create",
    ]
    assert turn.response_ids == ["resp_1", "resp_2"]


def test_a_turn_that_is_to_call_a_tool_is_asked_to_once(monkeypatch):
    line = Line(monkeypatch, tools=[double], tool_rate="1")
    line.answer(
        calls("c1", arguments='{"n": 4}', name="double"),
        ga.answer("resp_2"),
        calls("c2", response="resp_3", arguments='{"n": 4}', name="double"),
        ga.answer("resp_4"),
        ga.answer("resp_5"),
    )
    with line.call as call:
        for _ in range(2):
            call.say("Yes, please.")
        call.send_text("Hello")

    asked = [e.get("response") for e in line.partner.sent if e["type"] == "response.create"]
    assert asked == [{"tool_choice": "required"}, None, {"tool_choice": "required"}, None, None]


def test_where_turns_are_answered_unasked_no_follow_up_is_asked_for_a_tool(monkeypatch):
    line = Line(monkeypatch, tools=[double], tool_rate="1", turn_detection="server_vad")
    line.partner.session = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    line.answer(ga.answer("resp_2"))

    def hears():
        while len(line.partner.sent) < 100:  # frames: two seconds
            gevent.sleep(0.01)
        line.partner.say(
            ga.message("input_audio_buffer.speech_stopped", item_id="u", audio_end_ms=5),
            *calls("c1", arguments='{"n": 4}', name="double"),
        )

    with line.call as call:
        gevent.spawn(hears)
        turn = call.say("Yes, please.")

    assert [used.outcome for used in turn.tools] == ["ok"]
    assert line.partner.last("response.create").get("response") is None


def test_a_call_that_is_answered_while_another_is_still_made_does_not_ask_too_soon(monkeypatch):
    line = Line(monkeypatch, tools=[double])
    first, second = (calls(call_id, name="double", arguments='{"n": 1}') for call_id in ("a", "b"))
    line.answer(first[:-1], ga.answer("resp_2"))
    with line.call as call:
        said = gevent.spawn(call.send_text, "Hello")
        with gevent.Timeout(5):
            while not outputs(line):
                gevent.sleep(0.001)
        line.partner.say(*second[1:])
        turn = said.get(timeout=5)

    assert turn.outcome is Outcome.COMPLETED
    assert [call_id for call_id, _ in outputs(line)] == ["a", "b"]
    assert line.partner.names.count("response.create") == 2
    assert line.partner.names[-1] == "response.create"


def test_a_response_that_ends_after_its_call_was_answered_does_not_end_the_turn(monkeypatch):
    line = Line(monkeypatch, tools=[double], listen="done")
    *made, done = calls("a", name="double", arguments='{"n": 1}')
    line.answer(made, ga.answer("resp_2"))
    with line.call as call:
        said = gevent.spawn(call.send_text, "Hello")
        with gevent.Timeout(5):
            while not outputs(line):
                gevent.sleep(0.001)
        line.partner.say(done)
        turn = said.get(timeout=5)

    assert turn.outcome is Outcome.COMPLETED
    assert turn.response_ids == ["resp_1", "resp_2"]
    assert line.partner.names[-1] == "response.create"


def test_a_caller_goes_on_when_the_endpoint_has_run_a_tool_itself(line):
    line.answer([*ga.mcp_call(), ga.mcp_ended()], ga.answer("resp_2"))
    turn, ended = quiet(line)

    assert (turn.outcome, ended) == (Outcome.COMPLETED, OK)
    (call,) = turn.tools
    assert (call.name, call.call_id, call.server, call.outcome) == ("search", "mcp_1", "docs", "ok")
    assert call.called_at < call.answered_at == turn.marks["tool_output"]
    assert turn.response_ids == ["resp_1", "resp_2"]
    assert turn.own_delay_s == 0
    assert outputs(line) == []
    assert line.partner.names.count("response.create") == 2
    assert line.sessions[-1].deviations == {}


@pytest.mark.parametrize("how", ["completed", "failed"])
def test_one_that_failed_and_one_run_before_the_response_is_done_are_gone_on_from(line, how):
    *made, done = ga.mcp_call()
    line.answer([*made, ga.mcp_ended(how=how), done], ga.answer("resp_2"))
    turn, _ = quiet(line)

    assert turn.outcome is Outcome.COMPLETED
    assert [call.outcome for call in turn.tools] == ["ok" if how == "completed" else "error"]
    assert line.partner.names.count("response.create") == 2


def test_the_answer_goes_on_once_when_our_tool_and_the_endpoints_have_answered(monkeypatch):
    line = Line(monkeypatch, tools=[double])
    ours = calls("a", name="double", arguments='{"n": 4}')
    line.answer([*ga.mcp_call()[:-1], *ours[1:]], ga.answer("resp_2"))
    with line.call as call:
        said = gevent.spawn(call.send_text, "Hello")
        with gevent.Timeout(5):
            while not outputs(line):
                gevent.sleep(0.001)
        assert line.partner.names.count("response.create") == 1
        line.partner.say(ga.mcp_ended())
        turn = said.get(timeout=5)

    assert turn.outcome is Outcome.COMPLETED
    assert [call.server for call in turn.tools] == ["docs", ""]
    assert line.partner.names[-2:] == ["conversation.item.create", "response.create"]
    assert line.partner.names.count("response.create") == 2


def test_an_endpoint_that_goes_on_itself_is_not_asked_to(line):
    *made, done = ga.mcp_call()
    line.answer([*made, done, ga.mcp_ended(), *ga.answer("resp_2")])
    turn, _ = quiet(line)

    assert (turn.outcome, turn.response_ids) == (Outcome.COMPLETED, ["resp_1", "resp_2"])
    assert line.partner.names.count("response.create") == 1


@pytest.mark.parametrize("announced", [True, False])
def test_calls_that_need_approval_are_approved(line, announced):
    request = {"id": "ask_1", "type": "mcp_approval_request", "server_label": "docs"}
    request |= {"name": "search", "arguments": "{}"}
    run = {"id": "mcp_1", "type": "mcp_call", "name": "search", "server_label": "docs"}
    run |= {"approval_request_id": "ask_1", "arguments": "{}", "output": "found"}
    *made, done = ga.mcp_call() if announced else [ga.response_created(), ga.response_done()]
    asks = [ga.item_added("resp_1", "ask_1", **request), ga.item_done("resp_1", **request)]
    line.answer(
        [*made, *asks, ga.message("conversation.item.done", item=request), done],
        ga.answer("resp_2"),
    )
    line.partner.answers["conversation.item.create"] = lambda event: (
        [ga.mcp_ended(), ga.message("conversation.item.done", item=run)]
        if event["item"]["type"] == "mcp_approval_response"
        else []
    )
    turn, _ = quiet(line)

    judged(line.partner.sent[-2], CLIENT)
    approval = line.partner.sent[-2]["item"]
    assert (approval["approval_request_id"], approval["approve"]) == ("ask_1", True)
    assert turn.outcome is Outcome.COMPLETED
    assert [(call.name, call.outcome) for call in turn.tools] == [("search", "ok")]
    assert turn.response_ids == ["resp_1", "resp_2"]


def test_a_tool_that_the_endpoint_never_runs_is_waited_for_as_ours_are(monkeypatch):
    line = Line(monkeypatch, timeout_tool="50ms")
    line.answer(ga.mcp_call())
    turn, _ = quiet(line)

    assert (turn.outcome, turn.phase) == (Outcome.TIMEOUT, Phase.TOOL)
    assert turn.tools[0].answered_at is None


def test_tools_of_servers_are_called_in_a_loop_no_more_than_ours(monkeypatch):
    line = Line(monkeypatch, tool_rounds="3")
    rounds = [[*ga.mcp_call(f"resp_{n}", f"mcp_{n}"), ga.mcp_ended(f"mcp_{n}")] for n in range(4)]
    line.answer(*rounds, ga.answer("resp_9"))
    turn, _ = quiet(line)

    assert (turn.outcome, turn.code) == (Outcome.FAILED, "tool_loop")
    assert turn.response_ids == [f"resp_{n}" for n in range(4)]


# Tools of MCP servers, imported before the caller speaks.

DOCS = {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example.com"}
LIST = {"id": "list_1", "type": "mcp_list_tools", "server_label": "docs"}
BEGUN = ga.message("conversation.item.added", item=LIST | {"tools": []})


def importing(monkeypatch, tmp_path, **options):
    """A line whose session names an MCP server."""
    session = tmp_path / "session.json"
    session.write_text(json.dumps({"tools": [DOCS]}))
    line = Line(monkeypatch, session=str(session), **options)
    line.answer(ga.answer())
    return line


def ends_import(how, *tools):
    item = LIST | {"tools": [{"name": name, "input_schema": {}} for name in tools]}
    event = ga.message(f"mcp_list_tools.{how}", item_id="list_1")
    return [event, ga.message("conversation.item.done", item=item)]


def test_a_caller_speaks_when_the_tools_of_its_servers_are_imported(monkeypatch, tmp_path):
    line = importing(monkeypatch, tmp_path)
    line.answer([*ga.mcp_call(), ga.mcp_ended()], ga.answer("resp_2"))
    said = gevent.spawn(quiet, line)
    with gevent.Timeout(5):
        while not line.partner.sent:
            gevent.sleep(0.001)
    gevent.sleep(0.02)
    line.partner.say(BEGUN)
    gevent.sleep(0.02)
    assert line.partner.names == []

    line.partner.say(*ends_import("completed", "search", "fetch"))
    turn, ended = said.get(timeout=5)
    assert ended == OK
    assert [(call.name, call.listed) for call in turn.tools] == [("search", True)]
    assert line.sessions[-1].imports == {"docs": "ok"}
    assert line.sessions[-1].steps["tools"] >= line.sessions[-1].steps["updated"] + 0.04


@pytest.mark.parametrize(
    ("said", "outcome", "errors", "deviations"),
    [
        ([BEGUN, *ends_import("failed")], "failed", {"mcp_list_tools_failed": 1}, {}),
        ([BEGUN], "late", {"mcp_list_tools_timeout": 1}, {}),
        ([], "ignored", {}, {"config_ignored": 1}),
    ],
)
def test_a_caller_does_without_tools_that_are_not_imported_and_it_is_recorded(
    monkeypatch, tmp_path, caplog, said, outcome, errors, deviations
):
    monkeypatch.setattr("harness.connection.SILENT_NS", NS // 50)
    line = importing(monkeypatch, tmp_path, timeout_session="300ms")
    line.partner.answers["session.update"] = lambda event: [ga.updated(), *said]
    turn, ended = quiet(line)
    session = line.sessions[-1]

    assert (turn.outcome, ended) == (Outcome.COMPLETED, OK)
    assert session.imports == {"docs": outcome}
    assert (session.errors, session.deviations) == (errors, deviations)
    assert set(session.errors) <= LISTED_CODES
    assert "tools" not in session.steps
    (complaint,) = [record.getMessage() for record in caplog.records]
    assert "MCP server docs: callers speak without them" in complaint


def test_a_session_that_closes_while_its_tools_are_imported_was_a_session(monkeypatch, tmp_path):
    line = importing(monkeypatch, tmp_path)

    def close_soon(event):
        gevent.spawn_later(0.01, line.partner.hang_up, 1011)
        return [ga.updated(), BEGUN]

    line.partner.answers["session.update"] = close_soon
    with suppress(CallEnded), line.call as call:
        call.send_text("Hello")

    assert line.sessions[-1].outcome is SessionOutcome.DISCONNECTED
    assert line.sessions[-1].imports == {}


@pytest.mark.parametrize("arguments", ["no json", "[1]", '{"n": "four"}', '{"m": 4}', ""])
def test_bad_arguments_are_recorded_and_not_fatal(monkeypatch, arguments):
    line = Line(monkeypatch, tools=[double])
    line.answer(calls("a", name="double", arguments=arguments), ga.answer("resp_2"))
    turn, _ = quiet(line)

    assert turn.outcome is Outcome.COMPLETED
    (called,) = turn.tools
    assert (called.name, called.valid, called.outcome) == ("double", False, "error")
    ((_, output),) = outputs(line)
    assert output["error"].startswith("bad arguments")


def test_a_function_that_is_not_offered_is_answered_as_unknown(monkeypatch):
    line = Line(monkeypatch, tools=[double])
    line.answer(calls("a", name="triple"), ga.answer("resp_2"))
    turn, _ = quiet(line)

    assert turn.tools[0].outcome == "unknown"
    assert turn.outcome is Outcome.COMPLETED


def test_a_turn_that_calls_tools_without_end_fails_as_a_loop_and_the_next_goes_on(monkeypatch):
    line = Line(monkeypatch, tool_rounds="3", tool_choice="auto", tool_latency="0s")
    line.answer(*(calls(f"c{n}", response=f"resp_{n}") for n in range(4)), ga.answer("resp_9"))
    with line.call as call:
        looping = call.send_text("Hello")
        with gevent.Timeout(5):
            while len(outputs(line)) < 4:  # the last call is answered too, without a question
                call.pause(0.001)
        following = call.send_text("Hello")

    assert (looping.outcome, looping.code) == (Outcome.FAILED, "tool_loop")
    assert len(looping.tools) == 4
    assert looping.response_ids == [f"resp_{n}" for n in range(4)]
    assert following.outcome is Outcome.COMPLETED
    assert line.partner.names.count("response.create") == 5
    assert "tool_loop" in LISTED_CODES


def test_who_talks_over_a_tool_call_does_not_ask_for_what_follows_it(monkeypatch):
    line = Line(monkeypatch, tools=[double], listen="playback")
    *made, _ = calls("a", name="double", arguments='{"n": 1}')
    line.answer([made[0], ga.audio_delta(b"\x10\x27" * 48_000), *made[1:]], ga.answer("resp_2"))
    line.partner.answers["response.cancel"] = lambda _: [ga.response_done(status="cancelled")]
    with line.call as call:
        first = call.say("Yes, please.", listen=0.1)
        second = call.say("Yes, please.")

    assert [called.outcome for called in first.tools] == ["ok"]
    assert (first.outcome, first.response_ids) == (Outcome.CANCELLED, ["resp_1"])
    assert second.response_ids == ["resp_2"]
    assert Flag.PREMATURE not in second.flags
    assert line.partner.names.count("response.create") == 2


def test_who_talks_over_what_a_tool_s_output_was_to_lead_to_cancels_it(monkeypatch):
    line = Line(monkeypatch, tools=[double], listen="playback")
    made, sound = calls("a", name="double", arguments='{"n": 1}'), b"\x10\x27" * 48_000
    line.answer([made[0], ga.audio_delta(sound), *made[1:]], [], ga.answer("resp_3"))
    line.partner.answers["response.cancel"] = lambda _: [
        ga.response_created("resp_2"),
        ga.response_done("resp_2", status="cancelled"),
    ]
    with line.call as call:
        first = call.say("Yes, please.", listen=0.1)
        second = call.say("Yes, please.")

    assert (first.outcome, first.response_ids) == (Outcome.CANCELLED, ["resp_1", "resp_2"])
    assert second.response_ids == ["resp_3"]
    assert Flag.PREMATURE not in second.flags


def test_the_simulated_tool_fails_as_often_as_asked(monkeypatch):
    line = Line(monkeypatch, tool_choice="auto", tool_failure_rate="1", tool_latency="0s")
    line.answer(calls("a"), ga.answer("resp_2"))
    turn, _ = quiet(line)

    assert turn.tools[0].outcome == "error"
    assert turn.outcome is Outcome.COMPLETED
