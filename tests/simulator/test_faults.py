"""Faults: who is struck, and what then happens."""

import json
import re

import pytest
from dialogue import Dialogue, error_of, of, settings, speech, types

from harness.simulator.access import Access, Admitted, Denied
from harness.simulator.door import Door, Held
from harness.simulator.endpoint import Endpoint
from harness.simulator.faults import FAULTS, Fault, Faults, Scope, parse_fault
from harness.simulator.outbound import Framing

DELTA = "response.output_audio.delta"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hold=2%", Fault("hold", "", 0.02)),
        ("refuse:429=0.5", Fault("refuse", "429", 0.5)),
        ("refuse=1%", Fault("refuse", "503", 0.01)),
        ("slow-read:500ms=1", Fault("slow-read", "500ms", 1.0)),
        ("slow-read=1", Fault("slow-read", "1s", 1.0)),
        ("drop:response.done=1%", Fault("drop", "response.done", 0.01)),
        ("corrupt:*=0.5%", Fault("corrupt", "*", 0.005)),
    ],
)
def test_a_fault_is_a_name_a_detail_and_a_rate(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("explode=1%", "is no fault: write NAME=RATE, NAME one of refuse, hold,"),
        ("hold", "is no fault"),
        ("hold=often", "is no share"),
        ("hold=200%", "is no share"),
        ("hold:long=1%", "hold takes nothing after the colon, not 'long'"),
        ("refuse:418=1%", "refuse takes 503, 401, 403, 429 after the colon, not '418'"),
        ("drop=1%", "drop needs an event, or * for all: drop:response.done=1%"),
        ("drop:response.begun=1%", "drop needs an event"),
        ("slow-read:long=1%", "is no duration"),
    ],
)
def test_what_is_no_fault_says_so(text, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_fault(text)


def test_the_rate_is_the_share_that_is_struck():
    faults = Faults([parse_fault("stop=10%"), parse_fault("no-answer=20%")], seed=1)

    struck = [faults.strike(Scope.RESPONSE, 0, number) for number in range(2000)]

    names = [fault.name for fault in struck if fault is not None]
    assert 150 < names.count("stop") < 250
    assert 330 < names.count("no-answer") < 470


def test_who_is_struck_follows_from_the_seed():
    def struck(seed):
        faults = Faults([parse_fault("hold=30%")], seed)
        return [faults.strike(Scope.HANDSHAKE, number) is not None for number in range(100)]

    assert struck(1) == struck(1) != struck(2)


def test_no_more_than_all_can_be_struck():
    many = [parse_fault("stop=60%"), parse_fault("stale=50%")]

    with pytest.raises(ValueError, match="what strikes a response add up to more than 100%"):
        Faults(many, 1)
    Faults([parse_fault("drop:*=60%"), parse_fault("delay:*=60%")], 1)


# Handshakes.


@pytest.mark.parametrize(
    ("fault", "status", "retry"),
    [("401", 401, None), ("403", 403, None), ("429", 429, "5"), ("503", 503, "5")],
)
def test_a_handshake_is_refused(fault, status, retry):
    notes = []
    endpoint = Endpoint(
        settings(faults=[f"refuse:{fault}=1"]), note=lambda *note: notes.append(note)
    )

    answer = Door(endpoint, Access(None)).answer("/v1/realtime", {}, 7)

    assert isinstance(answer, Denied)
    assert (answer.status, answer.headers.get("Retry-After")) == (status, retry)
    assert notes == [(f"refuse:{fault}", None, 7)]
    assert (endpoint.totals.refused, endpoint.totals.faults) == (1, {f"refuse:{fault}": 1})


def test_a_handshake_is_held():
    endpoint = Endpoint(settings(faults=["hold=1"]))

    assert isinstance(Door(endpoint, Access(None)).answer("/v1/realtime", {}, 0), Held)


def test_who_has_no_key_is_refused_for_that():
    door = Door(Endpoint(settings(faults=["hold=1"])), Access("secret"))

    assert door.answer("/v1/realtime", {}, 0).status == 401


def test_a_share_of_handshakes_is_refused():
    door = Door(Endpoint(settings(faults=["refuse:429=25%"])), Access(None))

    answers = [door.answer("/v1/realtime", {}, 0) for _ in range(400)]

    admitted = sum(isinstance(answer, Admitted) for answer in answers)
    assert 260 < admitted < 340


# Sessions.


@pytest.mark.parametrize(
    ("code", "close"),
    [
        ("session_limit_reached", 1008),
        ("insufficient_quota", 4000),
        ("invalid_api_key", 4000),
        ("server_error", 1011),
    ],
)
def test_a_session_is_rejected_after_the_upgrade(code, close):
    caller = Dialogue(faults=[f"reject:{code}=1"])

    assert error_of(caller.heard)["code"] == code
    assert caller.session.closing == (close, code)
    assert not of("session.created", caller.heard)


def test_a_session_may_never_begin():
    caller = Dialogue(faults=["no-session=1"])

    caller.configure()
    caller.wait(60_000)

    assert caller.heard == []


@pytest.mark.parametrize("code", [1006, 1000, 1011])
def test_a_session_ends_within_ten_seconds(code):
    caller = Dialogue(faults=[f"hang-up:{code}=1"])
    assert caller.endpoint.totals.faults == {}

    caller.wait(10_000)

    assert caller.session.closing == (code, "")
    assert caller.endpoint.totals.faults == {f"hang-up:{code}": 1}


@pytest.mark.parametrize("fault", ["drop", "delay", "duplicate", "corrupt"])
def test_its_end_is_no_message_that_could_be_struck(fault):
    caller = Dialogue(faults=["hang-up:1011=1", f"{fault}:*=1"])

    caller.wait(10_000)

    assert caller.session.closing == (1011, "")


def test_a_session_that_is_read_slowly_says_so_to_the_shell():
    assert Dialogue(faults=["slow-read:2s=1"]).session.read_every == 2.0
    assert Dialogue().session.read_every is None


# Responses.


def answered(fault, wait=20_000, **options):
    """A caller who asked once, and was struck."""
    caller = Dialogue(configure={}, answer="1s", faults=[f"{fault}=1"], **options)
    caller.say()
    caller.wait(wait)
    return caller


def test_a_response_may_never_be_answered():
    caller = answered("no-answer")

    assert types(caller.heard)[-2:] == ["response.created", "rate_limits.updated"]
    (done,) = caller.send("response.cancel")
    assert done["response"]["status"] == "cancelled"
    assert done["response"]["output"] == []
    assert caller.truths[0].faults == ["no-answer"]


@pytest.mark.parametrize("seed", range(5))
def test_an_answer_may_stop_in_the_middle(seed):
    caller = answered("stop", seed=seed)

    assert 1 <= len(of(DELTA, caller.heard)) < 10
    assert caller.heard[-1]["type"] == DELTA
    done = caller.send("response.cancel")[-1]["response"]
    assert done["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize("code", [1006, 1000, 1011])
def test_an_answer_may_end_with_the_connection(code):
    caller = answered(f"disconnect:{code}")

    assert caller.session.closing == (code, "")
    assert not of("response.done", caller.heard)


def test_where_it_ends_follows_from_the_seed_not_from_ids():
    def points(name):
        for seed in range(10):
            how = settings(answer="1s", faults=["disconnect=1"], seed=seed)
            endpoint = Endpoint(how, lambda truth: None, name)
            caller = Dialogue(endpoint=endpoint, configure={})
            caller.say()
            yield len(of(DELTA, caller.wait(20_000)))

    assert list(points("one")) == list(points("other"))


def test_it_may_do_so_at_any_point():
    points = {len(of(DELTA, answered("disconnect", seed=seed).heard)) for seed in range(60)}

    assert points == set(range(11))


@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded"])
def test_a_response_may_fail_with_or_without_some_audio(code):
    heard = [answered(f"fail:{code}", seed=seed).heard for seed in range(10)]

    for events in heard:
        done = events[-1]["response"]
        assert done["status"] == "failed"
        assert done["status_details"]["error"]["code"] == code
        added = len(of("response.output_item.added", events))
        assert added == len(of("response.output_item.done", events)) == len(done["output"])
    assert {len(of(DELTA, events)) == 0 for events in heard} == {True, False}
    assert not any(of("error", events) for events in heard)


@pytest.mark.parametrize("reason", ["content_filter", "max_output_tokens"])
def test_a_response_may_be_incomplete(reason):
    caller = answered(f"incomplete:{reason}")

    done = caller.heard[-1]["response"]
    assert done["status_details"] == {"type": "incomplete", "reason": reason}
    assert 1 <= len(of(DELTA, caller.heard)) < 10


def test_audio_may_go_on_after_a_cancel():
    caller = answered("stale", wait=350)
    before = len(of(DELTA, caller.heard))
    caller.send("response.cancel")

    late = of(DELTA, caller.wait(5000))

    assert len(late) == 5
    assert {event["response_id"] for event in late} == {"resp_t00000_0"}
    assert caller.truths[0].audio_s == pytest.approx(before / 10)


def test_what_was_said_may_be_answered_but_not_transcribed():
    asked = {"input": {"transcription": {"model": "whisper-1"}}}
    caller = Dialogue(configure=asked, faults=["no-transcript=50%"])
    for _ in range(20):
        caller.say()
        caller.wait(10_000)

    kind = "conversation.item.input_audio_transcription"
    failed, told = of(f"{kind}.failed", caller.heard), of(f"{kind}.completed", caller.heard)
    assert len(failed) + len(told) == 20
    assert caller.endpoint.totals.faults == {"no-transcript": len(failed)}
    assert failed[0]["error"]["code"] == "audio_unintelligible"
    item = caller.send("conversation.item.retrieve", item_id=failed[0]["item_id"])[0]["item"]
    assert item["content"][0]["transcript"] is None
    assert {truth.status for truth in caller.truths} == {"completed"}


def test_an_answer_may_be_text_although_audio_was_asked_for():
    caller = answered("text-only")

    assert not of(DELTA, caller.heard)
    assert of("response.output_text.done", caller.heard)
    assert caller.truths[0].status == "completed"


@pytest.mark.parametrize(
    "fault", ["stop", "no-answer", "fail", "incomplete", "text-only", "disconnect"]
)
def test_a_tool_call_may_be_struck_as_well(fault):
    tool = {"type": "function", "name": "get_time"}
    caller = Dialogue(configure={"tools": [tool], "tool_choice": "required"}, faults=[f"{fault}=1"])
    caller.say()
    caller.wait(20_000)

    assert caller.endpoint.totals.faults == {parse_fault(f"{fault}=1").label: 1}


def test_a_place_is_free_again_once_the_answer_has_failed():
    endpoint = Endpoint(settings(faults=["fail=1"], capacity=1, answer="60s", speed=1), name="t")
    first, second = (Dialogue(endpoint=endpoint, configure={}) for _ in range(2))
    for caller in (first, second):
        caller.say()
        caller.wait(61_000)

    assert second.heard[-1]["response"]["status"] == "failed"


# Messages.


def test_a_message_may_be_lost():
    caller = answered(f"drop:{DELTA}")

    assert not of(DELTA, caller.heard)
    assert types(caller.heard)[-1] == "response.done"
    assert caller.truths[0].faults == [f"drop:{DELTA}"]
    assert caller.endpoint.totals.faults == {f"drop:{DELTA}": 10}


def test_a_message_may_come_late_and_others_overtake_it():
    caller = answered("delay:response.created")

    asked = of("rate_limits.updated", caller.heard)[0]["at"]
    assert of("response.created", caller.heard)[0]["at"] == asked + 300
    assert caller.truths[0].created_out == (asked + 300) * 1_000_000


def test_a_message_may_come_twice():
    caller = answered("duplicate:response.done")

    first, second = of("response.done", caller.heard)
    assert first["event_id"] == second["event_id"]
    assert len(caller.truths) == 1


def struck_messages(fault, count=20):
    """What ``session.updated`` looks like after a fault of messages."""
    endpoint = Endpoint(settings(faults=[f"{fault}:session.updated=1"]), name="t")
    for _ in range(count):
        caller = Dialogue(endpoint=endpoint)
        caller.session.receive(b'{"type":"session.update","session":{"type":"realtime"}}', 0)
        yield caller.session.take(0)
    assert endpoint.totals.faults == {f"{fault}:session.updated": count}


def test_a_message_may_be_cut_off():
    for out in struck_messages("cut"):
        with pytest.raises(json.JSONDecodeError):
            json.loads(out.message)


def test_a_message_may_be_corrupt():
    for out in struck_messages("corrupt"):
        event = json.loads(out.message)
        assert event.keys() == {"type", "event_id", "session"}
        assert event["type"] == "session.updated"
        assert event["session"] in (0, [], {}, True, "\x00")


def test_all_that_can_happen_to_a_message_may_happen_to_the_same():
    kinds = ("cut", "cut", "corrupt", "duplicate", "oversize", "fragment")
    faults = [f"{kind}:session.updated=1" for kind in kinds]
    caller = Dialogue(endpoint=Endpoint(settings(faults=faults), name="t"))
    caller.session.receive(b'{"type":"session.update","session":{"type":"realtime"}}', 0)

    with pytest.raises(json.JSONDecodeError):
        json.loads(caller.session.take(0).message)


@pytest.mark.parametrize(
    ("fault", "framing"), [("oversize", Framing.ENDLESS), ("fragment", Framing.FRAGMENTS)]
)
def test_a_message_may_be_framed_otherwise(fault, framing):
    assert {out.framing for out in struck_messages(fault)} == {framing}


def test_messages_are_struck_at_the_rate_that_was_asked_for():
    caller = Dialogue(configure={}, answer="100s", speed=0, faults=[f"drop:{DELTA}=10%"])
    caller.say(speech(0.1))
    caller.wait(1000)

    assert 860 <= len(of(DELTA, caller.heard)) <= 940


def test_every_fault_says_what_happens():
    assert all(kind.help and kind.name == name for name, kind in FAULTS.items())


@pytest.mark.parametrize("fault", ["incomplete=1", "fail=1"])
def test_a_response_that_is_beyond_the_rate_limit_ends_once_though_a_fault_strikes_it(fault):
    said = Dialogue(requests_per_minute=1, faults=(fault,), configure={})
    said.say()
    said.wait(5000)
    heard = said.say() + said.wait(5000)

    assert len(of("response.done", heard)) == 1
    assert len(said.truths) == 2
