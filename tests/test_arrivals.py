from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.arrivals import Arrival, Report, Switchboard, schedule
from harness.durations import Distribution

S = 1_000_000_000


def board(*dues, lead=1.0):
    calls = [Arrival(n, round(due * S), 1.0) for n, due in enumerate(dues, 1)]
    return Switchboard(calls, round(lead * S))


class Worker:
    """A worker's side: what it was handed, and what it says."""

    def __init__(self, switchboard, name, users=0, now=0):
        self.switchboard, self.name = switchboard, name
        self.idle, self.received = users, 0
        self.calls = []  # handed here, not begun
        self.say(now)

    def say(self, now, **changes):
        """What is on its way is not counted: neither as received, nor as taken by a user."""
        report = Report(idle=self.idle, received=self.received, **changes)
        self.switchboard.hear(self.name, report, now)

    def waits(self, n, now):
        """So many more users wait; fewer, if negative."""
        self.idle += n
        self.say(now)

    def gets(self, number):
        self.idle -= 1
        self.received += 1
        self.calls.append(number)

    def begins(self, number, now):
        self.calls.remove(number)
        self.say(now, begun=[number])

    def gives_back(self, number, now):
        """The user who was to have it has left."""
        self.calls.remove(number)
        self.say(now, back=[number])


def hand_out(switchboard, *workers):
    """What was handed out, and is there."""
    by_name = {worker.name: worker for worker in workers}
    out = switchboard.take()
    for one in out:
        by_name[one.worker].gets(one.arrival.number)
    return [(one.worker, one.arrival.number, "blocked" if one.blocked else "") for one in out]


def test_the_same_seed_gives_the_same_calls():
    length = Distribution("lognormal", 60.0, 0.5)

    first, again, other = (list(islice(schedule(2.0, length, seed), 50)) for seed in (1, 1, 2))

    assert first == again
    assert [call.number for call in first] == list(range(1, 51))
    assert not {call.due for call in first} & {call.due for call in other}


def test_calls_come_at_their_rate_in_a_poisson_stream_and_last_as_their_lengths_are_drawn():
    calls = list(islice(schedule(4.0, Distribution("uniform", 10.0, 20.0), 7), 20_000))

    gaps = [(b.due - a.due) / S for a, b in pairwise(calls)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.25, rel=0.03)
    assert sum((gap - mean) ** 2 for gap in gaps) / len(gaps) == pytest.approx(mean**2, rel=0.06)
    assert sum(call.length for call in calls) / len(calls) == pytest.approx(15.0, rel=0.01)
    assert 10 <= min(call.length for call in calls) < max(call.length for call in calls) <= 20


def test_without_lengths_calls_last_their_turns():
    assert next(schedule(1.0, None, 1)).length == 0.0


def test_a_call_is_handed_to_an_idle_user_ahead_of_its_time():
    switchboard = board(5.0)
    worker = Worker(switchboard, "a", 1)

    switchboard.settle(round(3.9 * S))
    assert hand_out(switchboard, worker) == []
    assert switchboard.wakes_at() == 4 * S
    switchboard.settle(4 * S)

    assert hand_out(switchboard, worker) == [("a", 1, "")]
    assert (switchboard.due, switchboard.blocked, switchboard.idle) == (0, 0, 0)
    switchboard.settle(5 * S)
    assert (switchboard.due, switchboard.wakes_at()) == (1, None)


def test_a_call_that_finds_nobody_idle_is_blocked_and_waits_for_its_turn():
    switchboard = board(1.0, 2.0, 3.0)
    worker = Worker(switchboard, "a", 1)
    switchboard.settle(4 * S)
    assert hand_out(switchboard, worker) == [("a", 1, "")]
    assert (switchboard.due, switchboard.blocked, switchboard.waiting) == (3, 2, 2)

    worker.waits(1, 9 * S)

    assert hand_out(switchboard, worker) == [("a", 2, "blocked")]
    assert (switchboard.blocked, switchboard.waiting) == (2, 1)


def test_a_user_who_is_idle_just_in_time_takes_the_call_unblocked():
    early, late = board(2.0), board(2.0)

    in_time = Worker(early, "a", 1, now=2 * S - 1)
    early.settle(2 * S)
    late.settle(2 * S)
    too_late = Worker(late, "a", 1, now=2 * S + 1)

    assert hand_out(early, in_time) == [("a", 1, "")]
    assert hand_out(late, too_late) == [("a", 1, "blocked")]


def test_a_late_look_blocks_no_call_for_which_somebody_was_idle():
    switchboard = board(1.0, 2.0, 3.0)
    worker = Worker(switchboard, "a", 2)

    switchboard.settle(60 * S)

    assert hand_out(switchboard, worker) == [("a", 1, ""), ("a", 2, "")]
    assert switchboard.blocked == 1


def test_calls_go_to_the_worker_with_the_most_idle_users():
    switchboard = board(*[1.0] * 5, lead=0.0)
    workers = [Worker(switchboard, name, users) for name, users in (("a", 1), ("b", 3), ("c", 2))]
    switchboard.settle(S)

    assert [name for name, _, _ in hand_out(switchboard, *workers)] == ["b", "b", "c", "a", "b"]


