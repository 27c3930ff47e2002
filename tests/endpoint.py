"""A simulated endpoint in a process of its own, for tests of what talks to it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.simulator.process import SimulatorProcess

__all__ = ["running_simulator"]


@contextmanager
def running_simulator(
    *options: str, env: dict[str, str] | None = None, stderr: int | None = None
) -> Iterator[SimulatorProcess]:
    """
    A simulator that was started with ``options``, and is stopped at the end.

    Usage: ``with running_simulator("--ttfa", "100ms") as sim:`` then ``sim.url`` and, at any time,
    ``sim.truth()``; after ``sim.stop()`` the log is complete and ``sim.totals()`` its last line.
    """
    with tempfile.TemporaryDirectory(prefix="simulator-") as folder:
        simulator = SimulatorProcess(options, Path(folder) / "truth.jsonl", env=env, stderr=stderr)
        with simulator:
            yield simulator
            assert simulator.stop() == 0
