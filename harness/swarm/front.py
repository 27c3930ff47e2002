"""The process one talks to, a local or a master one: checks, records, serves and shows a run."""

from __future__ import annotations

import logging
import math
import sys
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
from gevent.event import Event

from harness.errors import CommandError
from harness.money.ledger import Grant
from harness.sinks.prometheus import Page
from harness.sinks.rundir import RunDirectory, RunDirectoryError
from harness.sinks.tally import Tally
from harness.streams import tell
from harness.swarm.audience import Audience
from harness.swarm.cli_options import safe_values
from harness.swarm.desk import Order
from harness.swarm.display import BUSY, Display
from harness.swarm.exchange import Exchange, open_exchange
from harness.swarm.gate import Gate
from harness.swarm.guard import LOOK, Deed, OvershootGuard
from harness.swarm.live import LiveView
from harness.swarm.recording import Recording, describe_run
from harness.swarm.setup import Setup, SetupError
from harness.swarm.station import Station, refuse, say
from harness.swarm.treasury import Treasury
from harness.swarm.voice_tab import add_voice_tab
from harness.swarm.web import (
    MetricsServer,
    add_metrics,
    check_start_form,
    keep_order,
    metrics_page,
    port_is_free,
)

__all__ = ["FrontStation"]


class FrontStation(Station):
    """
    What local and master processes have in common.

    A run begins with Locust's ``test_start`` and is over with ``test_stop``; then its last records
    are waited for and its report is made, in a greenlet that ``quitting`` waits for.

    Attributes:
        recording: The run that is on, or being reported.
        reported: The newest run that has a report.
        beginning: Whether a run is about to begin: it may wait for the one before to end.
        started: When it began, s of the monotonic clock.
        lasts: Seconds of it, as far as that is known.
        guard: Sees that there are never more users than asked for.
        treasury: Its budget, if there is one.
        exchange: What hands out calls of open arrivals, if there are any.
        audience: Who follows its records.

    """

    def __init__(self, environment: Any, web_ui: Any) -> None:
        super().__init__(environment)
        self.web_ui = web_ui
        self.gate = Gate(self, dials=self.dials)
        self.recording: Recording | None = None
        self.reported: Recording | None = None
        self._ended: Recording | None = None
        self._finishing: gevent.Greenlet[..., None] | None = None
        self._shutting_down: Any = None  # the greenlet that is at it
        self._servers: list[MetricsServer] = []
        self._users_max = 0
        self._watch: gevent.Greenlet[..., None] | None = None
        self.beginning = False
        self.started = 0.0
        self.lasts: float | None = None
        self.guard = OvershootGuard()
        self.treasury: Treasury | None = None
        self.exchange: Exchange | None = None
        self.audience = Audience(environment, self.anchors, self._give_up)
        self._display = Display(self)
        self._view = LiveView(self._display.progress)

    # What differs between a local process and a master.

    @property
    @abstractmethod
    def dials(self) -> bool:
        """Whether callers are here, or in processes forked from this one."""

    @abstractmethod
    def begin_crowd(self, recording: Recording, setup: Setup) -> None:
        """Let users of the run begin."""

    @abstractmethod
    def end_crowd(self) -> dict[str, Any]:
        """Wait for the last records; return what ``run.json`` is to say of the workers."""

    @abstractmethod
    def count(self) -> Tally:
        """What was counted in the run so far, here or by the workers."""

    @abstractmethod
    def anchors(self) -> Mapping[str, Mapping[str, int]]:
        """The clock anchor of each process with callers, by its name."""

    @abstractmethod
    def workers(self) -> dict[str, int]:
        """How many workers are in which state."""

    @property
    def accepting(self) -> bool:
        """Whether users may begin calls."""
        return self.runner.state in BUSY

    def user_counts(self) -> Mapping[str, int]:
        """How many users of each class there are."""
        return dict(self.runner.user_classes_count)

    def users_there(self) -> int:
        """How many users are known to be there."""
        return int(self.runner.user_count)

    @abstractmethod
    def hand_out(self, worker: str, orders: list[Order]) -> None:
        """Hand due calls of open arrivals to a worker."""

    @abstractmethod
    def look_after_workers(self) -> None:
        """Called every ``LOOK`` seconds while users may begin calls."""

    @abstractmethod
    def grant(self, owner: str, grant: Grant) -> None:
        """Tell the callers of a process what they may spend."""

    @abstractmethod
    def restore_users(self) -> None:
        """There are more users than asked for: distribute those asked for once more."""

    # Before anything runs.

    def prepare(self) -> None:
        """Check what can be checked, and open what serves; exits with one line if it can't be."""
        self._quiet_locust()
        try:
            self._check_web_port()
            self.audience.check(self.options.slo)
            self.gate.open()
            self._serve(metrics_page(self._display.tally))
        except (ValueError, RunDirectoryError, CommandError) as error:
            self.refuse(str(error))

    def _quiet_locust(self) -> None:
        """Leave out Locust's tables, which our own view and summary replace, unless asked for."""
        options = self.options
        if options.print_stats:
            return
        if not options.only_summary:
            logging.getLogger("locust.stats_logger").disabled = True
        options.only_summary = True

    def refuse(self, reason: str) -> None:
        """Don't start: one line, exit code 2, nothing left running."""
        self.gate.close()
        refuse(reason)

    def _check_web_port(self) -> None:
        web_ui = self.web_ui
        if web_ui is not None and not port_is_free(web_ui.host, web_ui.port):
            raise SetupError(f"port {web_ui.port} is taken: choose another with --web-port")

    def _serve(self, page: Page) -> None:
        if self.web_ui is not None:
            check_start_form(self.web_ui, self._check_form)
            keep_order(self.web_ui)
            add_metrics(self.web_ui, page)
            add_voice_tab(self.web_ui, self._display)
        if self.options.metrics_port:
            port = int(self.options.metrics_port)
            try:
                self._servers.append(MetricsServer(port, page))
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                message = f"can't serve metrics on port {port}: {reason}; choose another"
                raise SetupError(message) from None

    def _check_form(self, posted: Mapping[str, Any]) -> None:
        self.audience.check(posted.get("slo"))
        self.gate.check_form(posted, running=self.recording is not None)

    # A run.

    def begin(self) -> None:
        """A test starts: make its directory, let callers begin."""
        self.beginning = True
        try:
            self._begin()
        finally:
            self.beginning = False

    def _begin(self) -> None:
        while self.recording is not None and self._finishing is None:
            gevent.sleep(0.05)  # its calls are heard out
        if self._finishing is not None:
            self._finishing.join()
        self.trouble = ""
        self.environment.process_exit_code = 2  # until a report has judged it
        try:
            setup = self.gate.read_setup()
            self.recording = self._record(setup)
        except (SetupError, RunDirectoryError) as error:
            self.abandon(str(error))
            return
        self.started = monotonic()
        self._users_max = self.runner.target_user_count
        self.guard = OvershootGuard()
        limit = setup.workload.max_cost
        self.treasury = Treasury(limit, self.grant, self._give_up) if limit else None
        self.exchange = open_exchange(self, setup)
        self.audience.begin(setup.workload)
        self.begin_crowd(self.recording, setup)
        self._watch = gevent.spawn(self._watch_users)
        self._view.start()

    def _give_up(self, reason: str) -> None:
        """End a run early; it is judged as any other."""
        say(f"ending: {reason}")
        if self.recording is not None:
            self.recording.update(ended_early=reason)
        gevent.spawn(self.runner.quit if self.options.headless else self.runner.stop)

    def end(self) -> None:
        """A test has stopped: close its run, in a greenlet."""
        if self.recording is not None and self._finishing is None:
            self._finishing = gevent.spawn(self._finish, self.recording)

    def abandon(self, reason: str) -> None:
        """End a run that can't go on; once."""
        if self.trouble:
            return
        self.trouble = reason
        say(reason)
        gevent.spawn(self.runner.quit if self.options.headless else self.runner.stop)

    def shut_down(self) -> None:
        """Locust quits: end the run as if it had been stopped, and take its exit code."""
        me = gevent.getcurrent()
        if self._shutting_down not in (None, me):
            Event().wait()  # another greenlet is at it, and will end this process
        self._shutting_down = me
        self.close_run()
        for server in self._servers:
            server.stop()
        self.gate.close()

    def interrupt(self) -> None:
        """Ctrl-C: end the calls."""
        if self.recording is not None:
            limit = f"{self.environment.stop_timeout:g} s"
            say(f"ending the calls within {limit}; Ctrl-C once more cuts them short")
        super().interrupt()

    def terminate(self) -> None:
        """SIGTERM: end the calls, as long as Locust itself does not listen to it."""
        shape = self.runner.shape_greenlet
        if self.options.headless and (not self.started or (shape is not None and not shape.dead)):
            super().interrupt()

    def close_run(self) -> None:
        """Stop a run that is not over, and wait until its report is made."""
        if self.recording is not None and self._finishing is None:
            self.runner.stop()
        if self._finishing is not None:
            self._finishing.join()

    def _record(self, setup: Setup) -> Recording:
        run = describe_run(
            options=safe_values(vars(self.options)),
            target=setup.targets,
            paid=setup.paid,
            load=self._load(),
            truth=self.gate.simulator.log if self.gate.simulator else None,
        )
        directory = RunDirectory.create(Path(self.options.run_dir), run)
        return Recording(directory, self.abandon)

    def _load(self) -> dict[str, Any]:
        options, environment, plan = self.options, self.environment, self.gate.plan()
        planned = plan is not None and math.isfinite(plan.duration)
        self.lasts = plan.duration if plan and planned else options.run_time
        return {
            "locustfile": environment.locustfile,
            "user_classes": [cls.__name__ for cls in environment.user_classes],
            "users": options.num_users if plan is None else plan.peak,
            "spawn_rate": options.spawn_rate,
            "run_time_s": self.lasts,
            "stop_timeout_s": environment.stop_timeout,
        }

    def _watch_users(self) -> None:
        while True:
            gevent.sleep(LOOK)
            self._users_max = max(self._users_max, self.runner.target_user_count)
            if self.runner.state in BUSY:
                self.look_after_workers()
                self._guard_users()
                self.audience.look()
                if self.treasury is not None:
                    self.treasury.look()

    def _guard_users(self) -> None:
        runner = self.runner
        users, target = self.users_there(), runner.target_user_count
        deed = self.guard.look(
            monotonic(),
            users=users,
            target=target,
            spawning=runner.state == "spawning",
            hearing_out=self.environment.stop_timeout,
        )
        if deed is Deed.RESTORE:
            say(f"{users} users instead of {target}: those who leave hear nothing out")
            self.restore_users()
        elif deed is Deed.CUT:
            self.cut_leaving()
        elif deed is Deed.ABORT:
            self.abandon(f"{users} users instead of {target}, whatever was done about it")

    def _finish(self, recording: Recording) -> None:
        facts = self.end_crowd()
        if self.exchange is not None:
            self.exchange.stop()
            facts["arrivals"] = self.exchange.facts
        if self._watch is not None:
            self._watch.kill()
        self._view.stop()
        say("making the report")
        recording.finish(
            users_max=self._users_max,
            over_target_s=self.guard.longest,
            trouble=self.trouble or None,
            ramp_delay_s=math.fsum(self.count().counters.get("ramp_delay", {}).values()),
            budget=self.treasury.facts if self.treasury else None,
            **facts,
        )
        if not self.trouble:
            self.environment.process_exit_code = recording.exit_code
        if recording.summary is not None:
            self.reported = recording
        self.recording, self._finishing = None, None
        self._ended = recording
        if not self.options.headless:
            self.conclude()

    def conclude(self) -> None:
        """Say how the last run ended; once."""
        ended, self._ended = self._ended, None
        if ended is None:
            return
        if ended.headline:
            # Whoever asked for Locust's figures as JSON reads stdout by machine.
            out = sys.stderr if self.options.json else sys.stdout
            tell(f"\n{ended.headline}", out)
        if ended.trouble:
            say(f"{ended.trouble}; what was measured is in {ended.directory.path}")
        elif not (ended.summary or {}).get("turns"):
            say("no turn began: nothing was measured")
