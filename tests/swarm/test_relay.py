import json
import os
import socket

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Health, Session, Turn
from harness.sinks.tally import Tally
from harness.swarm.relay import PATIENCE, Collector, Shipper

ANCHOR = {"monotonic_ns": 1, "time_ns": 2}


class Written(dict):
    """What a collector appended, by file."""

    def append(self, name, lines):
        self[name] = self.get(name, b"") + lines
        return True

    def turns(self):
        return [json.loads(line)["caller"] for line in self.get("turns.jsonl", b"").splitlines()]


def over_the_wire(parcel):
    """As Locust's messages carry it."""
    return msgpack.loads(msgpack.dumps(parcel), strict_map_key=False)


def a_worker(name="host-0", turns=()):
    tally = Tally()
    shipper = Shipper("run-1", name, tally, lambda: ANCHOR)
    for caller in turns:
        shipper.on_turn(Turn(caller=caller))
        tally.count("turns", ("talk", "small", "completed"))
    return shipper, tally


@pytest.fixture
def written():
    return Written()


@pytest.fixture
def collector(written):
    return Collector("run-1", written.append)


def test_every_record_arrives_once_as_it_was_encoded(collector, written):
    shipper, _ = a_worker(turns=[1, 2])
    shipper.on_session(Session(caller=1))
    shipper.on_health(Health(worker="host-0"))

    collector.receive("a", over_the_wire(shipper.pack()))
    shipper.on_turn(Turn(caller=3))
    collector.receive("a", over_the_wire(shipper.pack(final=True)))

    assert written.turns() == [1, 2, 3]
    assert json.loads(written["sessions.jsonl"])["caller"] == 1
    assert json.loads(written["health.jsonl"])["worker"] == "host-0"


def test_a_parcel_that_comes_twice_is_taken_once(collector, written):
    shipper, _ = a_worker(turns=[1])
    parcel = over_the_wire(shipper.pack())

    collector.receive("a", parcel)
    collector.receive("a", parcel)

    assert written.turns() == [1]


def test_parcels_of_the_run_before_are_passed_over(written):
    collector = Collector("run-2", written.append)
    shipper, _ = a_worker(turns=[1])

    collector.receive("a", over_the_wire(shipper.pack(final=True)))

    assert written == {}
    assert collector.anchors == {}


@given(st.lists(st.integers(0, 5), max_size=5), st.integers(0, 4))
def test_counts_add_up_whatever_parcels_were_lost(amounts, arrives):
    collector = Collector("run-1", lambda name, lines: True)
    workers = [a_worker(f"host-{n}") for n in range(2)]
    for client, (shipper, tally) in zip("ab", workers, strict=True):
        for n, amount in enumerate(amounts):
            tally.count("turns", ("talk",), amount)
            parcel = over_the_wire(shipper.pack())
            if n == arrives:
                collector.receive(client, parcel)
        collector.receive(client, over_the_wire(shipper.pack(final=True)))

    counted = collector.tally({"a", "b"}).counters.get("turns", {})
    assert sum(counted.values()) == 2 * sum(amounts)


def test_a_worker_that_is_gone_keeps_its_counts_but_has_nothing_open(collector):
    for client in "ab":
        shipper, tally = a_worker(f"host-{client}", turns=[1])
        tally.change("sessions", (), 1)
        collector.receive(client, over_the_wire(shipper.pack()))

    tally = collector.tally(live={"b"})

    assert tally.counters["turns"] == {("talk", "small", "completed"): 2}
    assert tally.gauges["sessions"] == {(): 1}


def test_the_last_parcel_tells_who_is_still_awaited_and_who_is_lost(collector):
    first, second = a_worker("host-0")[0], a_worker("host-1")[0]
    collector.receive("a", over_the_wire(first.pack()))
    collector.receive("b", over_the_wire(second.pack()))
    assert collector.awaited({"a", "b"}) == {"a", "b"}

    collector.receive("a", over_the_wire(first.pack(final=True, leaving=True)))

    assert collector.awaited({"a", "b"}) == {"b"}
    assert collector.awaited({"a"}) == set()
    assert collector.leaving == {"a"}
    assert collector.lost == ["b"]


def test_of_every_worker_it_is_known_where_it_ran_and_by_which_clock(collector):
    shipper, _ = a_worker("host-0")
    collector.receive("a", over_the_wire(shipper.pack()))

    assert collector.anchors == {"host-0": ANCHOR}
    (worker,) = collector.workers
    assert worker == {"worker": "host-0", "host": socket.gethostname(), "pid": os.getpid()}


def test_what_is_not_confirmed_is_kept_and_what_is_confirmed_is_not():
    shipper, _ = a_worker(turns=[1])
    first = shipper.pack()
    shipper.on_turn(Turn(caller=2))
    shipper.pack()
    shipper.on_turn(Turn(caller=3))

    assert callers(shipper.kept) == [1, 2, 3]
    shipper.confirm(first["number"])
    assert callers(shipper.kept) == [2, 3]


def callers(kept):
    return [json.loads(line)["caller"] for line in kept.get("turns.jsonl", b"").splitlines()]


def test_a_worker_has_delivered_when_its_last_parcel_and_all_before_are_confirmed():
    shipper, _ = a_worker(turns=[1])
    first = shipper.pack()
    last = shipper.pack(final=True)

    shipper.confirm(last["number"])
    assert not shipper.delivered
    shipper.confirm(first["number"])
    assert shipper.delivered
    assert shipper.kept == {}


def test_what_is_not_confirmed_in_time_is_sent_again_as_it_was(monkeypatch, collector, written):
    now = 100.0
    monkeypatch.setattr("harness.swarm.relay.monotonic", lambda: now)
    shipper, _ = a_worker(turns=[1])
    lost = shipper.pack()
    collector.receive("a", over_the_wire(shipper.pack(final=True)))
    assert shipper.overdue() == []
    assert collector.lost == ["a"]

    now += PATIENCE + 1
    again = shipper.overdue()

    assert again[0] == lost
    for parcel in again:
        collector.receive("a", over_the_wire(parcel))
    assert written.turns() == [1]
    assert collector.lost == []
    assert shipper.overdue() == []


def test_what_cannot_be_written_is_not_confirmed():
    shipper, _ = a_worker(turns=[1])

    assert not Collector("run-1", lambda name, lines: False).receive("a", shipper.pack())
    assert not Collector("run-2", lambda name, lines: True).receive("a", shipper.pack())
    assert Collector("run-1", lambda name, lines: True).receive("a", shipper.pack())
