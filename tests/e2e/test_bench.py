import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = ["worker+tls", "picows+tls", "websocket-client"]

pytestmark = pytest.mark.e2e


def bench(*options):
    command = [sys.executable, "-m", "bench", *options]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )


def test_each_client_is_measured_against_the_truth_of_the_endpoint_it_talked_to(tmp_path):
    file, page = tmp_path / "bench.json", tmp_path / "bench.md"

    done = bench(
        *("--quick", "--clients", ",".join(CLIENTS), "--growth", ""),
        *("--json", str(file), "--markdown", str(page)),
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert [run["client"] for run in found["runs"]] == CLIENTS
    for run in found["runs"]:
        assert run["turns"] >= 2
        assert run["unmatched"] == 0
        assert 0 < run["ttfa_error_p50_ms"] < 1000  # heard after it was sent
        assert 0 < run["cpu"] < 1000
        assert 0.5 < run["spoken"] < 1.5
        assert run["client"] in done.stdout
        assert f"| {run['client']} |" in page.read_text()
    verdict, *others = (run["verdict"] for run in found["runs"])
    assert verdict in ("VALID", "SUSPECT", "INVALID")
    assert others == ["", ""]
    assert [(one["tls"], one["sessions"]) for one in found["connects"]] == [(False, 4), (True, 4)]
    assert found["machine"] in page.read_text()


def test_single_events_are_priced(tmp_path):
    file = tmp_path / "events.json"

    done = bench("--events", "--json", str(file))

    assert done.returncode == 0, done.stderr
    costs = {cost["name"]: cost["ns"] for cost in json.loads(file.read_text())["events"]}
    assert len(costs) == 6
    assert all(ns > 100 for ns in costs.values())


def test_a_simulated_endpoint_says_how_late_it_was(tmp_path):
    file = tmp_path / "simulator.json"

    done = bench("--simulator", "--quick", "--json", str(file))

    assert done.returncode == 0, done.stderr
    costs = json.loads(file.read_text())
    assert [cost["load"]["duty"] for cost in costs] == ["push to talk", "open microphone"]
    for cost in costs:
        assert cost["load"]["sessions"] == 4
        assert cost["answers"] >= 2
        assert 0 <= cost["late_p50_ms"] <= cost["late_p99_ms"] <= cost["late_max_ms"]
        assert 0 < cost["cpu"] < 1


def test_an_unknown_client_is_refused():
    done = bench("--clients", "harness,curl")

    assert done.returncode == 2
    assert "unknown: curl" in done.stderr
