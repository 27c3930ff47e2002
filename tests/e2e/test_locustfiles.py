"""Each of the locustfiles for a short time, all at once: what is its own shows in its records."""

import shutil
import time
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
from chromium import assert_whole, browser_page, needs_chromium
from endpoint import running_simulator
from locusts import LOCUSTFILE, ROOT, Locust, ahead, wait_until
from once import made_once
from ports import free_port

from harness.arrivals import schedule
from harness.corpus import load_corpus
from harness.loads import parse_load

pytestmark = pytest.mark.e2e

S = 1_000_000_000
ENDPOINT = ("--ttfa", "100ms", "--answer", "3s", "--speed", "20")  # heard for long, sent at once
QUICK = ("--listen", "done", "--pause", "50ms", "--turns", "2")
ARRIVALS = {"arrivals": "2/s", "call_length": "1500ms"}

RUNS = {
    "steady": ("-u", 3, "-r", 3, "-t", "6s"),
    "steps": ("--steps", "1,3", "--step-time", "3s", "-r", 9),
    "spike": ("-u", 4, "-r", 4, "--spike-base", "1", "--spike-after", "4s", "--spike-time", "4s"),
    "soak": ("-u", 3, "-r", 1, "-t", "9s"),
    "open_arrivals": ("-u", 2, "--arrivals", "2/s", "--call-length", "1500ms"),
    "barge_in": ("-u", 2, "-r", 2, "--listen", "playback"),
    "long_sessions": ("-u", 2, "-r", 2, "--call-length", "4s", "--turns", "1"),
    "bursts": ("-u", 4, "--every", "2s"),
    "reconnect_storm": ("-u", 3, "--every", "3s"),
    "silent_callers": ("-u", 5, "-r", 5, "--call-length", "1s"),
    "impatient": ("-u", 2, "-r", 2, "--patience", "50ms"),
    "noise": ("-u", 2, "-r", 2, "--turn-detection", "server_vad"),
}
SPREAD = ("open_arrivals", "bursts")  # over two workers
SLOW = ("impatient",)  # their endpoint answers after a minute


def workers(records):
    return {record["worker"][-2:] for record in records}


def talked_over(found):
    """Which turns of their calls were."""
    return {turn["turn"] for turn in found.turns if "interrupted" in turn["flags"]}


def long_calls(found):
    return [s for s in found.ended if s["at"] - s["started_at"] >= 4 * S]


def most_in_a_burst(found):
    """The largest number of callers who stopped speaking on the same instant."""
    beats = [round(end / (2 * S)) for end in voice_ends(found)]
    return max(map(beats.count, beats), default=0)


def voice_ends(found):
    """When callers stopped speaking, by the wall clock."""
    voice_end = {said.name: said.voice_end for said in load_corpus().utterances}
    first_frame = S // 50
    return [
        found.wall(turn, turn["due_at"]) - first_frame + round(voice_end[turn["said"]] * S)
        for turn in found.turns
    ]


def followed(found):
    """Sessions whose caller has dialled again."""
    again = {(s["caller"], s["call"]) for s in found.begun}
    return [s for s in found.ended if (s["caller"], s["call"] + 1) in again]


def silent(found):
    return [s for s in found.ended if s["scenario"] == "Silent.say_nothing"]


LASTS_UNTIL = {
    "open_arrivals": lambda found: (
        len(workers(found.begun)) == 2
        and len(found.begun) >= 10
        and any(session["blocked"] for session in found.begun)
    ),
    "barge_in": lambda found: len(talked_over(found)) == 2,
    "long_sessions": long_calls,
    "bursts": lambda found: len(workers(found.turns)) == 2 and most_in_a_burst(found) >= 3,
    "reconnect_storm": lambda found: {s["caller"] for s in followed(found)} == {1, 2, 3},
    "silent_callers": lambda found: (
        found.turns and any(s["at"] - s["started_at"] >= S for s in silent(found))
    ),
    "impatient": lambda found: any(session["call"] > 1 for session in found.begun),
    "noise": lambda found: any(turn["outcome"] == "completed" for turn in found.turns),
}
"""What must have happened before a run is stopped; others have a time of their own."""


def command(name):
    port = free_port()
    workers = ("--processes", 2, "--master-bind-port", port, "--master-port", port)
    return (*QUICK, *RUNS[name], *(workers if name in SPREAD else ()))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """By locustfile, what its run left behind."""
    made = made_once(tmp_path_factory, "locustfiles", all_at_once)
    return {name: found(facts) for name, facts in made.items()}


