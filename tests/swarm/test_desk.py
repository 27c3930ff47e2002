from time import monotonic_ns, time_ns

import gevent
import pytest
from peers import until

from harness.arrivals import Report
from harness.swarm.desk import Desk, Order

S = 1_000_000_000
MS = S // 1000


@pytest.fixture
def said():
    """What the desk said, newest last."""
    return []


@pytest.fixture
def desk(said):
    return Desk(said.append)


def order(number, *, in_ns=0, blocked=False, ahead_ns=0):
    """``ahead_ns``: by so much the other host's wall clock is ahead of ours."""
    return Order(number, time_ns() + in_ns + ahead_ns, in_ns, 1.5, blocked)


def hand(desk, number, **how):
    """Hand an order over; when that was, to a millisecond, in monotonic ns."""
    now = monotonic_ns()
    desk.arrived([order(number, **how)])
    return range(now - MS, monotonic_ns() + MS)


def user(desk):
    return gevent.spawn(desk.take)


def settle():
    gevent.sleep(0)
    gevent.sleep(0)


def test_all_who_wait_at_once_are_one_message(desk, said):
    users = [user(desk) for _ in range(3)]
    settle()

    assert said == [Report(idle=3)]
    gevent.killall(users)


def test_a_user_gets_the_call_when_it_is_due(desk, said):
    waiting = user(desk)
    settle()
    handed = hand(desk, 7, in_ns=30 * MS)

    call = waiting.get(timeout=5)

    assert monotonic_ns() >= call.due_at
    assert call.due_at - 30 * MS in handed
    assert (call.number, call.length, call.blocked) == (7, 1.5, False)
    settle()
    assert said[-1] == Report(idle=0, received=1, begun=[7])


def test_who_waits_longest_is_first(desk):
    first, second = user(desk), user(desk)
    settle()

    desk.arrived([order(1), order(2, blocked=True)])

    assert (first.get(timeout=5).number, second.get(timeout=5).number) == (1, 2)


def test_a_call_for_nobody_goes_back(desk, said):
    desk.arrived([order(4)])
    settle()

    assert said == [Report(idle=0, received=1, back=[4])]


def test_a_user_who_leaves_before_the_call_is_due_gives_it_back(desk, said):
    waiting = user(desk)
    settle()
    desk.arrived([order(5, in_ns=60 * S)])
    settle()
    waiting.kill()
    settle()

    assert said[-1] == Report(idle=0, received=1, back=[5])


def test_a_user_who_leaves_without_a_call_waits_no_more(desk, said):
    waiting, other = user(desk), user(desk)
    settle()
    waiting.kill()
    settle()

    assert said[-1] == Report(idle=1)
    other.kill()


@pytest.mark.parametrize("ahead", [-3600 * S, -S, S, 3600 * S])
def test_where_wall_clocks_disagree_a_call_is_due_as_long_from_now_as_it_was_then(desk, ahead):
    waiting = user(desk)
    settle()
    handed = hand(desk, 1, in_ns=20 * MS, ahead_ns=ahead)

    assert waiting.get(timeout=5).due_at - 20 * MS in handed


def test_a_call_that_was_long_on_its_way_is_due_when_it_was_due(desk):
    waiting = user(desk)
    settle()
    handed = hand(desk, 1, in_ns=420 * MS, ahead_ns=-400 * MS)

    assert waiting.get(timeout=5).due_at - 20 * MS in handed


def test_a_process_that_did_not_run_gives_back_what_is_long_overdue(desk, said, monkeypatch):
    waiting = user(desk)
    settle()
    now = [monotonic_ns()]
    monkeypatch.setattr("harness.swarm.desk.monotonic_ns", lambda: now[0])
    desk.arrived([order(1, in_ns=10 * MS)])
    settle()
    now[0] += 5 * S
    until(lambda: said[-1].back)

    assert said[-1] == Report(idle=1, received=1, back=[1])
    assert not waiting.ready()
    waiting.kill()
