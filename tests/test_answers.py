"""Which response belongs to which turn where the endpoint takes the initiative."""

import pytest
from tape import COMMITTED, STOPPED, Script, audio, created, done

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
