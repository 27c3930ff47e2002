"""A run's budget where it is kept, and the purses of processes that pay from it."""

from collections.abc import Callable
from time import monotonic
from typing import Any

from harness.cost import load_prices
from harness.forecast import talk_of
from harness.money.expected import Expected
from harness.money.ledger import NOTHING, Claim, Grant, Ledger
from harness.money.purse import Purse
from harness.sinks.tally import Labels
from harness.swarm.setup import Setup

__all__ = ["Treasury", "open_purse"]

LAST_TURNS = 60.0  # seconds that running turns have to end when nothing is left


def open_purse(setup: Setup, tell: Callable[[Claim], None]) -> Purse | None:
    """
    What the callers of this process pay from; ``None`` if they may spend what they will.

    Args:
        setup: What they do.
        tell: Sends a claim to the treasury.

    """
    workload = setup.workload
    if workload.max_cost is None:
        return None
    expected = Expected(
        workload.model,
        workload.prices or load_prices(),
        talk_of(workload, setup.corpus),
        workload.transcription,
    )
    return Purse(expected, tell)


class Treasury:
    """
    The budget of one run.

    Args:
        limit: USD.
        send: Sends a grant to the process of that name.
        conclude: Ends the run, for the reason given in one line.

    """

    def __init__(
        self, limit: float, send: Callable[[str, Grant], None], conclude: Callable[[str], None]
    ) -> None:
        self._ledger = Ledger(limit)
        self._send = send
        self._conclude = conclude
        self._over_since: float | None = None
        self._concluded = False
        self._paid = False  # whether anything was spent

    def receive(self, owner: str, claim: Claim) -> None:
        """Take what a process claims."""
        self._paid = self._paid or claim.spent > 0
        self._tell(self._ledger.claim(owner, claim))

    def lose(self, owner: str) -> None:
        """A process is gone, with all that it was granted."""
        self._tell(self._ledger.lose(owner))

    def look(self) -> None:
        """End the run when the money is spent and the last turns have ended."""
        if not self._ledger.over or self._concluded:
            return
        now = monotonic()
        if self._over_since is None:
            self._over_since = now
        if self._ledger.reserved <= NOTHING or now - self._over_since > LAST_TURNS:
            self._concluded = True
            what = "is spent" if self._paid else "is less than a turn may cost"
            self._conclude(f"the budget of {self._ledger.limit:g} USD {what}")

    @property
    def shown(self) -> str:
        """For people: ``0.431 of 1 USD``."""
        return f"{self._ledger.spent:.3g} of {self._ledger.limit:g} USD"

    @property
    def gauges(self) -> dict[Labels, float]:
        """By part, USD."""
        ledger = self._ledger
        parts = {"limit": ledger.limit, "spent": ledger.spent, "reserved": ledger.reserved}
        return {(name,): usd for name, usd in parts.items()}

    @property
    def facts(self) -> dict[str, Any]:
        """What ``run.json`` says of it."""
        ledger = self._ledger
        return {"limit_usd": ledger.limit, "spent_usd": ledger.spent, "reached": ledger.over}

    def _tell(self, grants: dict[str, Grant]) -> None:
        for owner, grant in grants.items():
            self._send(owner, grant)
