import pytest

from harness.swarm.roll import Roll


class Watch:
    """A roll of two workers, ``a`` and ``b``, and a clock of its own."""

    def __init__(self):
        self.now, self.said = 0.0, []
        self.names = {"a": "host-0", "b": "host-1"}
        self.roll = Roll(self.names, lambda: self.now, self.said.append)
        self.roll.begin({"a", "b"})

    def look(self, now, live, leaving=(), heard=""):
        self.now = now
        for client in heard:
            self.roll.heard(client)
        return self.roll.look(set(live), set(leaving))

    @property
    def entries(self):
        return [(entry["t"], entry["worker"], entry["change"]) for entry in self.roll.entries]


@pytest.fixture
def watch():
    return Watch()


def test_nothing_is_noted_of_workers_that_are_there_from_first_to_last(watch):
    assert watch.look(1, "ab") == (set(), set())
    assert watch.look(2, "ab") == (set(), set())
    assert watch.entries == []


def test_a_worker_is_missing_since_it_was_last_heard(watch):
    watch.look(7, "ab", heard="ab")

    assert watch.look(12, "a", heard="a").gone == {"b"}
    assert watch.look(13, "a").gone == set()

    assert watch.entries == [(7.0, "host-1", "missing")]
    assert watch.said == ["host-1 is missing, silent from 7.0 s after the run began"]


def test_a_worker_is_silent_while_it_is_not_heard(watch):
    watch.look(7, "ab", heard="a")
    assert watch.roll.silent(1.5) == {"b"}

    watch.look(8, "ab", heard="b")
    assert watch.roll.silent(1.5) == set()
    assert watch.roll.silent(1.0) == {"a"}


def test_a_worker_that_is_gone_is_not_silent(watch):
    watch.look(12, "a", heard="a")

    assert watch.roll.silent(1.5) == set()


def test_a_worker_that_returns_is_told_so_once(watch):
    watch.look(5, "a")

    assert watch.look(9, "ab").returned == {"b"}
    assert watch.look(10, "ab").returned == set()

    assert [entry[1:] for entry in watch.entries] == [("host-1", "missing"), ("host-1", "returned")]


def test_a_worker_may_go_missing_twice(watch):
    for now, live in enumerate(("a", "ab", "a", "ab")):
        watch.look(now, live)

    changes = [change for _, _, change in watch.entries]
    assert changes == ["missing", "returned", "missing", "returned"]


def test_a_worker_that_was_frozen_is_noted_though_nobody_missed_it(watch):
    watch.now = 7.5
    watch.roll.frozen("b")

    assert watch.entries == [(7.5, "host-1", "frozen")]
    assert watch.look(8, "ab") == (set(), set())


def test_a_worker_that_comes_late_has_joined(watch):
    watch.look(4, "abc")
    assert watch.entries == []  # it does not hear us yet

    watch.names["c"] = "host-2"
    watch.look(5, "abc")
    watch.look(6, "abc")

    assert watch.entries == [(5.0, "host-2", "joined")]


def test_a_worker_that_quits_by_itself_is_not_missing(watch):
    watch.look(3, "ab", leaving="b")
    watch.look(4, "a", leaving="b")

    assert watch.entries == [(3.0, "host-1", "quit")]


def test_at_the_end_it_is_noted_who_is_lost_and_since_when(watch):
    watch.look(6, "ab", heard="ab")

    watch.roll.close(["b"])

    assert watch.entries == [(6.0, "host-1", "lost")]
