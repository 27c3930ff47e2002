"""Benches of what a large swarm asks of its master and of the report, at a size for tests."""

import json
import subprocess
import sys

import pytest
from locusts import ROOT

pytestmark = pytest.mark.e2e


def bench(tmp_path, *options):
    """What it measured, and what it printed."""
    file = tmp_path / "bench.json"
    command = [sys.executable, "-m", "bench", "--quick", "--json", str(file), *options]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    (cost,) = json.loads(file.read_text())
    return cost, done.stdout


def test_a_master_keeps_every_turn_that_simulated_workers_send(tmp_path):
    cost, printed = bench(tmp_path, "--master")

    assert cost["workers"] == 2
    assert cost["turns_kept"] == cost["turns_sent"]
    assert cost["turns_sent"] >= 2 * 7  # 20 sessions each, a turn every 8 s, reported every 3 s
    assert "100.00%" in printed


def test_the_report_of_made_up_records_is_made(tmp_path):
    cost, printed = bench(tmp_path, "--report")

    assert cost["turns"] == 2000
    assert "2,000" in printed
