import pytest

from harness.money.ledger import Claim
from harness.options import OptionError
from harness.swarm.setup import read_setup
from harness.swarm.treasury import Treasury, open_purse

HOST = "ws://127.0.0.1:9"


class Kept:
    """A treasury, and what it said."""

    def __init__(self, limit):
        self.sent, self.concluded = [], []
        self.treasury = Treasury(
            limit, lambda owner, grant: self.sent.append((owner, grant)), self.concluded.append
        )

    def claim(self, number, **usd):
        self.treasury.receive("a", Claim(number=number, tight=True, **usd))
        self.treasury.look()


def test_a_run_is_ended_once_when_its_last_turns_have():
    kept = Kept(1.0)
    kept.claim(1, spent=0.5, reserved=0.4, needs=0.9)
    assert kept.sent[-1][1].granted == pytest.approx(0.9)

    kept.claim(2, spent=0.5, reserved=0.1, needs=1.2)
    assert kept.sent[-1][1].over
    assert kept.concluded == []

    for number in (3, 4):
        kept.claim(number, spent=0.93, needs=1.1)
        assert kept.concluded == ["the budget of 1 USD is spent"]


def test_a_turn_that_does_not_end_is_not_waited_for_without_end(monkeypatch):
    kept = Kept(1.0)
    kept.claim(1, spent=0.5, reserved=0.1, needs=1.2)
    assert kept.concluded == []

    monkeypatch.setattr("harness.swarm.treasury.LAST_TURNS", -1.0)
    kept.treasury.look()

    assert kept.concluded == ["the budget of 1 USD is spent"]


def test_a_lost_worker_is_no_longer_waited_for():
    kept = Kept(1.0)
    kept.claim(1, spent=0.5, reserved=0.1, needs=1.2)

    kept.treasury.lose("a")
    kept.treasury.look()

    assert kept.concluded == ["the budget of 1 USD is spent"]


def test_a_budget_that_is_less_than_a_turn_says_so():
    kept = Kept(0.001)

    kept.claim(1, needs=0.02)

    assert kept.concluded == ["the budget of 0.001 USD is less than a turn may cost"]


def test_money_is_shown_as_it_is_kept():
    kept = Kept(2.0)
    kept.claim(1, spent=0.4312, reserved=0.25, needs=0.6812)

    assert kept.treasury.shown == "0.431 of 2 USD"
    assert kept.treasury.gauges == {("limit",): 2.0, ("spent",): 0.4312, ("reserved",): 0.25}
    assert kept.treasury.facts == {"limit_usd": 2.0, "spent_usd": 0.4312, "reached": False}


def test_callers_pay_only_where_there_is_a_budget():
    def opened(**values):
        return open_purse(read_setup(values, [HOST], given_hosts=[HOST], environ={}), claims.append)

    claims = []
    assert opened() is None

    opened(max_cost="1").reserve(0, lambda: None)

    assert claims[0].needs > 0
    with pytest.raises((OptionError, ValueError), match="unpriced"):
        opened(max_cost="1", model="own")
