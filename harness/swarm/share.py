"""A worker's share of one run: its callers' numbers, its counts and clock, its records."""

import os
import socket
from collections.abc import Callable
from typing import Any

import gevent
import msgspec

from harness.arrivals import Report
from harness.money.ledger import Claim
from harness.sinks.counting import CountingSink
from harness.swarm.callers import RemoteNumbers
from harness.swarm.clock import Clock, probe
from harness.swarm.desk import Desk
from harness.swarm.messages import ARRIVALS, BUDGET, CALLERS, PARCEL, PROBE
from harness.swarm.relay import Shipper

__all__ = ["Share"]


class Share:
    """
    What a worker has of a run, from its first user until the master has the last record.

    Args:
        run: The run's name.
        worker: This process's.
        send: Sends the master a message: its name, and what it carries.

    """

    def __init__(self, run: str, worker: str, send: Callable[[str, dict[str, Any]], None]) -> None:
        self.run = run
        self.worker = worker
        self.counting = CountingSink(worker)
        self.clock = Clock()
        self.shipper = Shipper(run, worker, self.counting.tally, lambda: self.clock.anchor)
        self.numbers = RemoteNumbers(
            lambda wanted: send(CALLERS, {"run": run, "want": wanted}),
            lambda numbers: send(CALLERS, {"run": run, "free": numbers}),
        )
        self.desk = Desk(self._tell_arrivals, self.clock.common)
        self.ended = False
        self._send = send
        self._probing = gevent.spawn(
            probe, lambda: send(PROBE, {"run": run, "sent": self.clock.now()})
        )

    def claim(self, claim: Claim) -> None:
        """Ask for money."""
        self._send(BUDGET, {"run": self.run, "claim": msgspec.to_builtins(claim)})

    def _tell_arrivals(self, report: Report) -> None:
        self._send(ARRIVALS, {"run": self.run, "report": msgspec.structs.asdict(report)})

    def announce(self) -> None:
        """Let the master know that this worker takes part, so that it waits for its records."""
        self._send(PARCEL, self.shipper.pack())

    def send_again(self) -> None:
        """Send what the master should have confirmed by now."""
        for parcel in self.shipper.overdue():
            self._send(PARCEL, parcel)

    def end(self) -> None:
        """All its users have ended."""
        self.ended = True
        self._probing.kill()

    def facts(self) -> dict[str, Any]:
        """What is known of it where the master's ``run.json`` is not."""
        return {
            "run": self.run,
            "worker": self.worker,
            "anchors": {self.worker: self.clock.anchor},
            "workers": [{"worker": self.worker, "host": socket.gethostname(), "pid": os.getpid()}],
            "whole": self.ended,
        }
