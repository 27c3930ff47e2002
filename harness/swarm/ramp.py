"""Lets callers of one process begin only as the endpoint's rate limits allow."""

from collections.abc import Callable, Sequence
from time import monotonic, monotonic_ns

import gevent
from gevent.lock import BoundedSemaphore

from harness.forecast import Assumed, forecast, talk_of
from harness.money.expected import usage_of
from harness.quota import Quotas
from harness.realtime.objects import RateLimit
from harness.records import Turn
from harness.sinks.tally import Tally
from harness.swarm.setup import Setup

__all__ = ["Ramp", "open_ramp"]

LOOK = 0.25  # seconds between looks whether there is room


class Ramp:
    """
    A queue of callers who are about to begin.

    Args:
        quotas: What is left, and what callers use.
        pause_s: Seconds between the turns of a caller, on average.
        tally: Where it is counted who waits, and for how long.

    """

    def __init__(self, quotas: Quotas, pause_s: float, tally: Tally) -> None:
        self._quotas = quotas
        self._pause_s = pause_s
        self._tally = tally
        self._first = BoundedSemaphore()  # only who is first in the queue looks

    def wait(self, stopping: Callable[[], bool]) -> None:
        """Wait until one more caller may begin, or is to stop."""
        if not self._first.locked() and self._quotas.let_in(monotonic_ns()):
            return
        began = monotonic()
        self._tally.change("callers_held", (), 1)
        try:
            with self._first:
                while not stopping() and not self._quotas.let_in(monotonic_ns()):
                    gevent.sleep(LOOK)
        finally:
            self._tally.change("callers_held", (), -1)
            self._tally.count("ramp_delay", (), monotonic() - began)

    def on_limits(self, limits: Sequence[RateLimit], at: int) -> None:
        """Take what the endpoint said is left, received ``at`` (ns)."""
        self._quotas.told(limits, at)

    def on_turn(self, turn: Turn) -> None:
        """Learn from a finished turn what callers use."""
        if not turn.response_ids or turn.usage is None:
            return
        instants = [at for at in turn.marks.values() if at is not None]
        lasted = (max(instants, default=turn.due_at) - turn.due_at) / 1e9
        self._quotas.used(
            tokens=turn.usage.get("total_tokens", 0),
            requests=len(turn.response_ids),
            turn_s=lasted + self._pause_s,
        )


def open_ramp(setup: Setup, tally: Tally) -> Ramp | None:
    """The ramp of a process; ``None`` if it heeds no rate limits."""
    workload = setup.workload
    if not workload.heed_rate_limits:
        return None
    planned = forecast(workload, setup.corpus, Assumed())
    first = usage_of(talk_of(workload, setup.corpus), 0, cached=False)
    quotas = Quotas(planned.turn_s, first["total_tokens"])
    return Ramp(quotas, workload.pause.mean, tally)
