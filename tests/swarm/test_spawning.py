import gevent
import pytest
from gevent.event import Event
from gevent.pool import Group
from loop import join
from peers import until

from harness.swarm.spawning import Spawning


class Runner:
    """Locust's master as far as ramps go: each user takes a step that others can interrupt."""

    def __init__(self):
        self.greenlet = Group()
        self.shape_greenlet = None
        self.said = []
        self.go = Event()

    def start(self, users, rate):
        self.said.append(f"to {users} by {rate}")
        self.go.wait()
        self.said.append(f"at {users}")

    def stop(self, send_stop_to_client=True):
        self.said.append(f"stop {send_stop_to_client}")


@pytest.fixture
def runner():
    runner = Runner()
    Spawning(runner)
    return runner


def test_a_master_that_is_stopped_ramps_no_further(runner):
    asking = gevent.spawn(runner.start, 9, 1.0)
    gevent.sleep(0.01)

    runner.stop(send_stop_to_client=False)
    runner.go.set()
    asking.join(5)

    assert asking.successful()
    assert runner.said == ["to 9 by 1.0", "stop False"]


def test_a_master_is_on_its_way_to_the_latest_number_only(runner):
    both = [gevent.spawn(runner.start, users, 1.0) for users in (9, 4)]
    gevent.sleep(0)
    runner.go.set()
    join(both, 5)

    assert runner.said[-1] == "at 4"
    assert "at 9" not in runner.said


def test_who_asks_for_users_waits_until_they_are_there(runner):
    runner.go.set()

    runner.start(3, spawn_rate := 2.0)

    assert runner.said == [f"to 3 by {spawn_rate}", "at 3"]


def test_the_greenlet_that_hears_the_workers_does_not_wait(runner):
    heard = runner.greenlet.spawn(runner.start, 9, 1.0)
    heard.join(5)

    assert heard.successful()
    runner.go.set()
    until(lambda: runner.said == ["to 9 by 1.0", "at 9"])


def test_a_shape_waits_as_others_do(runner):
    runner.shape_greenlet = runner.greenlet.spawn(runner.start, 9, 1.0)
    gevent.sleep(0)

    assert not runner.shape_greenlet.ready()
    runner.go.set()
    runner.shape_greenlet.join(5)
    assert runner.said[-1] == "at 9"


def test_a_shape_that_waits_for_its_test_to_begin_is_over_when_that_is_stopped(runner):
    def tick():
        runner.start(9, 1.0)
        runner.start(10, 1.0)

    shape = runner.shape_greenlet = runner.greenlet.spawn(tick)
    gevent.sleep(0.01)

    runner.stop()

    assert shape.dead
    assert runner.shape_greenlet is None
    assert runner.said == ["to 9 by 1.0", "stop True"]


def test_what_goes_wrong_on_the_way_is_told_to_who_asked(runner):
    def fail(users, rate):
        raise ValueError("no rate")

    broken = Runner()
    broken.start = fail
    Spawning(broken)
    gevent.get_hub().exception_stream, stream = None, gevent.get_hub().exception_stream
    try:
        with pytest.raises(ValueError, match="no rate"):
            broken.start(1, 0.0)
    finally:
        gevent.get_hub().exception_stream = stream
