"""What the callers of one process may spend, without asking anybody for each turn. Pure."""

from collections import deque
from collections.abc import Callable

from harness.money.expected import Expected
from harness.money.ledger import NOTHING, Claim, Grant
from harness.records import Turn

__all__ = ["Purse", "Spending", "Ticket"]


class Ticket:
    """What a turn is expected to cost, and whether it may; ``granted`` is ``None`` until then."""

    __slots__ = ("granted", "notify", "number", "usd")

    def __init__(self, number: int, usd: float, notify: Callable[[], None]) -> None:
        self.number = number
        self.usd = usd
        self.notify = notify
        self.granted: bool | None = None

    def decide(self, granted: bool) -> None:
        """Tell who waits for it."""
        self.granted = granted
        self.notify()


class Purse:
    """
    The money of one process.

    Args:
        expected: What turns cost.
        tell: Sends a claim to whoever grants; ``hear`` is told the answer.

    Attributes:
        over: No turn begins any more.
        spent: USD.
        reserved: USD set aside for turns that run.

    """

    def __init__(self, expected: Expected, tell: Callable[[Claim], None]) -> None:
        self.over = False
        self.spent = 0.0
        self.reserved = 0.0
        self._expected = expected
        self._tell = tell
        self._tight = False
        self._granted = 0.0
        self._returned = 0.0
        self._waiting: deque[Ticket] = deque()
        self._told = Claim(number=0)
        self._asked = False  # and not heard since

    def reserve(self, number: int, notify: Callable[[], None]) -> Ticket:
        """
        Set aside what a turn is expected to cost.

        Args:
            number: Of the turn in its session, from 0.
            notify: Called when it is decided, which may be at once.

        """
        ticket = Ticket(number, self._expected.usd(number), notify)
        self._waiting.append(ticket)
        self._go_on()
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """No turn comes of it."""
        if ticket.granted:
            self.reserved = max(0.0, self.reserved - ticket.usd)
        elif ticket in self._waiting:
            self._waiting.remove(ticket)
        self._go_on()

    def settle(self, ticket: Ticket, usd: float | None) -> None:
        """Its turn has ended, and has cost so much; ``None``: as expected, for all one knows."""
        self.reserved = max(0.0, self.reserved - ticket.usd)
        if usd is None:
            self.spent += ticket.usd
        else:
            self.spent += usd
            self._expected.learn(ticket.number, usd)
            self._estimate_anew()
        self._go_on()

    def charge(self, usd: float) -> None:
        """Something that nobody reserved for has cost so much."""
        self.spent += usd
        self._go_on()

    def hear(self, grant: Grant) -> None:
        """Take what was granted."""
        self._granted = max(self._granted, grant.granted)
        self._tight = self._tight or grant.tight
        self.over = self.over or grant.over
        self._asked = False
        self._go_on()

    def close(self) -> None:
        """No turn begins any more: return what is left, and say what was spent."""
        self.over = self._tight = True
        self._go_on()
        self.report()

    def report(self) -> None:
        """Say how things are: a message may have been lost."""
        self._claim(self._needs, self._wishes)

    @property
    def _free(self) -> float:
        return self._granted - self._returned - self.spent - self.reserved

    @property
    def _waited_for(self) -> float:
        return sum(ticket.usd for ticket in self._waiting)

    @property
    def _needs(self) -> float:
        return self.spent + self.reserved + self._returned + self._waited_for

    @property
    def _wishes(self) -> float:
        return self._needs + (0.0 if self._tight else self._ahead)

    @property
    def _ahead(self) -> float:
        """For one more turn of each caller who is in one."""
        return max(self.reserved + self._waited_for, self._expected.usd(0))

    def _go_on(self) -> None:
        """Decide what can be decided, ask for what is missing, return what is not needed."""
        while self._waiting and (self.over or self._waiting[0].usd <= self._free + NOTHING):
            ticket = self._waiting.popleft()
            self.reserved += 0.0 if self.over else ticket.usd
            ticket.decide(not self.over)
        if self._tight and not self._waiting and self._free > NOTHING:
            self._returned += self._free
            self._claim(self._needs, self._needs)
        elif not self._told.tight and self._tight:
            self._claim(self._needs, self._needs)
        elif self._waiting:
            more = self._needs - self._told.needs
            # What is short, and what may still come back, decides whether the run is over.
            back = self._told.reserved - self.reserved
            self._ask(more > NOTHING or (self._tight and max(abs(more), abs(back)) > NOTHING))
        else:
            low = not self._tight and self._free < self._ahead / 2
            self._ask(low and self._wishes > self._told.wishes + NOTHING)

    def _estimate_anew(self) -> None:
        for ticket in self._waiting:
            ticket.usd = self._expected.usd(ticket.number)

    def _ask(self, missing: bool) -> None:
        # Of many turns that begin at once the first one asks; an answer lets the next claim go.
        if missing and not self.over and not self._asked:
            self._asked = True
            self._claim(self._needs, self._wishes)

    def _claim(self, needs: float, wishes: float) -> None:
        self._told = Claim(
            number=self._told.number + 1,
            spent=self.spent,
            reserved=self.reserved,
            returned=self._returned,
            needs=needs,
            wishes=wishes,
            tight=self._tight,
        )
        self._tell(self._told)


class Spending:
    """
    What one call spends from a purse.

    Args:
        purse: Its process's; ``None``: it may cost what it will.
        notify: Wakes the caller.

    """

    def __init__(self, purse: Purse | None, notify: Callable[[], None]) -> None:
        self._purse = purse
        self._notify = notify
        self._next: Ticket | None = None  # of the turn that is about to begin
        self._running: dict[int, Ticket] = {}  # by turn

    def ask(self, number: int) -> Ticket:
        """Reserve for the next turn, the one of this number in its session."""
        self.drop()
        if self._purse is None:
            self._next = Ticket(number, 0.0, self._notify)
            self._next.granted = True
        else:
            self._next = self._purse.reserve(number, self._notify)
        return self._next

    def drop(self) -> None:
        """There is no next turn."""
        if self._next is not None and self._purse is not None:
            self._purse.cancel(self._next)
        self._next = None

    def begun(self, turn: Turn) -> None:
        """The next turn has begun."""
        if self._next is not None:
            self._running[turn.turn] = self._next
            self._next = None

    def ended(self, turn: Turn) -> None:
        """A turn has ended, with its cost if that is known; without a response it has none."""
        usd = turn.cost_usd if turn.response_ids else 0.0
        ticket = self._running.pop(turn.turn, None)
        if self._purse is None:
            return
        if ticket is not None:
            self._purse.settle(ticket, usd)
        elif usd:
            self._purse.charge(usd)

    def close(self, late_usd: float) -> None:
        """The session is over; some of what it cost was told only after its turns had ended."""
        self.drop()
        running, self._running = self._running, {}
        if self._purse is None:
            return
        for ticket in running.values():
            self._purse.settle(ticket, None)
        if late_usd:
            self._purse.charge(late_usd)
