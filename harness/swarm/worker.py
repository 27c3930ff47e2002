"""A worker: callers whose records and counts go to the master."""

import socket
from pathlib import Path
from signal import SIGTERM
from typing import Any

import gevent
import msgspec
from gevent import GreenletExit
from gevent.lock import RLock
from locust.runners import STATE_CLEANUP, STATE_INIT

from harness.money.ledger import Grant
from harness.sinks.tally import Tally
from harness.swarm.crowd import Crowd
from harness.swarm.desk import Order
from harness.swarm.kept import keep
from harness.swarm.listening import Listening
from harness.swarm.messages import (
    ANNOUNCEMENT,
    ARRIVALS,
    AWAY,
    BUDGET,
    CALLERS,
    CUT,
    FINAL,
    PROBE,
    READY,
    RECEIVED,
    TROUBLE,
    USERS,
)
from harness.swarm.ramp import open_ramp
from harness.swarm.relay import KEY
from harness.swarm.rows import LocustRows
from harness.swarm.setup import Setup, SetupError, warm_up
from harness.swarm.share import Share
from harness.swarm.silence import HASTE, LOOK, MASTER_SILENT, Finding, Watch, seconds
from harness.swarm.staff import count_leavers_as_gone
from harness.swarm.station import Station, say, wait_until
from harness.swarm.treasury import open_purse
from harness.swarm.web import MetricsServer, metrics_page

__all__ = ["WorkerStation"]

CONFIRM_LIMIT = 5.0  # seconds to wait until the master has the last records, before leaving
TELL = 0.5  # seconds between counts of users
TERMINATED = 128 + SIGTERM  # to a Kubernetes Job, 0 would be a worker that needs no replacement


