import pytest

from harness.swarm.clock import Clock

MS = 1_000_000


@pytest.fixture
def now(monkeypatch):
    """The instant that both clocks of this host show, ns; the wall clock is 1 s ahead."""
    time = [5_000 * MS]
    monkeypatch.setattr("harness.swarm.clock.monotonic_ns", lambda: time[0])
    monkeypatch.setattr("harness.swarm.clock.time_ns", lambda: time[0] + 1_000 * MS)
    return time


def ask(clock, now, there, back, ahead):
    """A probe that takes ``there`` and ``back``, of a master that this clock is ahead of."""
    sent = clock.now()
    now[0] += there
    at = clock.now() - ahead
    now[0] += back
    clock.answered(sent, at)


def test_an_answer_halfway_tells_the_offset_exactly(now):
    clock = Clock()

    ask(clock, now, 2 * MS, 2 * MS, ahead=700 * MS)

    assert clock.anchor == {
        "monotonic_ns": 5_000 * MS,
        "time_ns": 6_000 * MS,
        "offset_ns": 700 * MS,
        "bound_ns": 2 * MS,
    }


@pytest.mark.parametrize(("there", "back"), [(0, 9 * MS), (9 * MS, 0), (1 * MS, 3 * MS)])
def test_the_truth_is_within_the_bound_however_the_way_is_divided(now, there, back):
    clock = Clock()

    ask(clock, now, there, back, ahead=-50 * MS)

    anchor = clock.anchor
    assert abs(anchor["offset_ns"] + 50 * MS) <= anchor["bound_ns"] == (there + back) // 2


def test_the_quickest_answer_counts(now):
    clock = Clock()

    for way in (8 * MS, 1 * MS, 30 * MS):
        ask(clock, now, way, way, ahead=5 * MS)

    assert clock.anchor["bound_ns"] == 1 * MS


def test_what_all_have_in_common_is_the_masters_clock(now):
    clock = Clock()
    before = clock.common()
    ask(clock, now, 2 * MS, 2 * MS, ahead=700 * MS)

    assert before == 6_000 * MS
    assert clock.common() == clock.now() - 700 * MS


def test_before_any_answer_the_offset_is_unknown(now):
    assert Clock().anchor == {"monotonic_ns": 5_000 * MS, "time_ns": 6_000 * MS}


def test_who_sets_the_wall_clock_does_not_move_it(now, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("harness.swarm.clock.time_ns", lambda: 0)
    now[0] += 3 * MS

    assert clock.now() == 6_003 * MS
