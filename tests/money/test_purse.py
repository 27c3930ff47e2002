import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cost import load_prices
from harness.money.expected import Expected, Talk
from harness.money.ledger import Ledger
from harness.money.purse import Purse, Spending
from harness.records import Turn


class Costs:
    """What turns are expected to cost: always the same."""

    def __init__(self, usd):
        self._usd = usd
        self.learned = []

    def usd(self, number):
        return self._usd

    def learn(self, number, usd):
        self.learned.append((number, usd))


def alone(limit, usd=0.1):
    """A purse beside its ledger."""
    ledger = Ledger(limit)

    def tell(claim):
        for grant in ledger.claim("local", claim).values():
            purse.hear(grant)

    purse = Purse(Costs(usd), tell)
    return ledger, purse


def nobody():
    pass


def test_turns_are_paid_until_one_does_not_fit():
    ledger, purse = alone(1.0)
    for _ in range(10):
        purse.settle(purse.reserve(0, nobody), 0.1)

    ticket = purse.reserve(0, nobody)

    assert ticket.granted is False
    assert purse.over
    assert ledger.over
    assert (ledger.spent, ledger.reserved) == pytest.approx((1.0, 0.0))


def test_a_turn_is_reserved_before_it_starts():
    _, purse = alone(1.0, usd=0.3)
    first = purse.reserve(0, nobody)
    purse.settle(first, 0.3)
    running = [purse.reserve(0, nobody) for _ in range(2)]

    assert [ticket.granted for ticket in running] == [True, True]
    assert purse.reserve(0, nobody).granted is None
    assert purse.reserved == pytest.approx(0.6)


@pytest.mark.parametrize(("cost", "granted"), [(0.3, False), (0.1, True)])
def test_a_turn_that_does_not_fit_waits_for_what_the_others_leave(cost, granted):
    _, purse = alone(1.0, usd=0.3)
    running = [purse.reserve(0, nobody) for _ in range(3)]
    waiting = purse.reserve(0, nobody)
    assert waiting.granted is None

    for ticket in running:
        purse.settle(ticket, cost)

    assert waiting.granted is granted
    assert purse.over is not granted


def test_turns_that_cost_less_leave_room_for_more():
    _, purse = alone(1.0, usd=0.3)

    costs = []
    while (ticket := purse.reserve(0, nobody)).granted:
        purse.settle(ticket, 0.1)
        costs.append(0.1)

    assert 1.0 - 0.3 < sum(costs) + 1e-9 <= 1.0


def test_a_turn_without_usage_has_cost_what_was_expected():
    _, purse = alone(1.0)

    purse.settle(purse.reserve(0, nobody), None)

    assert purse.spent == pytest.approx(0.1)
    assert purse._expected.learned == []


def test_a_turn_that_waits_is_told_when_money_comes():
    sent, told = [], []
    purse = Purse(Costs(0.1), sent.append)
    ticket = purse.reserve(0, lambda: told.append("now"))
    assert ticket.granted is None
    ledger = Ledger(1.0)

    (grant,) = ledger.claim("a", sent[-1]).values()
    purse.hear(grant)

    assert ticket.granted
    assert told == ["now"]


def test_many_turns_are_paid_without_a_message():
    sent = []
    ledger = Ledger(1000.0)

    def tell(claim):
        sent.append(claim)
        for grant in ledger.claim("a", claim).values():
            purse.hear(grant)

    purse = Purse(Costs(0.1), tell)
    running = [purse.reserve(0, nobody) for _ in range(50)]
    before = len(sent)
    for _ in range(20):
        for ticket in running:
            purse.settle(ticket, 0.1)
        running = [purse.reserve(0, nobody) for _ in range(50)]

    assert len(sent) - before < 20 * 50 / 10


def test_turns_that_begin_at_once_ask_together():
    sent = []
    ledger, purse = Ledger(1000.0), Purse(Costs(0.1), sent.append)
    tickets = [purse.reserve(0, nobody) for _ in range(500)]
    assert len(sent) == 1

    while sent:
        (grant,) = ledger.claim("a", sent.pop()).values()
        purse.hear(grant)

    assert all(ticket.granted for ticket in tickets)


def test_a_claim_that_was_lost_is_made_again():
    sent = []
    ledger, purse = Ledger(1.0), Purse(Costs(0.1), sent.append)
    ticket = purse.reserve(0, nobody)
    sent.clear()

    purse.report()
    (grant,) = ledger.claim("a", sent[-1]).values()
    purse.hear(grant)

    assert ticket.granted


