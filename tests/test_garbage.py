import gc
from weakref import ref

import gevent
import pytest

from harness import garbage
from harness.garbage import ENDED_SESSIONS, YOUNG_S, Sweeper
from harness.records import Health, Session


class Circle:
    def __init__(self):
        self.own = self


@pytest.fixture
def sweeper():
    sweeper = Sweeper()
    sweeper.start()
    yield sweeper
    sweeper.stop()


@pytest.fixture
def circle():
    """An old circle of references that nobody holds."""
    kept = Circle()
    gc.collect(1)  # now it is of the oldest generation
    return ref(kept)


def test_what_lived_before_is_left_out_and_python_follows_no_rules_of_its_own(sweeper):
    assert gc.get_freeze_count() > 10_000
    assert not gc.isenabled()


def test_young_garbage_goes_at_once(sweeper):
    young = ref(Circle())
    with gevent.Timeout(20):
        while young() is not None:
            gevent.sleep(YOUNG_S)

    assert young() is None


def test_old_garbage_goes_when_many_sessions_have_ended(sweeper, circle):
    for _ in range(ENDED_SESSIONS):
        sweeper.on_session(Session(event="start"))
    for _ in range(ENDED_SESSIONS - 1):
        sweeper.on_session(Session(event="end"))
    assert circle() is not None

    sweeper.on_session(Session(event="end"))
    assert circle() is None


def test_old_garbage_goes_after_a_while(sweeper, circle, monkeypatch):
    sweeper.on_health(Health())
    assert circle() is not None

    now = garbage.monotonic()
    monkeypatch.setattr(garbage, "monotonic", lambda: now + garbage.LONGEST_S)
    sweeper.on_health(Health())
    assert circle() is None


def test_at_the_end_it_is_left_to_python_again():
    before = gc.isenabled(), gc.get_freeze_count()
    sweeper = Sweeper()
    sweeper.start()
    sweeper.stop()
    sweeper.stop()

    assert (gc.isenabled(), gc.get_freeze_count()) == before
