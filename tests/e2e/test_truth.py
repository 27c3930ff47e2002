"""What a run measured, held against what the simulator did: the claim of ``make demo``."""

import json
import statistics
from pathlib import Path

import pytest
from locusts import Locust

pytestmark = [pytest.mark.e2e, pytest.mark.calm]

FRAME = 0.020
BUSY = 0.250  # seconds that a message may wait on a busy machine; most may not
USERS = 20


def truth_lines(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["response_id"]: line for line in lines if "response_id" in line}


def errors(turns, truth, vad):
    """Measured minus true, seconds, of each turn."""
    for turn in turns:
        line = truth[turn["response_ids"][-1]]
        if vad == "none":
            true = (line["first_out"] - line["commit_in"]) / 1e9
            yield turn["metrics"]["ttfa_commit"] - true
        else:
            true = (line["first_out"] - line["speech_stopped_out"]) / 1e9
            yield turn["metrics"]["ttfa_detected"] - true


@pytest.mark.parametrize("vad", ["none", "server_vad"])
def test_twenty_callers_are_measured_as_they_were_answered(folder, vad):
    options = ("--headless", "-u", USERS, "-r", USERS, "--turn-detection", vad)
    with Locust(folder, *options) as locust:
        locust.wait_for_turns(USERS)
        locust.process.terminate()
        assert locust.wait(90) == locust.judged, locust.text
        turns = locust.lines("turns")
        truth = truth_lines(folder / "runs" / Path(locust.read("run.json")["truth"]).name)
        summary = locust.read("summary.json")

    assert summary["max_concurrency"] == USERS
    assert summary["outcomes"] == {"completed": len(turns)}
    assert locust.heard == truth.keys()
    off = list(errors(turns, truth, vad))
    assert len(off) >= USERS
    assert all(-BUSY < error < BUSY for error in off)
    assert abs(statistics.median(off)) < 0.010
    if vad == "none":
        lag = sorted(turn["metrics"]["ttfa"] - turn["metrics"]["ttfa_commit"] for turn in turns)
        assert lag[0] >= 0
        assert lag[len(lag) * 9 // 10] <= FRAME + 0.001
        assert lag[-1] <= FRAME + BUSY
    assert {session["deviations"] == {} for session in locust.lines("sessions")} == {True}
