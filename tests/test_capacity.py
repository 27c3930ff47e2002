"""The search for a capacity, on crowds in virtual time."""

import pytest
from rundirs import answered
from searched import STARTED, World, crowd, shares

from bench.knee import knee
from harness.capacity import Plan, Search

EPOCH = STARTED


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("places", [4, 16])
def test_a_known_knee_is_found_within_a_tenth(places, seed):
    true = knee(lambda: crowd(places), 0.8, 0.05, 400)
    search = Search(shares(), Plan(start=4))

    World(crowd(places, seed), search).run()

    assert search.ended == "found"
    assert search.holds == pytest.approx(true, rel=0.1, abs=1)
    assert search.holds < search.breaks


def test_it_grows_then_halves_and_looks_for_recovery_after_each_step_that_broke():
    search = Search(shares(), Plan(start=8))

    World(crowd(16), search).run()

    kinds = [step.kind for step in search.steps]
    grown = [step.callers for step in search.steps if step.kind == "grow"]
    assert grown == [8 * 2**n for n in range(len(grown))]
    assert set(kinds[: len(grown)]) == {"grow"}
    for before, after in zip(search.steps, search.steps[1:], strict=False):
        assert (after.kind == "recover") == (before.holds is False)
    for step in search.steps:
        assert step.until - step.since >= 8 * 2  # fewer seconds tell nothing of their spread
        if step.kind == "recover":
            assert 0 < step.recovery_s < 120
        assert step.broke == ([] if step.holds else ["ttfa:p95<0.8s"])


def test_an_endpoint_that_carries_all_that_may_call_has_at_least_that():
    search = Search(shares(), Plan(start=10, most=30))

    World(crowd(100), search).run()

    assert (search.ended, search.holds, search.breaks) == ("most", 30, None)


def test_one_that_never_keeps_its_objective_carries_nobody():
    search = Search(shares("ttfa:p95<0.2s"), Plan(start=4))

    World(crowd(8), search).run()

    assert (search.holds, search.ended) == (0, "no recovery")


def test_callers_who_never_come_end_the_search():
    search = Search(shares(), Plan(start=4))
    world = World(crowd(8), search, come=False)

    assert world.run() == pytest.approx(90, abs=2)
    assert search.ended == "not reached"


def test_what_broke_is_named_by_the_evidence():
    search = Search(shares("ttfa:p95<0.8s; ttfa:p50<0.7s; ttfa:p90<60s"), Plan(start=64))

    World(crowd(4), search).run()

    assert set(search.steps[0].broke) == {"ttfa:p95<0.8s", "ttfa:p50<0.7s"}


def test_an_endpoint_is_given_time_to_recover():
    """For half a minute after the overload nobody is answered in time, however few call."""
    search, slow_until = Search(shares(), Plan(start=8)), []

    class Shaken(World):
        def _end(self, asked, caller, ttfa, now):
            if search.breaks and not slow_until:
                slow_until.append(now + 30)
            super()._end(asked, caller, 5.0 if now < (slow_until or [0])[0] else ttfa, now)

    Shaken(crowd(16), search).run()

    first = next(step for step in search.steps if step.kind == "recover")
    assert first.holds is True
    assert 30 < first.recovery_s < 80
    assert search.ended == "found"


def test_turns_before_all_have_settled_do_not_count():
    search = Search(shares(), Plan(start=4, settle=10))
    search.tick(EPOCH, 0)
    search.tick(EPOCH + 1, 4)
    for second in range(11):
        search.on_record(answered(ttfa=9.0, call=second), EPOCH + second, EPOCH + second)

    assert search.judged == 0
    search.on_record(answered(ttfa=9.0), EPOCH + 11, EPOCH + 12)
    assert search.judged == 1


def test_fast_turns_alone_prove_nothing_while_slow_ones_may_still_come():
    """Turns begun after one that took 30 s to end are not all there yet."""
    search = Search(shares(), Plan(start=4, settle=0))
    search.tick(EPOCH, 4)
    search.tick(EPOCH, 4)
    search.on_record(answered(ttfa=0.5), EPOCH, EPOCH + 30)
    for number in range(400):
        at = EPOCH + number / 10
        search.on_record(answered(ttfa=0.5, call=number), at, at + 2)

    search.tick(EPOCH + 40, 4)
    assert search.step.holds is None
    search.tick(EPOCH + 60, 4)
    assert search.steps[0].holds is True


def test_what_is_not_decided_in_time_goes_by_what_is_likelier():
    search = Search(shares("turns:failed<1%"), Plan(start=4, settle=0, longest=60))
    search.tick(EPOCH, 4)
    search.tick(EPOCH, 4)
    for number in range(30):
        search.on_record(answered(call=number), EPOCH + 2 * number, EPOCH + 2 * number)
    search.tick(EPOCH + 61, 4)

    assert (search.steps[0].holds, search.steps[0].decided) == (True, False)
