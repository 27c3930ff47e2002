"""What costs money: refused without a budget, ended by one."""

import pytest
from locusts import Locust, truth

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
        assert locust.wait(8) == 2, locust.text

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
    arguments = (*swarm, "-u", 20, "-r", 20, "-t", "60s", "--host", target.url)
    with Locust(folder, "--headless", *arguments, *talk, *budget) as locust:
        assert locust.wait() == locust.judged, locust.text

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


def test_the_ramp_waits_while_the_endpoint_has_too_little_left(folder, simulator):
    target = simulator("--ttfa", "100ms", "--answer", "300ms", "--requests-per-minute", "30")
    talk = ("--corpus", "say", "--listen", "done", "--pause", "50ms")
    arguments = ("-u", 8, "-r", 2, "-t", "5s", "--host", target.url, "--heed-rate-limits")
    with Locust(folder, "--headless", *arguments, *talk) as locust:
        assert locust.wait() == locust.judged, locust.text

        # A caller asks forty times a minute: once that is known, there is room for no other.
        callers = {turn["caller"] for turn in locust.lines("turns")}
        assert 1 <= len(callers) < 8
        waited = locust.read("run.json")["ramp_delay_s"]
        assert waited > 1
        assert locust.read("summary.json")["rate_limits"]["ramp_delay_s"] == pytest.approx(waited)
