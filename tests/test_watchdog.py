import gc
import re
import time

import gevent
import pytest
from loop import keep_busy, poll

from harness.hub import HubWatch
from harness.run_delay import RunDelay
from harness.watchdog import BLOCKED_NS, COLLECTING, STARVED, Collections, Watchdog

MS = 1_000_000
LONG = BLOCKED_NS * 10  # on a busy machine the watchdog comes late, too


class Told(RunDelay):
    """A run delay that a test makes up."""

    def __init__(self):
        self.waited = 0

    def ns(self):
        return self.waited

    def close(self):
        pass


@pytest.fixture
def watch():
    watch = HubWatch(gevent.get_hub())
    poll()
    yield watch
    watch.stop()


@pytest.fixture
def delay():
    return Told()


@pytest.fixture
def collections():
    collections = Collections()
    collections.start()
    yield collections
    collections.stop()


@pytest.fixture
def dog(watch, collections, delay):
    dog = Watchdog(watch, collections, delay)
    dog.start()
    yield dog
    dog.stop()


def told_of(dog):
    """What the watchdog says once the block is over."""
    text, deadline = "", time.monotonic() + 10
    while not text and time.monotonic() < deadline:
        gevent.sleep(0.01)
        text = dog.take()
    return text


def a_greedy_task():
    keep_busy(LONG)


def test_who_keeps_the_loop_is_named(dog):
    gevent.spawn(a_greedy_task).join()

    inner, outer = told_of(dog).split(" ← ")

    assert re.fullmatch(r"tests/loop\.py:\d+ keep_busy", inner)
    assert re.fullmatch(r"tests/test_watchdog\.py:\d+ a_greedy_task", outer)


def test_a_call_that_waits_is_named_by_who_made_it_not_by_the_library(dog):
    def a_task():
        # Of the library, in Python: its frame is the innermost.
        import subprocess

        subprocess.run(["sleep", "1"], check=True)

    gevent.spawn(a_task).join()

    assert re.fullmatch(r"tests/test_watchdog\.py:\d+ a_task", told_of(dog))


def test_a_callback_of_the_loop_is_named_too(dog):
    timer = gevent.get_hub().loop.timer(0.001)
    timer.start(a_greedy_task)
    gevent.sleep(0.005)

    assert " keep_busy ← " in told_of(dog)


def test_collecting_garbage_is_nobodys_code(dog, collections):
    def a_task():
        began = time.monotonic_ns()
        while time.monotonic_ns() - began < LONG:
            gc.callbacks[gc.callbacks.index(collections._on_phase)]("start", {})
            keep_busy(30 * MS)
            collections._on_phase("stop", {})

    gevent.spawn(a_task).join()

    assert told_of(dog) == COLLECTING


def test_waiting_for_a_processor_is_nobodys_code(dog, delay):
    def a_task():
        keep_busy(LONG)
        delay.waited += 3600 * 1000 * MS  # more than a busy machine may add of its own
        keep_busy(20 * MS)

    gevent.spawn(a_task).join()

    assert told_of(dog) == STARVED


def test_a_loop_that_goes_round_is_not_blamed(dog):
    gevent.sleep(0.3)

    assert "test_a_loop_that_goes_round_is_not_blamed" not in dog.take()


def test_a_watchdog_that_was_stopped_looks_no_more(watch, collections, delay):
    dog = Watchdog(watch, collections, delay)
    dog.start()
    dog.stop()

    a_greedy_task()
    poll()

    assert dog.take() == ""


def test_pauses_of_the_collector_are_counted(collections):
    gc.collect()

    assert collections.spent_ns > 0
    assert 0 < collections.take_longest() <= collections.spent_ns
    assert collections.take_longest() == 0
