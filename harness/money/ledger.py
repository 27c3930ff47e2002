"""
A run's budget and who was granted how much of it. Pure.

Workers are granted amounts from which they pay turns without asking, and ask for more in time.
Every figure on the way is a total since the run began, so that a message that is late, lost or
comes twice does no harm, and nothing is granted twice.
"""

from collections.abc import Iterator

import msgspec

__all__ = ["NOTHING", "Claim", "Grant", "Ledger"]

NOTHING = 1e-9
"""USD: less is a rounding error."""

SHARE = 2  # of what is left, all workers together may be granted one part in so many beforehand


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has spent and would like; totals in USD."""

    number: int  # of its claims, from 1
    spent: float = 0.0
    reserved: float = 0.0  # for turns that run
    returned: float = 0.0  # of what it was granted
    needs: float = 0.0  # to have been granted, returned included: its turns wait for it
    wishes: float = 0.0  # to have been granted, so that the next turns need not wait
    tight: bool = False  # it knows that money is, and has returned what it does not need


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker may spend, and how things are."""

    granted: float = 0.0  # in total, USD
    tight: bool = False  # return what no turn waits for
    over: bool = False  # no turn begins any more


class _Account:
    """Of one worker."""

    def __init__(self) -> None:
        self.claim = Claim(number=0)
        self.granted = 0.0
        self.lost = False

    @property
    def held(self) -> float:
        """Granted and not returned."""
        return self.granted - self.claim.returned

    @property
    def taken(self) -> float:
        """What nobody else can have: a turn may cost more than was expected."""
        return max(self.held, 0.0 if self.lost else self.claim.spent + self.claim.reserved)

    @property
    def short(self) -> float:
        """What it needs beyond what it was granted."""
        return max(0.0, self.claim.needs - self.granted)

    @property
    def missing(self) -> float:
        """The same without what is gone already, since turns cost more than was granted."""
        return self.short - (self.taken - self.held)


class Ledger:
    """
    The budget of one run.

    Args:
        limit: USD.

    Attributes:
        over: The next turn does not fit any more: callers hang up.

    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.over = False
        self._tight = False
        self._accounts: dict[str, _Account] = {}

    def claim(self, owner: str, claim: Claim) -> dict[str, Grant]:
        """Take a worker's claim; return what is to be said to whom."""
        account = self._accounts.setdefault(owner, _Account())
        account.lost = False
        if claim.number > account.claim.number:
            account.claim = claim
        return self._decide(owner)

    def lose(self, owner: str) -> dict[str, Grant]:
        """A worker is gone: what it was granted is taken to be spent."""
        if owner not in self._accounts:
            return {}
        self._accounts[owner].lost = True
        return self._decide(owner)

    @property
    def spent(self) -> float:
        """USD of turns that have ended, and all that lost workers had."""
        return sum(a.held if a.lost else a.claim.spent for a in self._accounts.values())

    @property
    def reserved(self) -> float:
        """USD set aside for turns that run."""
        return sum(a.claim.reserved for a in self._live())

    @property
    def left(self) -> float:
        """USD that nobody was granted."""
        return self.limit - sum(a.taken for a in self._accounts.values())

    def _live(self) -> Iterator[_Account]:
        return (a for a in self._accounts.values() if not a.lost)

    def _decide(self, asking: str) -> dict[str, Grant]:
        before = {owner: self._grant(owner) for owner in self._accounts}
        for owner, account in self._accounts.items():
            if not account.lost:
                self._serve(account, ahead=owner == asking)
        if any(a.short > NOTHING for a in self._live()):
            self._tight = True
            self.over = self.over or self._exhausted
        after = {owner: self._grant(owner) for owner in self._accounts}
        # Whoever asks is answered: an answer may have been lost.
        return {
            owner: grant
            for owner, grant in after.items()
            if (owner == asking or grant != before[owner]) and not self._accounts[owner].lost
        }

    def _serve(self, account: _Account, *, ahead: bool) -> None:
        if account.missing > self.left + NOTHING:
            return
        account.granted += account.short
        wish = account.claim.wishes - account.granted
        if ahead and wish > 0 and not self._tight:
            workers = sum(1 for _ in self._live())
            account.granted += max(0.0, min(wish, self.left / (SHARE * workers)))

    @property
    def _exhausted(self) -> bool:
        """Whether nobody could go on, even if what runs now cost nothing."""
        if not all(a.claim.tight for a in self._live()):
            return False  # some may have more than they need
        most = self.left + self.reserved + NOTHING
        return all(a.missing > most for a in self._live() if a.short > NOTHING)

    def _grant(self, owner: str) -> Grant:
        return Grant(granted=self._accounts[owner].granted, tight=self._tight, over=self.over)
