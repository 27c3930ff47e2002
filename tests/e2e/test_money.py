"""What costs money: refused without a budget, ended by one."""

import pytest
from locusts import LOCUSTFILE, Locust, truth, wait_until

pytestmark = pytest.mark.e2e

PAID = "wss://192.88.99.9"  # an address that was given back: nobody's


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), f"{PAID}:443 costs money: say how much by --max-cost USD"),
        (("--max-cost", "1", "--model", "own"), "--max-cost: model 'own' is unpriced"),
    ],
)
def test_a_paid_host_is_refused_before_dialling(folder, arguments, said):
    with Locust(folder, "--headless", "-u", 1, "--host", PAID, *arguments) as locust:
        assert locust.wait() == 2, locust.text

        (line,) = [line for line in locust.text.splitlines() if said in line]
        assert line.startswith("realtime-harness: ")
        assert "Traceback" not in locust.text
        assert not (folder / "runs" / "latest").exists()


def test_a_swarm_ends_when_its_budget_is_spent(folder, simulator, free_port):
    table = folder / "prices.toml"  # sixteen times the real ones: seconds, not minutes
    table.write_text(
        "date = 2026-11-22\n[models.dear]\n"
        "text = { input = 10, cached = 1, output = 40 }\n"
        "audio = { input = 160, cached = 5, output = 320 }\n"
    )
    target = simulator("--ttfa", "100ms", "--answer", "1s", "--speed", "0")
    budget = ("--max-cost", 1, "--prices", table, "--model", "dear")
    swarm = ("--processes", 2, "--master-bind-port", free_port, "--master-port", free_port)
    talk = ("--corpus", "say", "--listen", "done", "--pause", "50ms", "--turns", 3)
    arguments = (*swarm, "-u", 20, "-r", 20, "--host", target.url)
    with Locust(folder, "--headless", *arguments, *talk, *budget) as locust:
        assert locust.wait(100) == locust.judged, locust.text

        summary, run = locust.read("summary.json"), locust.read("run.json")
        turns = locust.lines("turns")
        assert 0.9 <= sum(turn["cost_usd"] for turn in turns) <= 1.1
        assert summary["cost_usd"] == pytest.approx(sum(turn["cost_usd"] for turn in turns))
        assert run["budget"]["spent_usd"] == pytest.approx(summary["cost_usd"])
        assert run["ended_early"] == summary["ended_early"] == "the budget of 1 USD is spent"
        assert {turn["outcome"] for turn in turns} == {"completed"}  # nobody was cut
        assert summary["session_outcomes"].keys() == {"ended"}
        target.process.terminate()
        assert locust.heard == truth(target.truth)


RUSH = f"""
import sys
from pathlib import Path
from locust import LoadTestShape
sys.path.insert(0, {str(LOCUSTFILE.parent)!r})
from realtime import Caller

class Rush(LoadTestShape):
    def tick(self):
        return 8 if Path("known").exists() else 2, 8
"""
"""Two callers, and six more as soon as a test says what is known."""


def test_the_ramp_waits_while_the_endpoint_has_too_little_left(folder, simulator):
    target = simulator("--ttfa", "100ms", "--answer", "300ms", "--requests-per-minute", "4")
    talk = ("--corpus", "say", "--listen", "done", "--pause", "50ms")
    arguments = ("--headless", "--host", target.url, "--heed-rate-limits", *talk)
    rush = folder / "rush.py"
    rush.write_text(RUSH)
    with Locust(folder, *arguments, locustfile=rush) as locust:
        locust.wait_for_turns(1)
        # Each caller asks for more than there is: once that is known, no other begins.
        (folder / "known").touch()
        wait_until(lambda: locust.lines("health")[-1]["users"] == 8, 40, lambda: locust.text)
        known = len(locust.lines("health"))
        wait_until(lambda: len(locust.lines("health")) >= known + 2, 40, lambda: locust.text)
        locust.process.terminate()
        assert locust.wait() == locust.judged, locust.text

        assert {session["caller"] for session in locust.lines("sessions")} == {1, 2}
        waited = locust.read("run.json")["ramp_delay_s"]
        assert waited > 1
        assert locust.read("summary.json")["rate_limits"]["ramp_delay_s"] == pytest.approx(waited)
