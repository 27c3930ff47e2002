"""A simulator in a process of its own, started and ended."""

import os
import subprocess

import pytest

from harness.errors import CommandError
from harness.simulator.process import SimulatorProcess

pytestmark = pytest.mark.e2e


def test_it_listens_until_it_is_told_to_stop(tmp_path):
    with SimulatorProcess(("--ttfa", "0s"), tmp_path / "truth.jsonl") as simulator:
        assert simulator.url.startswith("ws://127.0.0.1:")
        assert simulator.truth() == []
        assert os.getsid(simulator.pid) != os.getsid(0)  # Ctrl-C is not for it

        assert simulator.stop() == 0
        assert simulator.totals()["sessions"] == 0

    assert simulator.stop() == 0


def test_one_that_does_not_start_says_so(tmp_path):
    options = ("--ttfa", "soon")
    simulator = SimulatorProcess(options, tmp_path / "truth.jsonl", stderr=subprocess.DEVNULL)

    with pytest.raises(CommandError, match="did not start"):
        simulator.start()


def test_it_stays_on_its_core(tmp_path):
    core = max(os.sched_getaffinity(0))

    with SimulatorProcess((), tmp_path / "truth.jsonl", core=core) as simulator:
        assert os.sched_getaffinity(simulator.pid) == {core}
