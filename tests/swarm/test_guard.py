import pytest

from harness.swarm.guard import Deed, OvershootGuard

NOTHING, RESTORE, CUT, ABORT = Deed


def watch(*looks, hearing_out=15.0):
    """Deeds of a look a second, each ``(users, target)`` or ``(users, target, spawning)``."""
    guard = OvershootGuard()
    deeds = [
        guard.look(
            float(second),
            users=look[0],
            target=look[1],
            spawning=len(look) > 2,
            hearing_out=hearing_out,
        )
        for second, look in enumerate(looks)
    ]
    return deeds, guard.longest


@pytest.mark.parametrize(
    ("looks", "deeds", "longest"),
    [
        ([(10, 30), (30, 30), (30, 30)], [NOTHING] * 3, 0.0),
        ([(30, 30), (45, 30), (30, 30)], [NOTHING, RESTORE, NOTHING], 1.0),
        ([(30, 30), (45, 30), (45, 30), (30, 30)], [NOTHING, RESTORE, CUT, NOTHING], 2.0),
        ([(31, 30)] * 8, [RESTORE, CUT, CUT, CUT, CUT, CUT, ABORT, ABORT], 7.0),
    ],
    ids=["never more", "a blink", "cut in time", "nothing helps"],
)
def test_users_over_a_steady_target_are_cut_and_then_the_run_is(looks, deeds, longest):
    assert watch(*looks) == (deeds, longest)


def test_after_the_target_fell_users_may_hear_their_answers_out():
    deeds, longest = watch((10, 10), *[(10, 5)] * 5, (5, 5), hearing_out=3.0)

    assert set(deeds) == {NOTHING}
    assert longest == 0.0


def test_who_stays_after_that_is_over_the_target():
    deeds, _ = watch((10, 10), *[(10, 5)] * 9, hearing_out=3.0)

    assert deeds[:7] == [NOTHING] * 7  # the target fell at 1 s; until 7 s they may hear it out
    assert deeds[7:] == [RESTORE, CUT, CUT]


def test_a_slow_ramp_down_takes_its_time():
    looks = [(10, 10), *[(n, 2, "spawning") for n in range(10, 1, -1)], (2, 2)]

    deeds, _ = watch(*looks, hearing_out=0.0)

    assert set(deeds) == {NOTHING}


def test_nobody_comes_in_addition_to_those_who_leave():
    deeds, _ = watch((10, 10), (10, 5), (15, 10), (15, 10), hearing_out=15.0)

    assert deeds == [NOTHING, NOTHING, RESTORE, CUT]


def test_moving_users_between_workers_is_no_excuse():
    deeds, _ = watch((30, 30), *[(45, 30, "spawning")] * 3)

    assert deeds == [NOTHING, RESTORE, CUT, CUT]
