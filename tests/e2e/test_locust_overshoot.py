"""Never more users than asked for: a worker that was missing returns, its users were replaced."""

import os
import signal

import pytest
from locusts import Locust, children, group, wait_until

pytestmark = pytest.mark.e2e

LONG = ("--corpus", "say", "--turns", "50", "--stop-timeout", "12")


def test_users_who_leave_for_a_worker_that_returns_are_cut(folder, simulator, free_port):
    target = simulator("--answer", "60s", "--ttfa", "100ms")
    swarm = ("--processes", 2, "--master-bind-port", free_port, "--master-port", free_port)
    load = ("-u", 4, "-r", 4, "--enable-rebalancing", "--host", target.url)
    with Locust(folder, "--headless", *swarm, *load, *LONG) as locust:
        locust.wait_for("All users spawned")
        forked = set(children(locust.process.pid)) & set(group(locust.process.pid))
        paused = min(forked)
        os.kill(paused, signal.SIGSTOP)
        locust.wait_for("setting state to missing")
        locust.wait_for(r"(?s)setting state to missing.*All users spawned.*4 total users")
        os.kill(paused, signal.SIGCONT)

        locust.wait_for("users instead of 4: those who leave hear nothing out")
        outcomes = wait_until(lambda: [turn["outcome"] for turn in locust.lines("turns")], 20)
        locust.process.terminate()
        locust.wait()

        assert set(outcomes) == {"cut"}
        assert locust.read("run.json")["over_target_s"] > 0
        assert "master has been silent" not in locust.text