def test_what_is_said_while_a_call_is_on_its_way_counts_no_user_twice():
    switchboard = board(1.0, 1.2)
    worker = Worker(switchboard, "a", 1)
    switchboard.settle(S)  # the first is on its way …

    worker.say(S + 1)  # … while the worker still says that its user waits

    assert switchboard.idle == 0
    assert hand_out(switchboard, worker) == [("a", 1, "")]
    worker.say(S + 2)
    assert switchboard.idle == 0


def test_what_a_lost_worker_had_not_begun_is_handed_out_again():
    switchboard = board(1.0, 1.1, 5.0)
    lost = Worker(switchboard, "a", 2)
    switchboard.settle(S)
    hand_out(switchboard, lost)
    lost.begins(1, S)

    other = Worker(switchboard, "b", 2, now=2 * S)
    switchboard.lose("a", 3 * S)
    switchboard.settle(5 * S)

    assert hand_out(switchboard, other) == [("b", 2, ""), ("b", 3, "")]
    lost.begins(2, 5 * S)  # it is there again, and late: the call is another's now
    assert switchboard.begun == 1


def test_a_lost_worker_that_is_heard_again_gets_calls_again():
    switchboard = board(1.0, 10.0)
    worker = Worker(switchboard, "a", 2)
    switchboard.settle(S)
    hand_out(switchboard, worker)
    worker.begins(1, S)
    switchboard.lose("a", 5 * S)

    worker.say(8 * S)
    switchboard.settle(9 * S)

    assert hand_out(switchboard, worker) == [("a", 2, "")]


def test_a_call_given_back_goes_to_another_before_later_ones():
    switchboard = board(1.0, 2.0)
    leaving = Worker(switchboard, "a", 1)
    switchboard.settle(S)
    hand_out(switchboard, leaving)

    leaving.gives_back(1, S)
    assert switchboard.idle == 0
    staying = Worker(switchboard, "b", 1, now=2 * S)

    assert hand_out(switchboard, staying) == [("b", 1, "blocked")]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(("idle", "leave", "begin", "back", "lose", "arrive", "wait")),
        st.sampled_from("abc"),
        st.integers(0, 3 * S),
    ),
    max_size=60,
)


@given(EVENTS)
def test_whatever_workers_do_each_call_is_begun_once_and_none_is_forgotten(events):
    """Workers come, begin, give back and are lost in any order; then one that stays takes all."""
    calls = list(islice(schedule(1.0, None, 3), 30))
    switchboard, now, begun = Switchboard(calls, S), 0, []
    workers = {name: Worker(switchboard, name) for name in "abc"}
    for kind, name, passed in events:
        now += passed
        worker = workers[name]
        switchboard.settle(now)
        if kind == "idle":
            worker.waits(1, now)
        elif kind == "leave" and worker.idle:
            worker.waits(-1, now)
        elif kind == "begin" and worker.calls:
            begun.append(worker.calls[0])
            worker.begins(begun[-1], now)
        elif kind == "back" and worker.calls:
            worker.gives_back(worker.calls[0], now)
        elif kind == "lose":
            hand_out(switchboard, *workers.values())
            switchboard.lose(worker.name, now)
            workers[name] = Worker(switchboard, f"{worker.name}'", now=now)  # another comes
        elif kind == "arrive":
            hand_out(switchboard, *workers.values())
    hand_out(switchboard, *workers.values())
    end = max(now, calls[-1].due)
    for worker in workers.values():
        switchboard.lose(worker.name, end)
    hand_out(switchboard, *workers.values())
    last = Worker(switchboard, "z", 30, now=end)
    hand_out(switchboard, last)
    last.say(end, begun=last.calls)

    assert sorted(begun + last.calls) == [call.number for call in calls]
    assert (switchboard.due, switchboard.begun, switchboard.waiting) == (30, 30, 0)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_any_number_of_workers_is_as_one_pool(workers):
    """Calls of 4 s by 5 users: who is blocked does not depend on how users are spread."""
    calls = list(islice(schedule(1.0, Distribution("fixed", 4.0), 11), 200))
    spread = {f"w{n}": len(range(n, 5, workers)) for n in range(workers)}

    pool = blocked_in(calls, {"all": 5})

    assert blocked_in(calls, spread) == pool == blocked_by_hand(calls, 5)
    assert 20 < len(pool) < 180


def blocked_in(calls, users):
    """Numbers of the blocked calls, with so many users of each worker."""
    switchboard, blocked, ends, begun = Switchboard(calls, S), [], [], 0
    workers = [Worker(switchboard, name, n) for name, n in users.items()]
    while begun < len(calls):
        wakes = [switchboard.wakes_at(), *(end for end, _ in ends[:1])]
        now = min(at for at in wakes if at is not None)
        while ends and ends[0][0] == now:
            ends.pop(0)[1].waits(1, now)
        switchboard.settle(now)
        for name, number, how in hand_out(switchboard, *workers):
            (worker,) = [worker for worker in workers if worker.name == name]
            call = calls[number - 1]
            blocked += [number] if how else []
            ends.append((max(now, call.due) + round(call.length * S), worker))
            begun += 1
        ends.sort(key=lambda end: end[0])
    assert len(blocked) == switchboard.blocked
    return blocked


def blocked_by_hand(calls, users):
    """The textbook's queue: the call that finds all users busy waits for the first to be free."""
    free, blocked = [0] * users, []
    for call in calls:
        soonest = min(free)
        if soonest > call.due:
            blocked.append(call.number)
        free[free.index(soonest)] = max(call.due, soonest) + round(call.length * S)
    return blocked
