from itertools import islice
from statistics import median
from types import SimpleNamespace

import gevent
import pytest
from peers import until

from harness.arrivals import schedule
from harness.loads import Load
from harness.swarm.desk import Desk
from harness.swarm.exchange import Exchange, open_exchange

FAST = Load(arrivals=100.0)
SEED = 9


class Process:
    """Users of one process, and what hands out calls to them, without any message between."""

    def __init__(self, users, *, busy=0.0):
        self.open, self.made = True, []
        self.desk = Desk(lambda report: self.exchange.hear("here", report))
        self.exchange = Exchange(
            FAST,
            SEED,
            send=lambda worker, orders: self.desk.arrived(orders),
            wanted=lambda: users,
            open=lambda: self.open,
        )
        self.users = [gevent.spawn(self._user, busy) for _ in range(users)]

    def _user(self, busy):
        while True:
            self.made.append(self.desk.take())
            gevent.sleep(busy)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.exchange.stop()
        gevent.killall(self.users)


def test_calls_are_made_once_each_for_the_instants_of_the_schedule():
    calls = list(islice(schedule(FAST.arrivals, None, SEED), 30))
    with Process(users=20) as process:
        until(lambda: {each.number for each in process.made} >= {each.number for each in calls})

    made = sorted(process.made, key=lambda call: call.number)[:30]  # some are late, and overtaken
    assert [call.number for call in made] == [call.number for call in calls]
    began = [one.due_at - call.due for one, call in zip(made, calls, strict=True)]
    # Two clocks are read, one after the other, whenever a call is placed.
    assert median(abs(at - median(began)) for at in began) < 100_000_000


def test_who_is_busy_blocks_and_what_waits_is_made_in_its_turn():
    with Process(users=1, busy=0.03) as process:
        until(lambda: len(process.made) >= 12)
        process.open = False
        gevent.sleep(0.05)
        facts = process.exchange.facts

    assert [call.number for call in process.made[:12]] == list(range(1, 13))
    assert any(call.blocked for call in process.made)
    assert facts["blocked"] > 0
    assert facts["due"] == facts["begun"] + facts["waiting"]


def test_a_schedule_is_over_when_users_are_to_stop():
    with Process(users=2) as process:
        until(lambda: len(process.made) >= 3)
        process.open = False
        gevent.sleep(0.1)
        due = process.exchange.facts["due"]
        gevent.sleep(0.2)

        assert process.exchange.facts["due"] == due


def test_a_schedule_begins_when_all_users_are_there():
    front = SimpleNamespace(
        environment=SimpleNamespace(user_classes=[type("Visitor", (), {"arrives": True})]),
        runner=SimpleNamespace(user_count=1, target_user_count=2),
        accepting=True,
        user_counts=lambda: {"Visitor": front.runner.user_count},
        hand_out=lambda worker, orders: None,
    )
    setup = SimpleNamespace(load=FAST, workload=SimpleNamespace(seed=SEED))

    exchange = open_exchange(front, setup)

    assert exchange._wanted() == 0  # not all are there
    front.runner.user_count = 2
    assert exchange._wanted() == 2
    exchange.stop()


@pytest.mark.parametrize("classes", [[], [type("Caller", (), {"arrives": False})]])
def test_a_closed_crowd_needs_no_schedule(classes):
    front = SimpleNamespace(environment=SimpleNamespace(user_classes=classes), runner=None)

    assert open_exchange(front, SimpleNamespace()) is None
