"""A master: hands out callers, collects what its workers measured, ends the swarm in one piece."""

from collections.abc import Mapping
from time import monotonic, time_ns
from typing import Any

import gevent
import msgspec

from harness.arrivals import Report
from harness.money.ledger import Claim, Grant
from harness.sinks.tally import Tally
from harness.swarm.callers import CallerNumbers
from harness.swarm.desk import Order
from harness.swarm.display import BUSY
from harness.swarm.front import FrontStation
from harness.swarm.messages import (
    ANNOUNCEMENT,
    ARRIVALS,
    AWAY,
    BUDGET,
    CALLERS,
    CUT,
    FINAL,
    PARCEL,
    PROBE,
    READY,
    RECEIVED,
    TROUBLE,
    USERS,
)
from harness.swarm.recording import Recording
from harness.swarm.relay import KEY, Collector
from harness.swarm.roll import Roll
from harness.swarm.setup import Setup
from harness.swarm.silence import REPLACED_AFTER, USERS_UNKNOWN, WORKER_SILENT
from harness.swarm.spawning import Spawning
from harness.swarm.staff import Dispatcher
from harness.swarm.station import say, wait_until

__all__ = ["MasterStation"]

FINAL_LIMIT = WORKER_SILENT + 1.0  # seconds to wait for last parcels
READY_LIMIT = 5.0  # seconds for stopped workers to come back, so that they can be told to quit
PREPARE_LIMIT = 5.0  # seconds for forked workers to be ready, so that they can be told to quit