class WorkerStation(Station):
    """One of the processes that carry the callers of a master's run."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._share: Share | None = None  # of the newest run
        self._stopping = RLock()
        self._stop_users = self.runner.stop
        self.runner.stop = self._stop
        Listening(self.runner)
        self._leaving = False
        self._watch = Watch(seconds())
        self._looks = gevent.get_hub().loop.timer(LOOK, LOOK)
        self._master_lost = False
        self._server: MetricsServer | None = None

    @property
    def name(self) -> str:
        """Unique in the swarm: the host, and the index that the master gave."""
        return f"{socket.gethostname()}-{self.runner.worker_index}"

    def prepare(self) -> None:
        """Listen to the master, and serve this process's own metrics if asked to."""
        count_leavers_as_gone(self.runner)
        warm_up(vars(self.options))
        self.runner.register_message(CALLERS, self._on_callers)
        self.runner.register_message(BUDGET, self._on_budget)
        self.runner.register_message(ARRIVALS, self._on_arrivals)
        self.runner.register_message(RECEIVED, self._on_received)
        self.runner.register_message(PROBE, self._on_probe)
        self.runner.register_message(CUT, self._on_cut)
        self._watch = Watch(seconds())
        self._looks.start(self._look)
        gevent.spawn(self._tell)
        self._serve_metrics()
        self.runner.send_message(READY, {"worker": self.name})
        if self.runner.worker_state != STATE_INIT and self._share is None and not self.trouble:
            self.begin()  # the order to spawn came before anybody listened to Locust's events

    # Messages.

    def _share_of(self, run: str) -> Share | None:
        return self._share if self._share is not None and self._share.run == run else None

    def _on_callers(self, environment: Any, msg: Any, **_: Any) -> None:
        if share := self._share_of(msg.data["run"]):
            if msg.data.get("revoked") and share.numbers.revoked():
                users = list(self.runner.user_greenlets)
                gevent.killall(users, block=False)
                self._begin_anew(users)
            share.numbers.arrived(msg.data.get("numbers", {}))

    def _on_received(self, environment: Any, msg: Any, **_: Any) -> None:
        if share := self._share_of(msg.data["run"]):
            share.shipper.confirm(msg.data["number"])

    def _on_probe(self, environment: Any, msg: Any, **_: Any) -> None:
        if share := self._share_of(msg.data["run"]):
            share.clock.answered(msg.data["sent"], msg.data["at"])

    def _on_budget(self, environment: Any, msg: Any, **_: Any) -> None:
        crowd = self.crowd
        if crowd is not None and crowd.run == msg.data["run"] and crowd.purse is not None:
            crowd.purse.hear(msgspec.convert(msg.data["grant"], Grant))

    def _on_arrivals(self, environment: Any, msg: Any, **_: Any) -> None:
        if share := self._share_of(msg.data["run"]):
            share.desk.arrived(msgspec.convert(msg.data["orders"], list[Order]))

    def _on_cut(self, environment: Any, msg: Any, **_: Any) -> None:
        if msg.data:
            self.cut()
        else:
            self.cut_leaving()

    def on_report(self, data: dict[str, Any]) -> None:
        """Locust reports to the master: add what is ours."""
        if self._share is not None and not self._share.ended:
            data[KEY] = self._share.shipper.pack()

    def _tell(self) -> None:
        """Tell the master what it must know sooner than by Locust's reports."""
        while True:
            gevent.sleep(TELL)
            if self._share is None:
                continue
            self._share.send_again()
            if not self._share.ended:
                counts = self.runner.user_classes_count
                self.runner.send_message(USERS, {"user_classes_count": counts})
                if self.crowd is not None and self.crowd.purse is not None:
                    self.crowd.purse.report()
                if self._share.desk.used:  # a master that took this worker for lost hears again
                    self._share.desk.tell()

    # A run.

    def begin(self) -> None:
        """The master starts a run: let users begin."""
        if self._leaving:
            return
        self._leave_run()
        announced = getattr(self.options, ANNOUNCEMENT, None)
        if announced is None:
            self.abandon("the master does not run realtime-harness")
            return
        try:
            setup = self.read_setup(list(announced["given_hosts"]))
        except SetupError as error:
            self.abandon(str(error))
            return
        self._share = Share(announced["run"], self.name, self.runner.send_message)
        self._share.announce()
        self.crowd = self._new_crowd(self._share, setup)
        self.crowd.begin()

    def _leave_run(self) -> None:
        """Be done with the run before, though its end may not have been heard of here."""
        if self.crowd is not None and self._share is not None and not self._share.ended:
            self.crowd.end()
            self._share.end()
        self._keep_rest()
        self.trouble, self.crowd, self._share = "", None, None

    def _new_crowd(self, share: Share, setup: Setup) -> Crowd:
        return Crowd(
            run=share.run,
            worker=self.name,
            setup=setup,
            numbers=share.numbers,
            desk=share.desk,
            sinks=[share.shipper, share.counting, LocustRows(self.environment.events.request)],
            users=lambda: int(self.runner.user_count),
            list_tools=share.counting.list_tools,
            abandon=self.abandon,
            keep=share.shipper.on_file,
            purse=open_purse(setup, share.claim),
            ramp=open_ramp(setup, share.counting.tally),
        )

    def _stop(self) -> None:
        """In place of Locust's: a signal and the master's word come together, the second waits."""
        with self._stopping:
            self._stop_users()

    def end(self) -> None:
        """All users have ended: report at once, Locust's next report may come too late."""
        # Else Locust sleeps as long once more before it tells the master that it is ready.
        self.environment.stop_timeout = 0
        share = self._share
        if self.crowd is None or share is None or share.ended:
            return
        self.crowd.end()
        share.end()
        report: dict[str, Any] = {KEY: share.shipper.pack(final=True, leaving=self._leaving)}
        client_id = self.runner.client_id
        self.environment.events.report_to_master.fire(client_id=client_id, data=report)
        self.runner.send_message(FINAL, report)

    def abandon(self, reason: str) -> None:
        """Tell the master that this worker can't go on, and why; once."""
        if not self.trouble:
            self.trouble = reason
            self.runner.send_message(TROUBLE, {"worker": self.name, "reason": reason})

    def shut_down(self) -> None:
        """Locust quits: end calls and ship what is left before it says goodbye to the master."""
        self._leaving = True
        self.runner.start_worker = _start_nobody
        if self._share is not None:
            if not self._share.ended:
                self.runner.stop()
            wait_until(self._is_free, CONFIRM_LIMIT)
        self._keep_rest()
        if self.environment.process_exit_code is None:
            self.environment.process_exit_code = (
                0  # failures of the target are the master's to tell
            )
        if self._server is not None:
            self._server.stop()

    def terminate(self) -> None:
        """SIGTERM, not the master's word: this worker's part is not done, its exit code says so."""
        if self.environment.process_exit_code is None:
            self.environment.process_exit_code = TERMINATED

    def _is_free(self) -> bool:
        """Whether nothing is to be waited for: all is delivered, or nobody listens any more."""
        listens = len(self.runner.greenlet) > 0 and not self._master_lost
        return self._share is None or self._share.shipper.delivered or not listens

    def _keep_rest(self) -> None:
        """Write to this host's disk what the master never confirmed."""
        share = self._share
        if share is None or share.shipper.delivered or not (rest := share.shipper.kept):
            return
        try:
            path = keep(Path(self.options.run_dir), share.facts(), rest)
        except OSError as error:
            say(f"{self.name}: records that the master did not get are lost: {error}")
            return
        say(f"{self.name}: the master did not get everything; the rest is in {path}")

    def on_heartbeat(self) -> None:
        """The master answers a heartbeat of this worker's."""
        self._watch.heard(seconds())

    def _look(self) -> None:
        """Look at the time, in the hub: after a freeze that comes before callers look at it."""
        # Locust's listener hears nothing while calls are heard out.
        match self._watch.look(seconds(), deaf=self.runner.state == STATE_CLEANUP):
            case Finding.FROZEN:
                self._wake()
            case Finding.MASTER_LOST:
                self._looks.stop()
                gevent.spawn(self._hang_up)

    def _wake(self) -> None:
        """Cut all calls before any caller takes what this process missed for the endpoint's."""
        users = list(self.runner.user_greenlets)
        for user in users:
            user.throw(GreenletExit)
        if users:
            say(f"{self.name}: was frozen for {MASTER_SILENT:g} s or more: its calls are cut")
            self._begin_anew(users)

    def _begin_anew(self, users: list[Any]) -> None:
        """Let the master say how many users there are here, once none of these is."""

        def ask() -> None:
            gevent.joinall(users)
            if self._share is not None:
                self.runner.send_message(AWAY, {"run": self._share.run})

        gevent.spawn(ask)

    def _hang_up(self) -> None:
        say(f"{self.name}: the master has been silent for {MASTER_SILENT:g} s: hanging up")
        self._master_lost = True
        self.environment.stop_timeout = HASTE
        self.environment.process_exit_code = 2
        self.runner.quit()

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
        return Tally() if self._share is None else self._share.counting.tally


def _start_nobody(user_classes_count: dict[str, int]) -> None:
    """In place of Locust's: the master may not know yet that this worker quits."""
