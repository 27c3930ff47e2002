import os
import time

import gevent
import gevent.os
import pytest
from loop import keep_busy, poll

from harness.hub import STALL_NS, HubWatch, hub_watch
from harness.run_delay import RunDelay

MS = 1_000_000


@pytest.fixture
def watch():
    gevent.sleep(0)
    watch = HubWatch(gevent.get_hub())
    gevent.sleep(0.001)
    watch.stalls.clear()
    yield watch
    watch.stop()


def test_a_hub_has_one_watch():
    assert hub_watch() is hub_watch()


def test_a_greenlet_that_keeps_the_processor_is_a_stall(watch):
    start, end = gevent.spawn(keep_busy, STALL_NS + 5 * MS).get()
    poll()

    assert any(began <= start < end <= ended for began, ended in watch.stalls)


def test_a_callback_of_the_loop_that_keeps_the_processor_is_a_stall(watch):
    timer = gevent.get_hub().loop.timer(0.001)
    span = []
    timer.start(lambda: span.extend(keep_busy(STALL_NS + 5 * MS)))
    gevent.sleep(0.005)
    poll()

    assert any(began <= span[0] < span[1] <= ended for began, ended in watch.stalls)


def test_waiting_in_the_poll_is_no_stall(watch):
    gevent.sleep(0.1)

    assert not any(end - start > 90 * MS for start, end in watch.stalls)


def test_a_stall_is_found_by_any_time_it_overlaps(watch):
    watch.polled_at = time.monotonic_ns()
    watch.stalls.extend([(100 * MS, 130 * MS), (200 * MS, 250 * MS)])

    assert watch.stalled_between(110 * MS, 120 * MS)
    assert watch.stalled_between(90 * MS, 101 * MS)
    assert watch.stalled_between(240 * MS, 300 * MS)
    assert not watch.stalled_between(130 * MS, 200 * MS)
    assert not watch.stalled_between(250 * MS, 300 * MS)
    assert watch.stalled_since(245 * MS)
    assert not watch.stalled_since(250 * MS)


def test_a_stall_counts_while_it_lasts(watch):
    poll()
    start, _ = keep_busy(STALL_NS + MS)

    assert watch.stalled_since(start)


@pytest.mark.parametrize(
    ("before", "began", "polled", "stamp", "slack"),
    [
        # The loop waited in the poll and woke at once: what was read came after the wait.
        (0, 10, 50, 50, 0),
        (0, 10, 50, 51, 0),
        # It woke at once and was busy with other sockets first: since the poll, at most.
        (0, 10, 50, 58, 8),
        # It was busy, then found data at once: they came at any time since the poll before.
        (0, 30, 30.01, 28, 28),
        # It was busy, found data at once, and lost the processor within the poll.
        (0, 30, 31, 29.9, 29.9),
        # Busy for a moment only.
        (0, 1.5, 1.51, 1.4, 0),
        # It seemed to wait, but the data had been there for long: the process had no processor.
        (0, 10, 50, 20, 20),
    ],
)
def test_slack_is_how_much_earlier_a_merged_message_may_have_come(
    watch, before, began, polled, stamp, slack
):
    watch._polled_before, watch._poll_began = before * MS, round(began * MS)
    watch.polled_at, watch._gathering, watch._starved = round(polled * MS), 0, 0

    assert watch.slack(round(stamp * MS)) == slack * MS


@pytest.mark.parametrize(("polled", "slack"), [(29, 0), (32, 0), (33, 33), (210, 210)])
def test_a_poll_that_outlasted_the_heartbeat_proves_nothing(watch, polled, slack):
    watch.beat_ns = 20 * MS
    watch._polled_before, watch._poll_began, watch._gathering = 0, 10 * MS, 0
    watch.polled_at, watch._starved = polled * MS, 0

    assert watch.slack(polled * MS) == slack * MS