class MasterStation(FrontStation):
    """The process that workers answer to."""

    def __init__(self, environment: Any, web_ui: Any) -> None:
        super().__init__(environment, web_ui)
        self._numbers = CallerNumbers([])
        self._collector = Collector("", lambda name, lines: False)
        self._names: dict[str, str] = {}  # of workers, by client id
        self._roll = self._new_roll()
        self._given_up: set[str] = set()  # client ids of missing workers, whose users others have
        self._quitting: gevent.Greenlet[..., None] | None = None
        self._quit = self.runner.quit
        self.runner.quit = self.quit
        Spawning(self.runner)
        environment.dispatcher_class = Dispatcher
        for message, take in {
            READY: self._on_ready,
            FINAL: self._on_final,
            PARCEL: self._on_parcel,
            PROBE: self._on_probe,
            CALLERS: self._on_callers,
            BUDGET: self._on_budget,
            ARRIVALS: self._on_arrivals,
            AWAY: self._on_away,
            TROUBLE: self._on_trouble,
            USERS: self._on_users,
        }.items():
            self.runner.register_message(message, take)

    @property
    def dials(self) -> bool:
        """Forked workers dial from this host, with this environment."""
        return bool(self.options.processes)

    def refuse(self, reason: str) -> None:
        """Don't start, and let no forked worker wait for a master that is gone."""
        forked = self.options.processes or 0
        wait_until(lambda: len(self._names) >= forked, PREPARE_LIMIT)
        self._quit()
        super().refuse(reason)

    # A run.

    def begin_crowd(self, recording: Recording, setup: Setup) -> None:
        """Announce the run to the workers: it goes with Locust's own orders."""
        run = recording.directory.id
        self._numbers = CallerNumbers(self.kinds())

        def append(name: str, lines: bytes) -> bool:
            written = recording.append(name, lines)
            self.audience.onlookers.read(name, lines)
            return written

        self._collector = Collector(run, append)
        self._roll = self._new_roll()
        self._roll.begin(self._live())
        announcement = {"run": run, "given_hosts": self.gate.given_hosts}
        setattr(self.options, ANNOUNCEMENT, announcement)

    @property
    def _run(self) -> str | None:
        """The name of the run that is on, or being reported."""
        return self.recording.directory.id if self.recording is not None else None

    def _new_roll(self) -> Roll:
        began = monotonic()
        return Roll(self._names, lambda: monotonic() - began, say)

    def on_report(self, client_id: str, data: dict[str, Any]) -> None:
        """A worker reports: take what is ours."""
        if KEY in data:
            self._receive(client_id, data.pop(KEY))

    def _on_ready(self, environment: Any, msg: Any, **_: Any) -> None:
        self._names[msg.node_id] = msg.data["worker"]

    def _on_final(self, environment: Any, msg: Any, **_: Any) -> None:
        report = self.environment.events.worker_report
        report.fire(client_id=msg.node_id, data=msg.data)

    def _on_parcel(self, environment: Any, msg: Any, **_: Any) -> None:
        self._receive(msg.node_id, msg.data)

    def _receive(self, client_id: str, raw: dict[str, Any]) -> None:
        if self.recording is None or not self._collector.receive(client_id, raw):
            return  # the worker keeps it
        self._roll.heard(client_id)
        receipt = {"run": raw["run"], "number": raw["number"]}
        self.runner.send_message(RECEIVED, receipt, client_id)
        if self.recording.directory.run["anchors"] != self._collector.anchors:
            who = {"anchors": self._collector.anchors, "workers": self._collector.workers}
            self.recording.update(**who)

    def _on_probe(self, environment: Any, msg: Any, **_: Any) -> None:
        self.runner.send_message(PROBE, {**msg.data, "at": time_ns()}, msg.node_id)

    def _on_callers(self, environment: Any, msg: Any, **_: Any) -> None:
        if msg.data["run"] != self._run:
            return
        self._numbers.give_back(msg.node_id, msg.data.get("free", ()))
        if want := msg.data.get("want"):
            numbers = {kind: self._numbers.take(msg.node_id, kind, n) for kind, n in want.items()}
            self.runner.send_message(CALLERS, {"run": self._run, "numbers": numbers}, msg.node_id)

    def _on_budget(self, environment: Any, msg: Any, **_: Any) -> None:
        if msg.data["run"] == self._run and self.treasury is not None:
            self.treasury.receive(msg.node_id, msgspec.convert(msg.data["claim"], Claim))

    def grant(self, owner: str, grant: Grant) -> None:
        """Tell a worker what its callers may spend."""
        assert self.recording is not None
        said = {"run": self.recording.directory.id, "grant": msgspec.to_builtins(grant)}
        self.runner.send_message(BUDGET, said, owner)

    def user_counts(self) -> Mapping[str, int]:
        """How many users of each class the workers have."""
        return dict(self.runner.reported_user_classes_count)

    def users_there(self) -> int:
        """
        Those of workers that are heard.

        Of a silent one they may be gone; if not, nothing that is said here reaches them.
        """
        silent = self._roll.silent(USERS_UNKNOWN)
        heard = (client for name, client in self.runner.clients.items() if name not in silent)
        return sum(client.user_count for client in heard)

    def hand_out(self, worker: str, orders: list[Order]) -> None:
        """Hand due calls to the users of a worker."""
        if self.recording is not None:
            raw = [msgspec.structs.asdict(order) for order in orders]
            data = {"run": self.recording.directory.id, "orders": raw}
            self.runner.send_message(ARRIVALS, data, worker)

    def _on_arrivals(self, environment: Any, msg: Any, **_: Any) -> None:
        if self.exchange is not None and msg.data["run"] == self._run:
            self.exchange.hear(msg.node_id, msgspec.convert(msg.data["report"], Report))

    def _on_away(self, environment: Any, msg: Any, **_: Any) -> None:
        """A worker that was frozen has no users left: note whether others have them, tell all."""
        if msg.data["run"] == self._run:
            self.look_after_workers()
            self._roll.frozen(msg.node_id)
            gevent.spawn(self._start_after_ramp)

    def _start_after_ramp(self) -> None:
        while self.runner.state == "spawning":  # its steps tell every worker, but for the last
            gevent.sleep(0.05)
        self._start_again()

    def _on_trouble(self, environment: Any, msg: Any, **_: Any) -> None:
        self.abandon(f"{msg.data['worker']}: {msg.data['reason']}")

    def _on_users(self, environment: Any, msg: Any, **_: Any) -> None:
        """Locust's own count is as old as a worker's last report: too old to guard by."""
        self._roll.heard(msg.node_id)
        client = self.runner.clients.get(msg.node_id)
        if client is not None and client.state != "missing":
            client.user_classes_count = msg.data["user_classes_count"]

    def restore_users(self) -> None:
        """Let Locust tell every worker how many users it has."""
        gevent.spawn(self._start_again)

    def _start_again(self) -> None:
        runner = self.runner
        if runner.state == "running":
            runner.start(runner.target_user_count, runner.spawn_rate)

    def cut_leaving(self) -> None:
        """Let workers end the calls of users who are told to stop."""
        self.runner.send_message(CUT)

    def look_after_workers(self) -> None:
        """Take back what workers had that are gone; tell those that return."""
        live = self._live()
        changes = self._roll.look(live, self._collector.leaving)
        for client in changes.gone:
            self._numbers.lose(client)
            if self.treasury is not None:
                self.treasury.lose(client)
            if self.exchange is not None:
                self.exchange.lose(client)
        for client in changes.returned:
            self._numbers.lose(client)
            revoked = {"run": self._collector.run, "revoked": True}
            self.runner.send_message(CALLERS, revoked, client)
        self._replace_missing()

    def _replace_missing(self) -> None:
        """Give the users of a worker that does not come back to others, rebalancing or not."""
        given_up = {c.id for c in self.runner.clients.missing if c.heartbeat < -REPLACED_AFTER}
        if given_up - self._given_up:
            self.restore_users()
        self._given_up = given_up

    def end_crowd(self) -> dict[str, Any]:
        """Wait for the last parcel of every worker that lives."""
        setattr(self.options, ANNOUNCEMENT, None)
        wait_until(lambda: not self._collector.awaited(self._live()), FINAL_LIMIT)
        lost = self._collector.lost
        self._roll.close(lost)
        self._forget_missing()
        workers = self._collector.workers
        if lost and len(lost) == len(workers):
            self.abandon("no worker is left")
        return {
            "anchors": self._collector.anchors,
            "workers": workers,
            "lost_workers": sorted(map(self._roll.name, lost)),
            "roll": self._roll.entries,
        }

    def _forget_missing(self) -> None:
        """Else the run never stops in Locust's eyes: it waits for all its workers to be ready."""
        for client in self.runner.clients.missing:
            del self.runner.clients[client.id]

    def count(self) -> Tally:
        """What the workers counted in the run so far."""
        return self._collector.tally(self._live())

    def anchors(self) -> dict[str, dict[str, int]]:
        """Those of all workers that were ever heard."""
        return self._collector.anchors

    def workers(self) -> dict[str, int]:
        """How many workers are in which of Locust's states."""
        found: dict[str, int] = {"ready": 0, "spawning": 0, "running": 0, "missing": 0}
        for client in self.runner.clients.values():
            found[client.state] = found.get(client.state, 0) + 1
        return found

    def _live(self) -> set[str]:
        return {c.id for c in self.runner.clients.values() if c.state != "missing"}

    def _gone(self) -> set[str]:
        """Those that quit by themselves or are missing."""
        missing = set(self.runner.clients) - self._live()
        return self._collector.leaving | missing | set(self._collector.lost)

    # The end.

    def quit(self) -> None:
        """
        In place of Locust's ``MasterRunner.quit``, which waits half a second for its workers.

        Calls are ended and their records waited for first. May be called from any greenlet, also
        from the one that hears the workers, which must not wait.
        """
        hears_workers = gevent.getcurrent() in self.runner.greenlet
        if self._waits_for_workers and self._shutting_down is None:
            if hears_workers:
                return  # all have quit that were there: others are to come
            self.refuse("gave up waiting for workers: not all came that --expect-workers names")
        if self._quitting is None:
            self._quitting = gevent.spawn(self._drain)
        if not hears_workers:
            self._quitting.join()

    def end(self) -> None:
        """A test has stopped; maybe only since its last worker is gone, and Locust would stay."""
        all_quit = self._collector.leaving and not self._live()
        if self._quitting is None and self.recording is not None and all_quit:
            self.look_after_workers()
            self.recording.update(ended_early="all its workers quit")
        super().end()
        if self.options.headless:
            gevent.spawn(self.quit)

    def close_run(self) -> None:
        """Stop a run that is not over, with all workers, and wait until its report is made."""
        self.quit()

    def _drain(self) -> None:
        before = self._live()
        if self.runner.state in BUSY:
            self.runner.stop()
        self.end()
        if self._finishing is not None:
            self._finishing.join()
        # Only workers that are back from their stop are told to quit.
        wait_until(lambda: before <= self._live() | self._gone(), READY_LIMIT)
        self._quit()

    @property
    def _waits_for_workers(self) -> bool:
        """Whether Locust is to start by itself once they are there."""
        by_itself = self.options.headless or self.options.autostart
        return by_itself and not self.started and not self.trouble

    def interrupt(self) -> None:
        """Ctrl-C: end the calls, or no longer wait for workers."""
        self._stop_waiting()
        super().interrupt()

    def cut(self) -> None:
        """Ctrl-C once more: workers of other hosts hear of it from here."""
        super().cut()
        self.runner.send_message(CUT, {"all": True})

    def terminate(self) -> None:
        """SIGTERM, which Locust does not listen to yet: the same."""
        self._stop_waiting()
        super().terminate()

    def _stop_waiting(self) -> None:
        if self.options.headless and self._waits_for_workers:
            self.refuse("stopped before all workers were there")
