"""A load test in one process: callers, records and everything that shows them."""

from typing import Any

from harness.arrivals import Report
from harness.money.ledger import Claim, Grant
from harness.sinks.counting import CountingSink
from harness.sinks.tally import Tally
from harness.swarm.callers import LocalNumbers
from harness.swarm.clock import Clock
from harness.swarm.crowd import Crowd
from harness.swarm.desk import Desk, Order
from harness.swarm.front import FrontStation
from harness.swarm.ramp import open_ramp
from harness.swarm.recording import Recording
from harness.swarm.rows import LocustRows
from harness.swarm.setup import Setup
from harness.swarm.staff import count_leavers_as_gone
from harness.swarm.treasury import open_purse

__all__ = ["LocalStation"]

NAME = "local"


class LocalStation(FrontStation):
    """The only process of a test."""

    dials = True

    def __init__(self, environment: Any, web_ui: Any) -> None:
        super().__init__(environment, web_ui)
        self._counting = CountingSink(NAME)
        self._desk = Desk(self._hear)
        self._anchor = Clock().anchor

    def prepare(self) -> None:
        """Check what can be checked, and open what serves."""
        count_leavers_as_gone(self.runner)
        self._stop_users, self.runner.stop = self.runner.stop, self._stop
        super().prepare()

    def _stop(self) -> None:
        """In place of Locust's, which leaves a test alone that is still to begin."""
        if self.beginning:
            self.runner.spawning_greenlet.kill()
        self._stop_users()

    def begin_crowd(self, recording: Recording, setup: Setup) -> None:
        """Let users of the run begin."""
        self._counting = CountingSink(NAME)
        self._desk = Desk(self._hear)
        self._anchor = Clock().anchor
        recording.update(anchors=self.anchors())
        self.crowd = Crowd(
            run=recording.directory.id,
            worker=NAME,
            setup=setup,
            numbers=LocalNumbers(self.kinds()),
            desk=self._desk,
            sinks=[
                recording,
                self._counting,
                LocustRows(self.environment.events.request),
                self.audience.onlookers,
            ],
            users=lambda: int(self.runner.user_count),
            list_tools=self._counting.list_tools,
            abandon=self.abandon,
            keep=recording.append,
            purse=open_purse(setup, self._claim),
            ramp=open_ramp(setup, self._counting.tally),
        )
        self.crowd.begin()

    def grant(self, owner: str, grant: Grant) -> None:
        """Tell the callers here what they may spend."""
        if self.crowd is not None and self.crowd.purse is not None:
            self.crowd.purse.hear(grant)

    def _claim(self, claim: Claim) -> None:
        if self.treasury is not None:
            self.treasury.receive(NAME, claim)

    def hand_out(self, worker: str, orders: list[Order]) -> None:
        """Hand due calls to the users here."""
        self._desk.arrived(orders)

    def _hear(self, report: Report) -> None:
        if self.exchange is not None:
            self.exchange.hear(NAME, report)

    def end_crowd(self) -> dict[str, Any]:
        """Record the last second; nothing else is on its way."""
        if self.crowd is not None:
            self.crowd.end()
        return {}

    def count(self) -> Tally:
        """What was counted in the run so far."""
        return self._counting.tally

    def anchors(self) -> dict[str, dict[str, int]]:
        """That of this process."""
        return {NAME: self._anchor}

    def workers(self) -> dict[str, int]:
        """This process, in the state of its runner."""
        return {self.runner.state: 1}

    def look_after_workers(self) -> None:
        """There are none but this: what its turns cost beyond what was reserved is told."""
        if self.crowd is not None and self.crowd.purse is not None:
            self.crowd.purse.report()

    def restore_users(self) -> None:
        """Locust starts and stops users of one process in the order in which it is told."""
