import json

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Health, Session, Turn
from harness.sinks.tally import Tally
from harness.swarm.relay import Collector, Shipper


class Written(dict):
    """What a collector appended, by file."""

    def append(self, name, lines):
        self[name] = self.get(name, b"") + lines

    def turns(self):
        return [json.loads(line)["caller"] for line in self.get("turns.jsonl", b"").splitlines()]


def over_the_wire(parcel):
    """As Locust's messages carry it."""
    return msgpack.loads(msgpack.dumps(parcel), strict_map_key=False)


def a_worker(name="host-0", turns=()):
    tally = Tally()
    shipper = Shipper("run-1", name, tally)
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
    collector = Collector("run-1", lambda name, lines: None)
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
    assert collector.lost == ["host-1"]


def test_every_worker_has_its_clock_anchored(collector):
    shipper, _ = a_worker("host-0")
    collector.receive("a", over_the_wire(shipper.pack()))

    anchor = collector.anchors["host-0"]
    assert anchor.keys() == {"monotonic_ns", "time_ns"}
    (worker,) = collector.workers
    assert worker["worker"] == "host-0"
    assert worker["silent_s"] < 60
