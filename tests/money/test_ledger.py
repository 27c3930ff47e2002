import pytest

from harness.money.ledger import Claim, Grant, Ledger


def claims(number, **usd):
    return Claim(number=number, **usd)


def test_what_turns_need_is_granted_and_some_beforehand():
    ledger = Ledger(1.0)

    said = ledger.claim("a", claims(1, needs=0.1, wishes=0.3))

    assert said == {"a": Grant(granted=pytest.approx(0.3))}
    assert ledger.left == pytest.approx(0.7)


def test_beforehand_all_workers_together_are_granted_half_of_what_is_left():
    ledger = Ledger(1.0)
    ledger.claim("a", claims(1, needs=0.0, wishes=9.0))

    said = ledger.claim("b", claims(1, needs=0.0, wishes=9.0))

    assert said["b"].granted == pytest.approx(0.5 / 4)


def test_a_message_that_comes_twice_or_late_changes_nothing():
    ledger = Ledger(1.0)
    first, second = claims(1, needs=0.1, wishes=0.1), claims(2, needs=0.2, wishes=0.2)

    ledger.claim("a", second)
    for late in (second, first, second):
        said = ledger.claim("a", late)

    assert said["a"].granted == pytest.approx(0.2)
    assert ledger.left == pytest.approx(0.8)


def test_what_a_turn_cost_beyond_what_was_expected_is_nobody_elses():
    ledger = Ledger(1.0)
    ledger.claim("a", claims(1, needs=0.1))

    ledger.claim("a", claims(2, needs=0.1, spent=0.4, reserved=0.1))

    assert ledger.left == pytest.approx(0.5)


def test_a_lost_worker_has_spent_all_it_was_granted():
    ledger = Ledger(1.0)
    ledger.claim("a", claims(1, spent=0.1, needs=0.3, wishes=0.3))

    ledger.lose("a")

    assert (ledger.spent, ledger.reserved, ledger.left) == pytest.approx((0.3, 0.0, 0.7))


def test_a_worker_that_comes_back_goes_on_where_it_was():
    ledger = Ledger(1.0)
    ledger.claim("a", claims(1, spent=0.1, needs=0.3, wishes=0.3))
    ledger.lose("a")

    ledger.claim("a", claims(2, spent=0.2, needs=0.3, wishes=0.3))

    assert (ledger.spent, ledger.left) == pytest.approx((0.2, 0.7))


def test_before_a_turn_is_refused_the_others_return_what_they_do_not_need():
    ledger = Ledger(1.0)
    ledger.claim("a", claims(1, spent=0.3, needs=0.3, wishes=0.5))
    ledger.claim("b", claims(1, spent=0.2, needs=0.5, wishes=0.5))

    said = ledger.claim("b", claims(2, spent=0.5, needs=0.7, tight=False))
    assert said["a"].tight
    assert not said["a"].over

    ledger.claim("b", claims(3, spent=0.5, needs=0.7, tight=True))
    said = ledger.claim("a", claims(2, spent=0.3, needs=0.5, returned=0.2, tight=True))
    assert said["b"] == Grant(granted=pytest.approx(0.7), tight=True)
    assert not ledger.over


def test_a_turn_that_fits_nowhere_ends_the_run_for_all():
    ledger = Ledger(1.0)
    ledger.claim("a", claims(1, spent=0.5, needs=0.5, tight=True))

    said = ledger.claim("b", claims(1, spent=0.4, needs=0.6, tight=True))

    assert ledger.over
    assert said["a"].over
    assert said["b"].over


def test_nobody_waits_for_a_lost_worker_to_return_anything():
    ledger = Ledger(1.0)
    ledger.claim("a", claims(1, spent=0.5, needs=0.9))
    ledger.claim("b", claims(1, spent=0.0, needs=0.2, tight=True))
    assert not ledger.over

    said = ledger.lose("a")

    assert ledger.over
    assert said.keys() == {"b"}


def test_a_turn_waits_while_others_may_cost_less_than_expected():
    ledger = Ledger(1.0)
    ledger.claim("a", claims(1, reserved=0.9, needs=0.9, tight=True))

    ledger.claim("a", claims(2, reserved=0.9, needs=1.2, tight=True))
    assert not ledger.over

    ledger.claim("a", claims(3, spent=0.1, needs=0.4, tight=True))
    assert not ledger.over

    ledger.claim("a", claims(4, spent=0.8, needs=1.1, tight=True))
    assert ledger.over


def test_a_budget_too_small_for_the_first_turn_is_over_at_once():
    ledger = Ledger(0.001)

    ledger.claim("a", claims(1, needs=0.01, tight=True))

    assert ledger.over