def all_at_once(folder):
    """By locustfile, the facts of its run."""
    with (
        running_simulator(*ENDPOINT) as simulator,
        running_simulator("--ttfa", "1m") as slow,
    ):
        hosts = {name: slow.url if name in SLOW else simulator.url for name in RUNS}
        return run_all(folder, hosts)


def run_all(folder, hosts):
    corpus = folder / "say"
    corpus.mkdir()
    for name in ("menu", "table-for-two", "make-it-nine"):
        shutil.copy(ROOT / "harness" / "data" / "utterances" / f"{name}.flac", corpus)
    started = {}
    try:
        for name in RUNS:
            own, file = folder / name, LOCUSTFILE.with_name(f"{name}.py")
            own.mkdir()
            given = ("--headless", "--host", hosts[name], *command(name))
            corpora = () if name == "barge_in" else ("--corpus", corpus)
            started[name] = Locust(own, *given, *corpora, locustfile=file)
        stopped = {name: stop(started[name], until) for name, until in LASTS_UNTIL.items()}
        for name, locust in started.items():
            locust.wait(180)  # its code says how busy this machine was, too
            assert (locust.run / "summary.json").exists(), f"{name}: {locust.text}"
        return {name: left_behind(locust, stopped.get(name)) for name, locust in started.items()}
    finally:
        for locust in started.values():
            locust.__exit__()


def stop(locust, until):
    """Stop a run once that has happened; when it was, by the wall clock."""

    def has_happened():
        return (locust.run / "run.json").exists() and until(found(records(locust)))

    wait_until(has_happened, 100, lambda: locust.text)
    stopped = time.time_ns()
    locust.process.terminate()
    return stopped


def left_behind(locust, stopped):
    return {
        **records(locust),
        "stopped": stopped,
        "text": locust.text,
        "report": str(locust.run.resolve() / "report.html"),
        "summary": locust.read("summary.json"),
    }


def records(locust):
    """What a run has recorded so far."""
    sessions = locust.lines("sessions")
    return {
        "run": locust.read("run.json"),
        "turns": sorted(locust.lines("turns"), key=lambda turn: turn["due_at"]),
        "begun": [session for session in sessions if session["event"] == "start"],
        "ended": [session for session in sessions if session["event"] == "end"],
        "users": [line["users"] for line in sorted(locust.lines("health"), key=lambda h: h["at"])],
    }


def found(facts):
    """Facts by name; ``wall(record, at)``: an instant of a record's worker, by the wall clock."""
    anchors = {name: ahead(anchor) for name, anchor in facts["run"]["anchors"].items()}
    return SimpleNamespace(**facts, wall=lambda record, at: at + anchors[record["worker"]])


def levels(users):
    """The numbers of users one after the other."""
    return [n for n, before in zip(users, [None, *users], strict=False) if n != before]


def in_order(some, of):
    found = iter(of)
    return all(level in found for level in some)


@pytest.mark.parametrize("name", RUNS)
def test_every_locustfile_runs_to_its_report(runs, name):
    found = runs[name]

    assert "Traceback" not in found.text
    assert found.run["state"] == "ended"
    assert found.summary["sessions"] == len(found.begun) > 0
    assert {session["outcome"] for session in found.ended} == {"ended"}


def test_steady_has_all_its_users_all_the_time(runs):
    assert max(runs["steady"].users) == 3
    assert runs["steady"].run["run_time_s"] == 6


def test_steps_go_up_one_after_the_other(runs):
    assert in_order([1, 3], levels(runs["steps"].users))
    assert max(runs["steps"].users) == runs["steps"].run["users"] == 3
    assert runs["steps"].run["run_time_s"] == 6


def test_a_spike_comes_and_goes(runs):
    assert in_order([1, 4, 1], levels(runs["spike"].users))


def test_a_soak_comes_down_as_it_went_up(runs):
    assert max(runs["soak"].users) == 3
    users = levels(runs["soak"].users)
    assert in_order([3, 0], users)
    assert any(0 < level < 3 for level in users[users.index(3) :])


def test_open_arrivals_begin_when_they_are_due_whoever_makes_them(runs):
    found = runs["open_arrivals"]
    told, load = found.run["arrivals"], parse_load(ARRIVALS)
    calls = list(islice(schedule(load.arrivals, load.call_length, 1), 100))

    assert workers(found.begun) == {"-0", "-1"}
    # Each call once, none left out, and at the instants of the schedule, to the clocks' drift.
    begun = {session["arrival"]: session for session in found.begun}
    assert sorted(begun) == list(range(1, len(found.begun) + 1))
    for number, session in begun.items():
        wanted = told["began_ns"] + calls[number - 1].due
        assert abs(found.wall(session, session["due_at"]) - wanted) < S // 10
        assert session["started_at"] >= session["due_at"]
    assert told["due"] == told["begun"] + told["waiting"]
    assert told["begun"] == len(begun)
    # It lasts until the run is told to stop: what the master then does takes it a moment.
    lasted = found.stopped - told["began_ns"]
    due_by = [sum(call.due < lasted + more for call in calls) for more in (-2 * S, 3 * S)]
    assert due_by[0] <= told["due"] <= due_by[1]


