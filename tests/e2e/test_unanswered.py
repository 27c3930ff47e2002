"""An endpoint that leaves turns unanswered, and fails others at once, does not look fast for it."""

import csv
import json
import math
import re
import signal
import urllib.request

import pytest
from locusts import Locust

from harness.report.words import percentile

pytestmark = [pytest.mark.e2e, pytest.mark.calm]

CALLERS, ENOUGH = 40, 230
LIMIT = 1.5  # seconds until a caller gives up waiting for the first audio
BUSY = 0.030  # seconds by which a busy machine may shift the middle of many turns
FRAME = 0.020
NEVER = math.inf


def waits(truth):
    """Seconds from commit to first audio, by response id; for ever where none was sent."""
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    return {
        line["response_id"]: NEVER
        if line["first_out"] is None
        else (line["first_out"] - line["commit_in"]) / 1e9
        for line in lines
        if "response_id" in line
    }


def nearest_rank(values, p):
    """The smallest value such that a share ``p`` of all is no larger: ⌈p·n⌉."""
    return sorted(values)[math.ceil(round(p * 1000) * len(values) / 1000) - 1]


def histogram(page, metric):
    """Of a page of metrics: cumulative counts by upper bound, and the sum."""
    buckets = re.findall(rf'^{metric}_bucket{{.*le="([^"]+)".*}} (\S+)$', page, re.MULTILINE)
    (total,) = re.findall(rf"^{metric}_sum{{.*}} (\S+)$", page, re.MULTILINE)
    return {float(bound): float(n) for bound, n in buckets}, float(total)


def test_percentiles_are_right_against_the_truth_log(folder, simulator, free_port):
    endpoint = simulator(
        *("--ttfa", "uniform(100ms, 400ms)", "--answer", "200ms", "--tool-rate", "0"),
        # Half of those that fail do so at once, the others after some audio.
        *("--fault", "no-answer=10%", "--fault", "fail:server_error=20%"),
    )
    options = (
        *("--headless", "-u", CALLERS, "-r", CALLERS, "--host", endpoint.url, "--csv", "locust"),
        *("--corpus", "say", "--turns", 50, "--pause", "0ms", "--listen", "done"),
        *("--timeout-first-audio", f"{LIMIT}s", "--metrics-port", free_port),
    )
    with Locust(folder, *options) as locust:
        locust.wait_for_turns(ENOUGH, 60)
        with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/metrics") as answer:
            page = answer.read().decode()
        locust.process.send_signal(signal.SIGINT)
        assert locust.wait(90) == locust.judged, locust.text
        summary, turns = locust.read("summary.json"), locust.lines("turns")
        report = (locust.run / "report.html").read_text()
        statistics = (folder / "locust_stats.csv").read_text().splitlines()

    true = waits(endpoint.truth)
    unanswered = sum(wait == NEVER for wait in true.values())
    assert locust.heard == true.keys()
    assert 0.1 * len(true) < unanswered < 0.32 * len(true)

    # The summary, and what is made of it.
    for name in ("ttfa", "ttfa_commit"):
        found = summary["metrics"][name]
        assert (found["count"], found["unanswered"]) == (len(true), unanswered)
        later = FRAME if name == "ttfa" else 0  # at most, from the last voiced sample to the commit
        median = nearest_rank(true.values(), 0.5)
        assert median - BUSY <= found["p50"] <= median + later + BUSY
        assert nearest_rank(true.values(), 0.9) == nearest_rank(true.values(), 0.95) == NEVER
        assert found["p90"] == found["p95"] == {"value": None, "above": LIMIT}
        assert found["p99"] == {"value": None, "why": "too few"}
    shown = percentile(summary["metrics"]["ttfa"]["p50"])
    for said in (locust.text, report.replace("&gt;", ">")):
        assert shown in said
        assert "> 1.5 s" in said

    # Prometheus: the turns that had ended when it asked are the first of those recorded.
    counts, total = histogram(page, "realtime_ttfa_commit_seconds")
    seen = [true[turn["response_ids"][-1]] for turn in turns[: int(counts[math.inf])]]
    longest = max(bound for bound in counts if bound < math.inf)
    assert len(seen) >= ENOUGH
    assert counts[math.inf] - counts[longest] == seen.count(NEVER)
    for bound in (0.2, 0.3):
        sooner, later = (sum(wait <= bound + by for wait in seen) for by in (-BUSY, BUSY))
        assert sooner <= counts[bound] <= later
    expected = sum(min(wait, LIMIT) for wait in seen)
    assert expected - BUSY <= total <= expected + BUSY * len(seen)

    # Locust's own statistics.
    (row,) = (row for row in csv.DictReader(statistics) if row["Name"] == "ttfa")
    assert (int(row["Request Count"]), int(row["Failure Count"])) == (len(true), unanswered)
    assert float(row["50%"]) == pytest.approx(summary["metrics"]["ttfa"]["p50"] * 1000, abs=20)
    assert float(row["90%"]) == float(row["95%"]) == LIMIT * 1000