class Swarm:
    """Workers with callers, and a master; messages wait until somebody delivers them."""

    def __init__(self, limit, workers, expected=lambda: Costs(0.05)):
        self.ledger = Ledger(limit)
        self.inbox, self.post = [], []
        self.purses = {
            name: Purse(expected(), lambda claim, name=name: self.inbox.append((name, claim)))
            for name in workers
        }

    def deliver(self):
        while self.inbox or self.post:
            claims, self.inbox = self.inbox, []
            for name, claim in claims:
                self.post.extend(self.ledger.claim(name, claim).items())
            grants, self.post = self.post, []
            for name, grant in grants:
                self.purses[name].hear(grant)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_is_lost_late_or_doubled_no_more_is_granted_than_there_is(rng):
    swarm = Swarm(1.0, "abc")
    running = {name: [] for name in "abc"}
    for _ in range(400):
        name = rng.choice("abc")
        purse = swarm.purses[name]
        match rng.randrange(6):
            case 0 | 1:
                running[name].append(purse.reserve(0, nobody))
            case 2 if running[name]:
                ticket = running[name].pop(rng.randrange(len(running[name])))
                if ticket.granted:
                    purse.settle(ticket, 0.05)
                else:
                    purse.cancel(ticket)
            case 3 if swarm.inbox:
                name, claim = rng.choice(swarm.inbox)
                swarm.post.extend(swarm.ledger.claim(name, claim).items())
            case 4 if swarm.post:
                name, grant = rng.choice(swarm.post)
                swarm.purses[name].hear(grant)
            case 5 if rng.random() < 0.02:
                swarm.post.extend(swarm.ledger.lose(name).items())
        assert sum(p.spent + p.reserved for p in swarm.purses.values()) <= 1.0 + 1e-6


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("grows", [True, False], ids=["growing", "cached"])
@pytest.mark.parametrize("true_usd", [0.002, 0.01, 0.03], ids=["cheaper", "as known", "dearer"])
def test_a_swarm_spends_its_budget_to_within_a_tenth(seed, true_usd, grows):
    """20 callers on two workers; what a turn costs, and how it grows, is not known."""
    rng = random.Random(seed)
    talk = Talk(says_s=3, hears_s=6)
    known = Expected("gpt-realtime-2.1", load_prices(), talk)
    scale = true_usd / known.usd(0)
    swarm = Swarm(4.0, "ab", lambda: Expected("gpt-realtime-2.1", load_prices(), talk))
    callers = [{"worker": "ab"[i % 2], "number": 0, "ticket": None} for i in range(20)]

    for _ in range(100_000):
        caller = rng.choice(callers)
        purse, ticket = swarm.purses[caller["worker"]], caller["ticket"]
        if ticket is None:
            if purse.over:
                callers.remove(caller)
                if not callers:
                    break
                continue
            caller["ticket"] = purse.reserve(caller["number"], nobody)
        elif ticket.granted:
            usd = known.usd(caller["number"] if grows else 0) * scale * rng.uniform(0.5, 1.5)
            purse.settle(ticket, usd)
            caller["number"] = (caller["number"] + 1) % 8
            caller["ticket"] = None
        elif ticket.granted is False:
            caller["ticket"] = None
        if rng.random() < 0.5:
            swarm.deliver()

    for purse in swarm.purses.values():
        purse.report()
    swarm.deliver()
    assert not callers
    assert 0.9 * 4.0 <= swarm.ledger.spent <= 1.1 * 4.0
    assert swarm.ledger.reserved == pytest.approx(0.0)


def turn(number, usd=None, responses=1):
    return Turn(turn=number, cost_usd=usd, response_ids=["r"] * responses)


def test_each_turn_of_a_call_is_settled_by_what_it_cost():
    _, purse = alone(1.0)
    spending = Spending(purse, nobody)

    for number in range(2):  # the caller talks over the first answer
        assert spending.ask(number).granted
        spending.begun(turn(number))
    spending.ended(turn(0, usd=0.07))
    spending.ended(turn(1, responses=0))  # nobody answered: it costs nothing

    assert (purse.spent, purse.reserved) == pytest.approx((0.07, 0.0))


def test_what_nobody_asked_for_and_what_came_late_is_spent_too():
    _, purse = alone(1.0)
    spending = Spending(purse, nobody)

    spending.ended(turn(0, usd=0.02))
    spending.close(late_usd=0.03)

    assert purse.spent == pytest.approx(0.05)


def test_without_a_budget_every_turn_may_begin():
    spending = Spending(None, nobody)

    for number in range(3):
        assert spending.ask(number).granted
        spending.begun(turn(number))
        spending.ended(turn(number, usd=1e6))
    spending.close(late_usd=1e6)


def test_a_call_that_ends_keeps_nothing_reserved():
    _, purse = alone(1.0)
    spending = Spending(purse, nobody)
    spending.ask(0)
    spending.begun(turn(0))
    spending.ask(1)

    spending.close(late_usd=0.0)

    assert (purse.spent, purse.reserved) == pytest.approx((0.1, 0.0))


def test_a_purse_that_closes_says_what_was_spent_beyond_what_was_expected():
    ledger, purse = alone(1.0, usd=0.5)
    running = [purse.reserve(0, nobody) for _ in range(2)]
    for ticket in running:
        purse.settle(ticket, 0.7)

    purse.close()

    assert (ledger.spent, ledger.reserved) == pytest.approx((1.4, 0.0))


def test_a_purse_that_closes_returns_what_is_left():
    ledger, purse = alone(1.0)
    purse.settle(purse.reserve(0, nobody), 0.1)

    purse.close()

    assert ledger.left == pytest.approx(0.9)
    assert purse.reserve(0, nobody).granted is False
