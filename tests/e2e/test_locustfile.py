"""The same locustfile, unchanged, against every shipped profile and in every dialect."""

import json
import re
from collections import Counter
from statistics import mean

import pytest
from locusts import Locust, truth_lines, wait_until

from harness.realtime.dialects import DIALECTS
from harness.simulator.profiles import shipped_profiles
from harness.verdict import failures

pytestmark = pytest.mark.e2e

CALLERS = 12
CROWDED = 40  # more than the saturating endpoint makes answers at a time
LANDS = {  # what becomes of a turn when this happens to its answer
    "disconnect": "disconnected",
    "no-answer": "timeout",
    "stop": "timeout",
    "fail": "failed",
    "incomplete": "incomplete",
    "stale": "completed",
}
TALK = (
    "--corpus",
    "say",
    "--listen",
    "done",
    "--pause",
    "10ms",
    "--turns",
    "2",
    "--frame-ms",
    "40",
)
LIMITS = {"connect": "3s", "session": "3s", "first-audio": "3s", "stall": "2s", "close": "2s"}
HASTY = tuple(word for name, limit in LIMITS.items() for word in (f"--timeout-{name}", limit))
SHORT = ("--answer", "300ms", "--answer-audio", "tone")


class Load:
    """A short load test with locustfiles/realtime.py, and what both sides have to say of it."""

    def __init__(
        self,
        folder,
        simulator,
        profile,
        dialect,
        *options,
        users=CALLERS,
        endpoint=(),
        until=lambda truth: True,
    ):
        target = simulator("--profile", profile, *SHORT, *endpoint)
        host = target.url.removesuffix("/v1/realtime")
        arguments = ("-u", users, "-r", users, "--host", host, "--dialect", dialect)
        with Locust(folder, "--headless", *arguments, *TALK, *options) as locust:
            locust.wait_for_turns(users + 1)
            wait_until(lambda: until(target.truth.read_text()), 40, lambda: locust.text)
            locust.process.terminate()
            self.code = locust.wait(90)
            self.text, self.judged = locust.text, locust.judged
            assert "Traceback" not in self.text, self.text
            self.turns, self.summary = locust.lines("turns"), locust.read("summary.json")
            sessions = locust.lines("sessions")
            assert (locust.run / "report.html").stat().st_size > 0
        target.process.terminate()
        self.truth, self.totals = truth_lines(target.truth)
        self.ends = [session for session in sessions if session["event"] == "end"]
        self.endings = Counter((end["outcome"], end["code"]) for end in self.ends)
        self.deviations = sum((Counter(end["deviations"]) for end in self.ends), Counter())
        self.outcomes = Counter(turn["outcome"] for turn in self.turns)

    def assert_whole(self):
        """Every turn and session is told of once, and both sides tell of the same responses."""
        assert self.summary["turns"] == len(self.turns)
        assert self.summary["outcomes"] == dict(self.outcomes)
        assert self.summary["sessions"] == len(self.ends)
        heard = [name for turn in self.turns for name in turn["response_ids"]]
        assert len(heard) == len(set(heard))
        assert set(heard) <= {line["response_id"] for line in self.truth}

    def assert_all_answered(self):
        self.assert_whole()
        assert self.code == self.judged, self.text
        assert set(self.outcomes) == {"completed"}
        assert set(self.endings) == {("ended", None)}
        sent = {line["response_id"]: line["audio_s"] for line in self.truth}
        for turn in self.turns:
            (name,) = turn["response_ids"]
            assert turn["audio_received_s"] == pytest.approx(sent[name]) != 0
        assert len(self.turns) == len(self.truth) == self.totals["responses"]
        assert self.totals["faults"] == {}
        assert self.deviations == {}


def test_every_dialect_is_spoken_here():
    assert {"openai", "azure", "azure-preview", "beta"} == set(DIALECTS)
    assert {"healthy", "slow", "saturating", "flaky", "hostile"} == set(shipped_profiles())


@pytest.mark.parametrize(
    ("profile", "dialect", "least"),
    [("healthy", "beta", 0.2), ("slow", "azure", 0.6)],
)
def test_a_good_endpoint_answers_everybody_in_every_dialect(
    folder, simulator, profile, dialect, least
):
    load = Load(folder, simulator, profile, dialect)

    load.assert_all_answered()
    assert {end["model"] for end in load.ends} == {"gpt-realtime-2.1-mini"}
    truth = mean(line["first_out"] - line["commit_in"] for line in load.truth) / 1e9
    assert load.summary["metrics"]["ttfa_commit"]["mean"] >= truth > least


def test_a_session_of_ones_own_under_tls(folder, simulator):
    authority, session = folder / "authority.pem", folder / "session.json"
    vad = {"type": "server_vad", "silence_duration_ms": 300}
    session.write_text(json.dumps({"audio": {"input": {"turn_detection": vad}}}))
    own = ("--ca-file", authority, "--session", session, "--header", "X-Caller: load test")
    load = Load(folder, simulator, "healthy", "openai", *own, endpoint=("--tls", authority))

    load.assert_all_answered()
    assert {line["turn_detection"] for line in load.truth} == {"server_vad"}
    assert all(end["steps"]["tls"] > 0 for end in load.ends)
    truth = mean(line["first_out"] - line["speech_stopped_out"] for line in load.truth) / 1e9
    assert load.summary["metrics"]["ttfa_detected"]["mean"] > truth - 0.1


def test_an_endpoint_beyond_its_capacity_answers_everybody_but_makes_them_wait(folder, simulator):
    # To answer them as fast as they ask it would have to make 26 answers at a time.
    long = ("--answer", "4s")
    dialect, waits = "azure-preview", re.compile(r'"queued_ns":[1-9]').search
    load = Load(folder, simulator, "saturating", dialect, users=CROWDED, endpoint=long, until=waits)

    load.assert_all_answered()
    assert max(line["queued_ns"] for line in load.truth) > 0


def test_what_goes_wrong_now_and_then_lands_where_it_should_and_spoils_nothing_else(
    folder, simulator
):
    load = Load(folder, simulator, "flaky", "auto", users=CROWDED)
    faults = {line["response_id"]: line["faults"] for line in load.truth}

    load.assert_whole()
    assert load.totals["faults"]
    for turn in load.turns:
        struck = [label for name in turn["response_ids"] for label in faults[name]]
        lands = {LANDS[label.partition(":")[0]] for label in struck} or {"completed"}
        if load.totals["faults"].get("hang-up:1006"):
            lands |= {"disconnected"}
        assert turn["outcome"] in lands
    for code in (429, 503):
        refused = load.endings["refused", f"http_{code}"]
        assert refused == load.totals["faults"].get(f"refuse:{code}", 0)
    assert load.code == load.judged
    assert any(failures(load.summary))
    assert load.deviations == {}


def test_whatever_goes_wrong_callers_survive_it_and_it_is_counted(folder, simulator):
    load = Load(folder, simulator, "hostile", "auto", *HASTY)

    load.assert_whole()
    assert load.code == load.judged
    assert any(failures(load.summary))
    assert "internal" not in {*load.outcomes, *(outcome for outcome, _ in load.endings)}
    assert load.totals["faults"]