def test_a_call_is_blocked_if_and_only_if_all_users_were_busy_when_it_was_due(runs):
    found = runs["open_arrivals"]
    ends = {(s["worker"], s["caller"], s["call"]): found.wall(s, s["at"]) for s in found.ended}
    spans = [
        (found.wall(s, s["started_at"]), ends[s["worker"], s["caller"], s["call"]], s["arrival"])
        for s in found.begun
    ]

    def busy(at, margin):
        """Calls that went on then; ``margin``: from hanging up until the user is known as idle."""
        return sum(start <= at < end + margin for start, end, _ in spans)

    for session in found.begun:
        due = found.wall(session, session["due_at"])
        if session["blocked"]:
            assert busy(due, S // 2) >= 2, session
        else:
            assert busy(due - 1, 0) < 2, session
            # A session that is not over when it is due has no idle user: the other one took it.
    blocked = sum(session["blocked"] for session in found.begun)
    assert found.run["arrivals"]["blocked"] == blocked + found.run["arrivals"]["waiting"] > 0
    assert found.summary["arrivals"]["blocked"] == found.run["arrivals"]["blocked"]
    assert f"{found.summary['arrivals']['blocked']} of " in found.text


def test_barge_ins_talk_over_the_first_two_answers(runs):
    found = runs["barge_in"]
    turns = [turn for turn in found.turns if turn["outcome"] != "cut"]

    assert talked_over(found) in ({0, 1}, {1, 2})
    assert {turn["outcome"] for turn in turns if "interrupted" in turn["flags"]} == {"cancelled"}


def test_long_sessions_go_on_for_their_length_not_for_their_turns(runs):
    whole = long_calls(runs["long_sessions"])

    assert whole
    assert all(session["turns"] > 1 for session in whole)


def test_in_a_burst_everybody_stops_speaking_on_the_same_instant(runs):
    found = runs["bursts"]

    assert workers(found.turns) == {"-0", "-1"}
    assert all(min(end % (2 * S), -end % (2 * S)) < S // 10 for end in voice_ends(found))
    # All four, but for one whose answer came too late for the beat.
    assert most_in_a_burst(found) >= 3


def test_in_a_storm_everybody_stays_until_the_beat_and_dials_again(runs):
    found = runs["reconnect_storm"]
    last = {turn["session"]: found.wall(turn, turn["marks"]["done"]) for turn in found.turns}

    assert {s["caller"] for s in followed(found)} == {1, 2, 3}
    for session in followed(found):
        end = found.wall(session, session["at"])
        assert end // (3 * S) > last[session["session"]] // (3 * S), session


def test_silent_callers_say_nothing(runs):
    found = runs["silent_callers"]

    assert {turn["scenario"] for turn in found.turns} == {"Caller.talk"}
    assert {(s["audio_sent_s"], s["turns"]) for s in silent(found)} == {(0.0, 0)}
    assert any(s["at"] - s["started_at"] >= S for s in silent(found))


def test_impatient_callers_hang_up_and_call_again(runs):
    found = runs["impatient"]

    assert {turn["outcome"] for turn in found.turns} == {"abandoned"}
    assert max(session["call"] for session in found.begun) > 1


def test_noise_is_what_the_run_was_made_in(runs):
    found = runs["noise"]

    assert (found.run["options"]["noise"], found.run["options"]["snr"]) == ("babble", "10dB")
    assert "completed" in {turn["outcome"] for turn in found.turns}


@pytest.fixture(scope="module")
def browser():
    with browser_page() as page:
        yield page


SAYS = {
    "open_arrivals": "calls were blocked: no caller was idle when they were due",
    "barge_in": "answers were talked over",
    "spike": "How turns ended",
    "long_sessions": "What a caller felt",
    "impatient": "abandoned",
}


@needs_chromium
@pytest.mark.parametrize("name", SAYS)
def test_the_report_of_a_recorded_run_is_whole_in_a_browser(runs, browser, name):
    plots = assert_whole(browser, Path(runs[name].report), SAYS[name])

    assert plots >= 3
