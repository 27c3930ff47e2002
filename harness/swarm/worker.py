"""A worker: callers whose records and counts go to the master."""

import socket
import time
from typing import Any

import gevent
import msgspec
from locust.runners import STATE_CLEANUP

from harness.arrivals import Report
from harness.money.ledger import Claim, Grant
from harness.sinks.counting import CountingSink
from harness.sinks.tally import Tally
from harness.swarm.callers import RemoteNumbers
from harness.swarm.crowd import Crowd
from harness.swarm.desk import Desk, Order
from harness.swarm.messages import ARRIVALS, BUDGET, CALLERS, CUT, FINAL, READY, RUN, TROUBLE, USERS
from harness.swarm.ramp import open_ramp
from harness.swarm.relay import KEY, Shipper
from harness.swarm.rows import LocustRows
from harness.swarm.setup import SetupError, warm_up
from harness.swarm.station import Station, say
from harness.swarm.treasury import open_purse
from harness.swarm.web import MetricsServer, metrics_page

__all__ = ["WorkerStation"]

MASTER_SILENT = 10.0  # seconds without a heartbeat after which the master is lost
HEARTBEAT_LATE = 3.0  # seconds between looks for it: this process itself did not run
HASTE = 3.0  # seconds for running answers to end when it is


class WorkerStation(Station):
    """One of the processes that carry the callers of a master's run."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._announced: dict[str, Any] = {}
        self._shipper: Shipper | None = None
        self._numbers = RemoteNumbers(self._ask_for_callers, self._give_callers_back)
        self._desk = Desk(self._tell_arrivals)
        self._counting = CountingSink()
        self._ended = False
        self._leaving = False
        self._server: MetricsServer | None = None

    @property
    def name(self) -> str:
        """Unique in the swarm: the host, and the index that the master gave."""
        return f"{socket.gethostname()}-{self.runner.worker_index}"

    def prepare(self) -> None:
        """Listen to the master, and serve this process's own metrics if asked to."""
        warm_up(vars(self.options))
        self.runner.register_message(RUN, self._on_run)
        self.runner.register_message(CALLERS, self._on_callers)
        self.runner.register_message(BUDGET, self._on_budget)
        self.runner.register_message(ARRIVALS, self._on_arrivals)
        self.runner.register_message(CUT, self._on_cut)
        gevent.spawn(self._watch_master)
        gevent.spawn(self._tell_users)
        self._serve_metrics()
        self.runner.send_message(READY)

    # Messages.

    def _on_run(self, environment: Any, msg: Any, **_: Any) -> None:
        self._announced = dict(msg.data)

    def _on_callers(self, environment: Any, msg: Any, **_: Any) -> None:
        if msg.data["run"] == self._announced.get("run"):
            self._numbers.arrived(msg.data["numbers"])

    def _on_budget(self, environment: Any, msg: Any, **_: Any) -> None:
        crowd = self.crowd
        if crowd is not None and crowd.run == msg.data["run"] and crowd.purse is not None:
            crowd.purse.hear(msgspec.convert(msg.data["grant"], Grant))

    def _on_arrivals(self, environment: Any, msg: Any, **_: Any) -> None:
        if msg.data["run"] == self._announced.get("run"):
            self._desk.arrived(msgspec.convert(msg.data["orders"], list[Order]))

    def _tell_arrivals(self, report: Report) -> None:
        data = {"run": self._announced["run"], "report": msgspec.structs.asdict(report)}
        self.runner.send_message(ARRIVALS, data)

    def _on_cut(self, environment: Any, msg: Any, **_: Any) -> None:
        self.cut_leaving()

    def _claim(self, claim: Claim) -> None:
        said = {"run": self._announced["run"], "claim": msgspec.to_builtins(claim)}
        self.runner.send_message(BUDGET, said)

    def _ask_for_callers(self, n: int) -> None:
        self.runner.send_message(CALLERS, {"run": self._announced["run"], "want": n})

    def _give_callers_back(self, numbers: list[int]) -> None:
        self.runner.send_message(CALLERS, {"run": self._announced["run"], "free": numbers})

    def on_report(self, data: dict[str, Any]) -> None:
        """Locust reports to the master: add what is ours."""
        if self._shipper is not None:
            data[KEY] = self._shipper.pack(final=self._ended, leaving=self._leaving)

    # A run.

    def begin(self) -> None:
        """The master starts a run: let users begin."""
        if self.crowd is not None:
            self.crowd.end()  # a run that was lost with its master
        self.trouble, self.crowd, self._ended = "", None, False
        if not self._announced:
            self.abandon("the master does not run realtime-harness")
            return
        try:
            setup = self.read_setup(list(self._announced["given_hosts"]))
        except SetupError as error:
            self.abandon(str(error))
            return
        self._counting = CountingSink(self.name)
        self._numbers = RemoteNumbers(self._ask_for_callers, self._give_callers_back)
        self._desk = Desk(self._tell_arrivals)
        self._shipper = Shipper(self._announced["run"], self.name, self._counting.tally)
        self.crowd = Crowd(
            run=self._announced["run"],
            worker=self.name,
            setup=setup,
            numbers=self._numbers,
            desk=self._desk,
            sinks=[self._shipper, self._counting, LocustRows(self.environment.events.request)],
            users=lambda: int(self.runner.user_count),
            list_tools=self._counting.list_tools,
            abandon=self.abandon,
            keep=self._shipper.on_file,
            purse=open_purse(setup, self._claim),
            ramp=open_ramp(setup, self._counting.tally),
        )
        self.crowd.begin()

    def end(self) -> None:
        """All users have ended: report at once, Locust's next report may come too late."""
        # Else Locust sleeps as long once more before it tells the master that it is ready.
        self.environment.stop_timeout = 0
        if self.crowd is None or self._shipper is None:
            return
        self.crowd.end()
        report: dict[str, Any] = {}
        self._ended = True
        client_id = self.runner.client_id
        self.environment.events.report_to_master.fire(client_id=client_id, data=report)
        self.runner.send_message(FINAL, report)
        self._shipper = None

    def abandon(self, reason: str) -> None:
        """Tell the master that this worker can't go on, and why; once."""
        if not self.trouble:
            self.trouble = reason
            self.runner.send_message(TROUBLE, {"worker": self.name, "reason": reason})

    def shut_down(self) -> None:
        """Locust quits: end calls and ship what is left before it says goodbye to the master."""
        self._leaving = True
        if self._shipper is not None:
            self.runner.stop()
        if self.environment.process_exit_code is None:
            self.environment.process_exit_code = (
                0  # failures of the target are the master's to tell
            )
        if self._server is not None:
            self._server.stop()

    def _watch_master(self) -> None:
        heard = looked = time.time()
        while looked - heard < MASTER_SILENT:
            gevent.sleep(1.0)
            now = time.time()
            # Locust's listener hears nothing while calls are heard out; nor does a process that was
            # stopped itself.
            if self.runner.state == STATE_CLEANUP or now - looked > HEARTBEAT_LATE:
                heard = now
            heard = max(heard, self.runner.last_heartbeat_timestamp or 0.0)
            looked = now
        say(f"{self.name}: the master has been silent for {MASTER_SILENT:g} s: hanging up")
        self.environment.stop_timeout = HASTE
        self.environment.process_exit_code = 2
        self.runner.quit()

    def _tell_users(self) -> None:
        while True:
            gevent.sleep(1.0)
            if self._shipper is not None:
                counts = self.runner.user_classes_count
                self.runner.send_message(USERS, {"user_classes_count": counts})
                if self.crowd is not None and self.crowd.purse is not None:
                    self.crowd.purse.report()
                if self._desk.used:  # a master that took this worker for lost hears of it again
                    self._desk.tell()

    def _serve_metrics(self) -> None:
        if not self.options.metrics_port:
            return
        port = int(self.options.metrics_port)
        if self.options.processes:
            port += 1 + self.runner.worker_index
        try:
            self._server = MetricsServer(port, metrics_page(self._tally))
        except OSError as error:
            say(f"{self.name}: can't serve metrics on port {port}: {error.strerror or error}")

    def _tally(self) -> Tally:
        return self._counting.tally
