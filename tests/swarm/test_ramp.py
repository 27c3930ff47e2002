import gevent
import pytest
from loop import join

from harness.quota import Quotas
from harness.realtime.objects import RateLimit
from harness.records import Turn
from harness.sinks.tally import Tally
from harness.swarm.ramp import Ramp, open_ramp
from harness.swarm.setup import read_setup


@pytest.fixture
def ramp(monkeypatch):
    monkeypatch.setattr("harness.swarm.ramp.LOOK", 0.01)
    ramp = Ramp(Quotas(turn_s=10.0, tokens=100), 0.4, Tally())
    left(ramp, 0)
    return ramp


def left(ramp, requests, at=0):
    """So many requests are left, and none comes back; a caller uses six a minute."""
    ramp.on_limits([RateLimit(name="requests", limit=100.0, remaining=requests)], at)


def held(ramp):
    return ramp._tally.gauges.get("callers_held", {}).get((), 0)


def test_callers_wait_until_there_is_room_for_them(ramp):
    begun = []
    callers = [
        gevent.spawn(lambda n=n: (ramp.wait(lambda: False), begun.append(n))) for n in range(3)
    ]
    gevent.sleep(0.05)
    assert (begun, held(ramp)) == ([], 3)

    left(ramp, 13, at=1)  # for two
    join(callers[:2], 10)
    assert (begun, held(ramp)) == ([0, 1], 1)

    left(ramp, 6, at=2)
    join(callers, 10)
    assert (begun, held(ramp)) == ([0, 1, 2], 0)
    assert ramp._tally.counters["ramp_delay"][()] > 3 * 0.05


def test_nobody_waits_who_is_to_stop(ramp):
    stopping = []
    callers = [gevent.spawn(ramp.wait, lambda: bool(stopping)) for _ in range(3)]
    gevent.sleep(0.02)

    stopping.append(True)
    join(callers, 10)

    assert held(ramp) == 0


def test_a_caller_who_is_killed_while_waiting_leaves_the_queue(ramp):
    first, second = (gevent.spawn(ramp.wait, lambda: False) for _ in range(2))
    gevent.sleep(0.02)

    first.kill()
    left(ramp, 6, at=1)
    second.join(timeout=10)

    assert second.successful()
    assert held(ramp) == 0


def test_turns_tell_what_callers_use(ramp):
    for _ in range(100):  # five seconds and two responses each, and a pause
        marks = {"playback_end": 4_600_000_000, "done": 3_000_000_000, "commit": None}
        turn = Turn(marks=marks, response_ids=["a", "b"], usage={"total_tokens": 50})
        ramp.on_turn(turn)
    left(ramp, 24.1, at=1)

    ramp.wait(lambda: False)

    assert not ramp._quotas.let_in(1)


def test_rate_limits_are_heeded_on_request():
    host = "ws://127.0.0.1:9"

    def opened(**values):
        return open_ramp(read_setup(values, [host], given_hosts=[host], environ={}), Tally())

    assert opened() is None
    assert opened(heed_rate_limits="yes") is not None
