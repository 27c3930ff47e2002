import math

import pytest

from harness.stages import AT_ONCE, Stage, Stages, soak, spike, steady, steps


def over_time(stages, *seconds):
    return [stages.users_at(t) for t in seconds]


def test_a_steady_test_comes_up_at_its_rate_and_goes_on():
    stages = steady(40, rate=2)

    assert over_time(stages, 0, 5, 19.5, 20, 1e6) == [0, 10, 39, 40, 40]
    assert stages.duration == math.inf
    assert [stages.target_at(t) for t in (0, 19.9, 20, 1e6)] == [
        *[(40, 2.0)] * 2,
        *[(40, AT_ONCE)] * 2,
    ]


def test_steps_last_as_long_as_said_the_way_to_each_included():
    stages = steps([10, 20, 5], rate=2, seconds=60)

    assert over_time(stages, 2.5, 5, 59.9, 62.5, 65, 119.9) == [5, 10, 10, 15, 20, 20]
    assert over_time(stages, 123.75, 127.5, 179.9, 180) == [12.5, 5, 5, 0]
    assert stages.duration == 180
    assert stages.peak == 20


def test_whoever_carries_it_out_is_told_only_when_a_stage_begins():
    stages = steps([10, 20], rate=2, seconds=60)

    told = [stages.target_at(t / 4) for t in range(4 * 121)]

    changes = [a for a, b in zip(told, [None, *told], strict=False) if a != b]
    assert changes == [(10, 2.0), (10, AT_ONCE), (20, 2.0), (20, AT_ONCE), None]


def test_a_spike_is_sudden_both_ways_and_followed_by_as_much_calm():
    stages = spike(10, 110, rate=1, before=60, seconds=30)

    assert over_time(stages, 5, 10, 59.9, 61, 90.9, 92, 151.9) == [5, 10, 10, 110, 110, 10, 10]
    assert stages.target_at(60.5) == (110, AT_ONCE)
    assert stages.duration == pytest.approx(60 + 1 + 30 + 1 + 60)


def test_a_soak_ends_at_the_load_it_began_with():
    stages = soak(40, rate=2, seconds=3600)

    assert over_time(stages, 10, 20, 3580, 3590) == [20, 40, 40, 20]
    assert stages.target_at(3590) == (0, 2.0)
    assert stages.duration == 3600


@pytest.mark.parametrize(
    ("seconds", "last"),
    [
        (150, Stage(25, 20)),  # within a stage: cut
        (122.5, Stage(2.5, 15)),  # on the way: as far as it is then
        (120, Stage(60, 10)),
        (300, Stage(120, 20)),  # longer: the last stage goes on
    ],
)
def test_a_test_lasts_as_long_as_it_is_told_to(seconds, last):
    stages = steps([10, 10, 20], rate=2, seconds=60).lasting(seconds)

    assert stages.duration == pytest.approx(seconds)
    assert stages.stages[-1] == last


def test_without_a_time_a_test_is_as_planned():
    stages = steps([10], rate=2, seconds=60)

    assert stages.lasting(None) is stages
    assert steady(4, rate=1).lasting(10).duration == 10


def test_it_is_over_when_its_last_stage_is():
    stages = Stages((Stage(0, 5), Stage(1, 5)))

    assert stages.target_at(0) == (5, AT_ONCE)
    assert stages.target_at(1) is None
    assert stages.users_at(1) == 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: steps([10, 50], rate=1, seconds=30),
            "from 10 to 50 users at 1 a second takes 40 s, and a step lasts 30 s",
        ),
        (lambda: spike(30, 60, rate=1, before=20, seconds=5), "from 0 to 30 users"),
        (lambda: soak(100, rate=1, seconds=120), "need 100 s to come and as long to go"),
    ],
)
def test_what_cannot_be_reached_in_time_is_said_at_once(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_each_user_is_there_from_when_it_comes_until_it_goes():
    stages = Stages((Stage(2, 2), Stage(8, 2), Stage(0, 4), Stage(3, 4), Stage(2, 3), Stage(1, 3)))

    spans = sorted(stages.spans())

    assert spans == [(1, 16), (2, 16), (10, 15), (10, 16)]