@pytest.mark.parametrize(
    ("starved", "stamp", "slack"),
    [
        # It waited from 10 on, and had a processor as soon as something came.
        (0, 30, 0),
        # Something came at 18 at the earliest, and more until it had a processor.
        (12, 30, 12),
        (12, 25, 7),
        (12, 19, 0),
        # More than that must have kept it from running.
        (12, 14, 14),
        # It had no processor all the time: what it read may have been there before.
        (19.9, 30, 30),
    ],
)
def test_a_message_may_have_come_while_the_poll_waited_for_a_processor(
    watch, starved, stamp, slack
):
    watch.beat_ns = 20 * MS
    watch._polled_before, watch._poll_began, watch._gathering = 0, 10 * MS, 0
    watch.polled_at, watch._starved = 30 * MS, round(starved * MS)

    assert watch.slack(stamp * MS) == slack * MS


def test_a_poll_that_outlasted_the_heartbeat_for_want_of_a_processor_had_waited(watch):
    watch.beat_ns = 20 * MS
    watch._polled_before, watch._poll_began, watch._gathering = 0, 10 * MS, 0
    watch.polled_at, watch._starved = 210 * MS, 185 * MS

    assert watch.slack(210 * MS) == 185 * MS


def test_a_poll_knows_how_long_it_waited_for_a_processor_and_no_more(watch):
    class Told(RunDelay):
        told = [7 * MS]

        def ns(self):
            return self.told[-1]

    watch._delay.close()
    watch._delay = Told()
    keep_busy(2 * MS)
    watch._poll_begins()
    starts = watch._delayed_ns
    Told.told.append(15 * MS)
    keep_busy(MS)
    watch._poll_ends()

    assert (starts, watch._starved) == (7 * MS, 8 * MS)


def test_a_poll_that_had_much_to_gather_did_not_wait(watch):
    watch._polled_before, watch._poll_began, watch._gathering = 0, 30 * MS, 600_000
    watch.polled_at, watch._starved = 30 * MS + 700_000, 0

    assert watch.slack(30 * MS) == 30 * MS


def test_a_poll_that_told_of_as_many_as_it_can_leaves_slack_back_to_the_one_before_it(watch):
    def poll_at(at, reads):
        for _ in range(reads):
            watch.read_lag.add(0)
        watch._poll_ends()
        watch.polled_at, watch._poll_began = at * MS, at * MS
        watch._gathering = watch._starved = 0

    poll_at(10, 1)
    poll_at(60, 1)
    poll_at(80, 64)  # of what the poll at 60 told: there may have been more then
    assert watch.slack(80 * MS) == 70 * MS

    poll_at(90, 3)
    assert watch.slack(90 * MS) == 10 * MS
    watch.take()
    poll_at(100, 64)  # it has room for these by now
    assert watch.slack(100 * MS) == 10 * MS


def test_a_poll_after_a_busy_time_leaves_slack_back_to_the_poll_before(watch):
    poll()
    read, write = os.pipe()
    io = gevent.get_hub().loop.io(read, 1)
    slack = []

    def read_it():
        io.stop()
        slack.append(watch.slack(written))

    io.start(read_it)
    keep_busy(10 * MS)
    os.write(write, b"x")
    written = time.monotonic_ns()
    while not slack:
        poll()
    io.close()
    os.close(read)
    os.close(write)

    assert slack[0] >= 10 * MS


def test_lags_are_taken_and_start_anew(watch):
    watch.read_lag.add(0.001)
    watch.frame_lateness.add(0.002)
    watch.hub_lag.add(0.003)

    taken = watch.take()

    assert [lag.max for lag in (taken.read_lag, taken.frame_lateness, taken.hub_lag)] == [
        0.001,
        0.002,
        0.003,
    ]
    assert watch.take().read_lag.count == 0


def test_a_forked_child_gets_a_watch_of_its_own_that_works():
    parent = hub_watch()
    parent.internal_errors = 7
    stalls = len(parent.stalls)
    child = gevent.os.fork()
    if child == 0:
        try:
            watch = hub_watch()
            poll()
            keep_busy(STALL_NS + MS)
            poll()
            fresh = watch is not parent and watch.internal_errors == 0
            os._exit(0 if fresh and watch.stalls and len(parent.stalls) == stalls else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    parent.internal_errors = 0

    assert os.waitstatus_to_exitcode(status) == 0
