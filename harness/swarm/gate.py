"""What is asked before any load starts: the options, whom to call, whether they answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.simulator.process import SimulatorProcess
from harness.sinks.rundir import check_writable
from harness.stages import Stages
from harness.swarm.cli_options import check_values
from harness.swarm.embedded import embedded_simulator
from harness.swarm.preflight import probe_targets
from harness.swarm.setup import Setup, SetupError
from harness.swarm.shapes import PlannedShape
from harness.swarm.station import Station, say

__all__ = ["Gate"]

logger = logging.getLogger("harness")


class Gate:
    """
    The checks of a local or master process.

    Args:
        station: That process.
        dials: Whether callers are in it, or in processes forked from it.

    Attributes:
        given_hosts: Whom to call, as known at start: keys go to no others.
        simulator: The embedded one, if nobody was named.

    """

    def __init__(self, station: Station, *, dials: bool) -> None:
        self._station = station
        self._dials = dials
        self.given_hosts: list[str] = []
        self.simulator: SimulatorProcess | None = None

    def open(self) -> None:
        """
        Check what is known at start; call the embedded simulator if nobody was named.

        Raises:
            ValueError: If the options or the target make no sense.
            RunDirectoryError: If no run can be recorded.
            CommandError: If the simulator does not start.

        """
        options = self._station.options
        self._check(vars(options))
        check_writable(Path(options.run_dir))
        self.given_hosts = self._station.hosts() or self._call_simulator()
        if not self.given_hosts:
            return
        setup = self.read_setup()
        for notice in setup.notices:
            say(notice)
        if self._starts_by_itself and self._dials and self.simulator is None:
            probe_targets(setup)

    def check_form(self, posted: Mapping[str, Any], *, running: bool) -> None:
        """
        Check what a web form posted, before Locust starts with it.

        Args:
            posted: Its fields.
            running: Whether it only changes a test that is on.

        Raises:
            ValueError: If it makes no sense, or the target does not answer.

        """
        self._check(posted)
        setup = self.read_setup(posted)
        for notice in setup.notices:
            logger.warning(notice)
        if self._dials and not running:
            probe_targets(setup)

    def read_setup(self, posted: Mapping[str, Any] | None = None) -> Setup:
        """What the options say, and what a form posted over them."""
        if self.simulator is not None and not self._station.environment.host:
            self._station.environment.host = self.simulator.url  # it was cleared in the form
        return self._station.read_setup(self.given_hosts, posted=posted, dials=self._dials)

    def plan(self, posted: Mapping[str, Any] | None = None) -> Stages | None:
        """
        How many users there are when, if that is known beforehand.

        Raises:
            ValueError: If what the options, or a form posted over them, ask for can't be.

        """
        shape = self._station.environment.shape_class
        if not isinstance(shape, PlannedShape):
            return None
        return shape.plan({**vars(self._station.options), **(posted or {})})

    def _check(self, values: Mapping[str, Any]) -> None:
        check_values(values)
        self.plan(values)

    def close(self) -> None:
        """End the simulator; idempotent."""
        if self.simulator is not None:
            self.simulator.stop()

    @property
    def _starts_by_itself(self) -> bool:
        options = self._station.options
        return bool(options.headless or options.autostart)

    def _call_simulator(self) -> list[str]:
        if not self._dials:
            if self._starts_by_itself:
                raise SetupError("a master starts no simulator: name a host with --host")
            return []
        self.simulator = embedded_simulator(Path(self._station.options.run_dir))
        self._station.environment.host = self.simulator.url
        say(f"no --host: calling the embedded simulator at {self.simulator.url}")
        return [self.simulator.url]
