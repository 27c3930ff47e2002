"""A run that decides: the capacity of an endpoint, and objectives that end it."""

import json
import re

import pytest
from locusts import ROOT, Locust

from bench.capacity import QUICK, search_all
from harness.cli import main

pytestmark = pytest.mark.e2e

QUICK_CALLS = ("--corpus", "say", "--listen", "done", "--pause", "50ms", "--turns", "2")
QUICK_ANSWERS = ("--answer", "300ms", "--ttfa", "100ms")


@pytest.mark.calm  # what breaks is a latency
def test_two_workers_find_between_which_numbers_of_calls_a_known_knee_lies():
    (found,) = search_all(QUICK, 1)

    right = found.low <= found.calls <= found.true <= found.high
    told = f"{found.calls} calls (95 % CI {found.low}–{found.high}) at p90 TTFA < 0.4 s"
    # A machine that was too busy to find anything says so.
    assert found.verdict == "INVALID" or (right and found.text == f"{told}; first to break: ttfa")


def test_the_largest_number_that_may_call_is_the_end_of_a_search(folder, simulator):
    target = simulator(*QUICK_ANSWERS)
    small = folder / "small.py"
    small.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'locustfiles')!r})\n"
        "from capacity import Caller\n"
        "from harness.swarm import CapacityShape, Plan\n"
        "class Small(CapacityShape):\n"
        "    plan = Plan(start=4, settle=0.2, span=0.2, longest=4)\n"
    )
    arguments = ("-u", 8, "-r", 8, "--host", target.url, "--slo", "ttfa:p50<5s", *QUICK_CALLS)
    with Locust(folder, "--headless", *arguments, locustfile=small) as locust:
        assert locust.wait() == locust.judged, locust.text

        capacity = locust.read("summary.json")["capacity"]
        assert (capacity["calls"], capacity["at_least"], capacity["ended"]) == (8, True, "most")
        assert [step["callers"] for step in capacity["steps"]] == [4, 8]
        said = " ".join(locust.text.split())
        assert "At least 8 calls, the most that were to call, at p50 TTFA < 5 s" in said
        assert "Traceback" not in locust.text


def test_what_says_nothing_of_single_turns_cannot_be_searched_by(folder):
    arguments = ("--host", "ws://127.0.0.1:9", "--slo", "ttfa:mean<1s", "--corpus", "say")
    capacity = ROOT / "locustfiles" / "capacity.py"
    with Locust(folder, "--headless", *arguments, locustfile=capacity) as locust:
        assert locust.wait() == 2, locust.text

        assert "'ttfa:mean<1s' can't be searched by: write a percentile" in locust.text
        assert "Traceback" not in locust.text


def test_a_run_of_two_workers_ends_when_an_objective_can_no_longer_be_met(
    folder, simulator, free_port
):
    target = simulator(*QUICK_ANSWERS)
    slo = ("--slo", "turns:completed<3", "--slo", "ttfa:p50<5s", "--slo-stop")
    swarm = ("--processes", 2, "--master-bind-port", free_port, "--master-port", free_port)
    arguments = ("-u", 4, "-r", 4, "-t", "10m", "--host", target.url, *slo, *swarm)
    with Locust(folder, "--headless", *arguments, *QUICK_CALLS) as locust:
        assert locust.wait() in (1, 2), locust.text  # 2: few turns may not carry the median

        why = "turns:completed<3 can no longer be met: now "
        assert f"ending: {why}" in locust.text
        summary = locust.read("summary.json")
        assert summary["ended_early"].startswith(why)
        assert summary["duration_s"] < 300
        assert summary["slo"][0]["met"] is False
        assert locust.read("run.json")["state"] == "ended"


@pytest.mark.calm
def test_a_slower_release_is_told_from_the_one_before(folder, simulator, capsys):
    """Two runs of the same callers, the second of an endpoint that answers 80 ms later."""
    runs, judged = [], []
    for ttfa in ("200ms", "280ms"):
        own = folder / ttfa
        own.mkdir()
        (own / "say").symlink_to(folder / "say")
        target = simulator("--answer", "300ms", "--ttfa", ttfa)
        arguments = ("-u", 24, "-r", 24, "--host", target.url)
        with Locust(own, "--headless", *arguments, *QUICK_CALLS) as locust:
            locust.wait_for_turns(100)
            locust.process.terminate()
            assert locust.wait() == locust.judged, locust.text
            runs.append(str(locust.run.resolve()))
            judged.append(locust.judged)
    figures = folder / "compared.json"

    spoilt = 2 if 2 in judged else 0  # by a busy machine: nothing can be decided
    code = main(["compare", *runs, "--tolerance", "30ms", "--json", str(figures)])

    said = " ".join(capsys.readouterr().out.split())
    ttfa = next(s for s in json.loads(figures.read_text())["statements"] if s["metric"] == "ttfa")
    median = next(d for d in ttfa["differences"] if d["statistic"] == "p50")
    assert (code, ttfa["finding"], ttfa["regressed"]) == (spoilt or 1, "slower", True)
    assert median["low"] <= median["difference"] <= median["high"]
    assert median["difference"] == pytest.approx(0.08, abs=0.04)
    assert re.search(r"ttfa slower: p50 \+\d+ ms", said)
    assert main(["compare", "--quiet", *runs, "--tolerance", "200ms"]) == spoilt
    assert main(["compare", "--quiet", *reversed(runs)]) == spoilt
