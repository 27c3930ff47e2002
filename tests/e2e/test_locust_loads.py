"""Loads over processes that come and go: each call of a schedule is made once, whoever is lost."""

import signal
from collections import Counter, defaultdict
from contextlib import ExitStack
from itertools import islice
from statistics import median

import pytest
from locusts import LOCUSTFILE, Locust, ahead, truth_lines, wait_until
from ports import free_port

from harness.arrivals import schedule
from harness.loads import parse_load

pytestmark = pytest.mark.e2e

S = 1_000_000_000
QUICK = ("--corpus", "say", "--listen", "done", "--pause", "50ms")
QUICK_ANSWERS = ("--answer", "300ms", "--ttfa", "100ms")
OPEN, STEPS = (LOCUSTFILE.with_name(f"{name}.py") for name in ("open_arrivals", "steps"))


def begun(locust):
    return [session for session in locust.lines("sessions") if session["event"] == "start"]


def dues_by_worker(locust):
    """Which calls of the schedule each worker began, and when they were due by its clock."""
    dues = defaultdict(list)
    for session in begun(locust):
        dues[session["worker"]].append((session["arrival"], session["due_at"]))
    return dues


def test_workers_that_are_lost_and_that_join_leave_no_call_of_the_schedule_out(folder, simulator):
    target, port = simulator(*QUICK_ANSWERS), free_port()
    rate = ("--arrivals", "3/s", "--call-length", "1s")
    asked = ("-u", 6, *rate, "--host", target.url, *QUICK)
    swarm = ("--master", "--expect-workers", 2, "--enable-rebalancing", "--master-bind-port", port)
    joins = ("--worker", "--master-port", port, *QUICK)
    with ExitStack() as running:
        master = running.enter_context(
            Locust(folder, "--headless", *swarm, *asked, locustfile=OPEN)
        )
        lost, _ = (running.enter_context(Locust(folder, *joins, locustfile=OPEN)) for _ in range(2))
        wait_until(lambda: len(dues_by_worker(master)) == 2, 60, lambda: master.text)
        lost.process.kill()
        running.enter_context(Locust(folder, *joins, locustfile=OPEN))
        wait_until(lambda: len(dues_by_worker(master)) == 3, 60, lambda: master.text)
        master.wait_for(" is missing")
        n = len(begun(master))
        wait_until(lambda: len(begun(master)) >= n + 9, 60, lambda: master.text)
        master.process.terminate()
        master.wait()

        run, sessions = master.read("run.json"), begun(master)
        told, load = run["arrivals"], parse_load({"arrivals": "3/s", "call_length": "1s"})
        assert len(run["lost_workers"]) == 1
        # Those of the lost worker are gone, though the one that joins is given some at once.
        assert run["over_target_s"] < 4
        # What the lost worker had not shipped is missing here; nobody else made its calls again.
        made = Counter(session["arrival"] for session in sessions)
        assert set(made.values()) == {1}
        assert told["begun"] + told["waiting"] == told["due"]
        assert len(made) >= told["begun"] - 3 * 4  # of 3 a second, until its next report
        # As the endpoint has it: each begun call is a session, but for those of the three callers
        # whose worker was killed: one may have been begun and not dialled, or dialled and its
        # begin not told, so that another caller began it once more.
        target.process.terminate()
        assert abs(truth_lines(target.truth)[1]["sessions"] - told["begun"]) <= 3
        calls = list(islice(schedule(load.arrivals, load.call_length, 1), told["due"]))
        assert set(made) <= {call.number for call in calls}
        dues = dues_by_worker(master)
        assert len(dues) == 3
        for worker, due in dues.items():
            began = told["began_ns"] - ahead(run["anchors"][worker])
            late = [at - began - calls[number - 1].due for number, at in due]
            # Word of a call that was on its way for half a second may make it due later.
            assert min(late) > -S // 10
            assert median(late) < S // 10


def test_sigterm_in_mid_shape_ends_calls_and_leaves_a_whole_summary(folder, simulator):
    target = simulator(*QUICK_ANSWERS)
    asked = ("--steps", "2,4", "--step-time", "60s", "-r", 4, "--host", target.url, *QUICK)
    with Locust(folder, "--headless", *asked, locustfile=STEPS) as locust:
        locust.wait_for_turns(2)
        locust.process.send_signal(signal.SIGTERM)
        locust.wait()

        turns = locust.lines("turns")
        assert locust.read("summary.json")["turns"] == len(turns) >= 2
        assert {turn["outcome"] for turn in turns} == {"completed"}
        assert locust.read("run.json")["state"] == "ended"
        assert "Traceback" not in locust.text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--steps", "2,many"), "--steps: 'many' is no number of callers"),
        (("--steps", "2,90"), "from 2 to 90 users at 1 a second takes 88 s, and a step lasts 60 s"),
        (("--arrivals", "2/s"), "unrecognized arguments: --arrivals"),
    ],
)
def test_a_load_that_cannot_be_is_one_clear_line_before_it_begins(folder, options, said):
    with Locust(folder, "--headless", *options, *QUICK, locustfile=STEPS) as locust:
        assert locust.wait() == 2, locust.text

        assert len([line for line in locust.text.splitlines() if said in line]) == 1, locust.text
        assert "Traceback" not in locust.text
        assert "Ramping" not in locust.text
