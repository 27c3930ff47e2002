"""Which response belongs to which turn where the endpoint takes the initiative."""

import gc

import pytest
from tape import COMMITTED, STOPPED, Script, audio, created, done

from harness.open_turn import OpenTurn
from harness.realtime.events import IdleTimeout
from harness.records import Flag, Kind, Outcome

IDLE = IdleTimeout(item_id="u2")


def test_an_endpoint_that_speaks_since_nobody_does_opens_a_turn_that_says_so():
    script = Script(vad=True)
    script.say(0, 100)
    script.hear((600, STOPPED), (700, created("r1")), (800, audio(100)), (900, done("r1")))
    script.until(2_000)
    script.hear((8_000, IDLE), (8_001, COMMITTED), (8_010, created("r2")))
    script.hear((8_300, audio(100, response="r2")), (8_400, done("r2")))
    asked, unasked = script.until(20_000)

    assert (asked.kind, asked.flags) == (Kind.SPEECH, [])
    assert asked.ttfa == pytest.approx(0.7)
    assert (unasked.kind, unasked.outcome) == (Kind.UNSOLICITED, Outcome.COMPLETED)
    assert unasked.flags == [Flag.IDLE_TIMEOUT]
    assert unasked.ttfa is None
    assert not unasked.unanswered


def test_a_response_nobody_asked_for_later_is_no_idle_timeout():
    script = Script(vad=True)
    for at, name in ((0, "r1"), (5_000, "r2")):
        script.hear(*([(at, IDLE)] if name == "r1" else []), (at, created(name)))
        script.hear((at + 100, audio(100, response=name)), (at + 200, done(name)))
        script.until(at + 4_000)

    assert [turn.flags for turn in script.until(20_000)] == [[Flag.IDLE_TIMEOUT], []]


def open_turns_in_memory():
    gc.collect()
    return sum(type(each) is OpenTurn for each in gc.get_objects())


def test_closed_turns_are_forgotten_though_late_audio_of_theirs_is_still_told_apart():
    before, script = open_turns_in_memory(), Script()
    for k in range(20):
        script.say(1000 * k, 1000 * k + 100)
        script.hear(
            (1000 * k + 200, created(f"r{k}")), (1000 * k + 300, audio(100, response=f"r{k}"))
        )
        script.hear((1000 * k + 400, done(f"r{k}")))
        script.until(1000 * k + 900)
        script.recorder.finished.clear()

    script.hear((20_000, audio(100, response="r3")))

    assert open_turns_in_memory() == before
    assert script.recorder.open_turns == []
    assert script.recorder.stale_ns == 100_000_000


def test_a_response_that_is_done_after_its_turn_has_closed_is_a_milestone_once():
    script = Script()
    script.say(0, 100)
    script.hear((200, created("r1")))
    script.over(300)

    assert script.recorder.receive(done("r1"), 400_000_000)
    assert not script.recorder.receive(done("r1"), 500_000_000)
