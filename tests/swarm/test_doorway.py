import pytest

from harness.swarm.doorway import APART_S, Doorway


@pytest.fixture
def slept():
    return []


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def doorway(slept, clock):
    return Doorway(now=lambda: clock[0], sleep=slept.append)


def test_callers_who_come_at_once_go_through_one_after_the_other(doorway, slept):
    for _ in range(4):
        doorway.enter()

    assert slept == pytest.approx([APART_S, 2 * APART_S, 3 * APART_S])


def test_who_comes_alone_does_not_wait(doorway, slept, clock):
    for _ in range(3):
        doorway.enter()
        clock[0] += APART_S

    assert slept == []


def test_what_was_waited_for_is_over_once_the_door_is_free(doorway, slept, clock):
    doorway.enter()
    doorway.enter()
    clock[0] += 1.5 * APART_S
    doorway.enter()

    assert slept == pytest.approx([APART_S, 0.5 * APART_S])
