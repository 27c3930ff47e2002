import gc
import os
import socket
from pathlib import Path
from time import process_time

import gevent
import gevent.os
import pytest
from loop import join, keep_busy, poll

from harness.health import HealthMonitor, census
from harness.hub import hub_watch
from harness.pacer import pacer
from harness.watchdog import STARVED

pytestmark = pytest.mark.alone

MS = 1_000_000


@pytest.fixture
def seconds():
    return []


@pytest.fixture
def monitor(seconds):
    monitor = HealthMonitor(seconds.append, users=lambda: 3)
    poll()
    monitor.start()
    yield monitor
    monitor.stop()


def blamed(culprit):
    """Whether who kept the loop busy is named, or, on a busy machine, who had the processor."""
    return " keep_busy" in culprit or culprit == STARVED


def test_each_second_leaves_a_record_and_so_does_the_last_that_began(monitor, seconds):
    with gevent.Timeout(20):
        while not seconds:
            gevent.sleep(0.05)
    monitor.stop()

    *_, before, last = seconds
    assert before.interval_s >= 1.0
    assert last.at - before.at == round(last.interval_s * 1e9)
    assert last.users == 3


def test_a_blocked_loop_shows_as_stall_lag_and_culprit(monitor, seconds):
    def a_task():
        began = process_time()
        keep_busy(300 * MS)
        return process_time() - began

    gevent.sleep(0.03)  # the heart beats
    used = gevent.spawn(a_task).get()
    gevent.sleep(0.05)
    health = max([*seconds, monitor.take()], key=lambda second: second.longest_stall_s)

    assert health.stalls >= 1
    assert health.longest_stall_s >= 0.3
    assert health.hub_lag.max >= 0.25
    assert blamed(health.culprit)
    assert health.cpu * health.interval_s >= used


def test_what_was_used_is_that_of_the_time_since_the_last_record(monitor):
    monitor.take()
    gc.collect()
    keep_busy(30 * MS)
    hub_watch().internal_errors += 2
    census().turns += 5
    census().suspect_turns += 1
    pacer().wrote(3 * MS, 20 * MS)
    with socket.socket(), socket.socket():
        busy = monitor.take()
    idle = monitor.take()

    assert (busy.turns, busy.suspect_turns, busy.internal_errors) == (5, 1, 2)
    assert busy.gc_s >= busy.gc_longest_s > 0
    assert busy.audio_sent_s == busy.audio_due_s == pytest.approx(0.020)
    assert busy.frame_lateness.max == pytest.approx(0.003)
    assert busy.descriptors == idle.descriptors + 2
    assert (idle.turns, idle.internal_errors, idle.gc_s, idle.audio_sent_s) == (0, 0, 0, 0)
    assert idle.rss_bytes > 1_000_000


def test_one_monitor_at_a_time_looks_at_a_process(monitor, seconds):
    second = HealthMonitor(seconds.append)

    with pytest.raises(RuntimeError, match="looked at already"):
        second.start()
    monitor.stop()
    second.start()
    second.stop()

    assert len(seconds) == 2


def mine(what):
    """The threads (task) or open files (fd) of this process."""
    return len(list(Path(f"/proc/self/{what}").iterdir()))


def test_a_monitor_that_was_stopped_leaves_nothing_that_polls(seconds):
    monitor = HealthMonitor(seconds.append)
    threads, files = mine("task"), mine("fd")
    callbacks = list(gc.callbacks)
    monitor.start()
    assert mine("task") == threads + 1
    monitor.stop()
    monitor.stop()

    assert len(seconds) == 1
    assert all(greenlet.dead for greenlet in monitor._greenlets)
    assert gc.callbacks == callbacks
    assert mine("fd") == files
    with gevent.Timeout(10):  # the system takes a moment to bury a thread
        while mine("task") > threads:
            gevent.sleep(0.01)


def test_two_who_stop_it_at_once_get_one_last_record(monitor, seconds):
    join([gevent.spawn(monitor.stop), gevent.spawn(monitor.stop)], 20)

    assert len(seconds) == 1


def test_it_can_begin_again(monitor, seconds):
    monitor.stop()
    monitor.start()
    monitor.stop()

    assert len(seconds) == 2


def test_a_forked_child_can_look_at_itself(monitor, seconds):
    told = len(seconds)
    child = gevent.os.fork()
    if child == 0:
        try:
            own = []
            child_monitor = HealthMonitor(own.append)
            child_monitor.start()
            gevent.spawn(keep_busy, 250 * MS).join()
            gevent.sleep(0.05)
            child_monitor.stop()
            worst = max(own, key=lambda second: second.longest_stall_s)
            right = blamed(worst.culprit) and worst.stalls and len(seconds) == told
            os._exit(0 if right else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
