"""Loads over processes that come and go: each call of a schedule is made once, whoever is lost."""

import signal
from collections import Counter
from contextlib import ExitStack
from itertools import islice

import pytest
from locusts import LOCUSTFILE, Locust, ahead, truth_lines, wait_until
from ports import free_port

from harness.arrivals import schedule
from harness.loads import parse_load

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

S = 1_000_000_000
QUICK = ("--corpus", "say", "--listen", "done", "--pause", "50ms")
QUICK_ANSWERS = ("--answer", "300ms", "--ttfa", "100ms")
OPEN, STEPS = (LOCUSTFILE.with_name(f"{name}.py") for name in ("open_arrivals", "steps"))


def begun(locust):
    return [session for session in locust.lines("sessions") if session["event"] == "start"]


def test_workers_that_are_lost_and_that_join_leave_no_call_of_the_schedule_out(folder, simulator):
    target, port = simulator(*QUICK_ANSWERS), free_port()
    rate = ("--arrivals", "3/s", "--call-length", "1s")
    asked = ("-u", 6, "-t", "16s", *rate, "--host", target.url, *QUICK)
    swarm = ("--master", "--expect-workers", 2, "--enable-rebalancing", "--master-bind-port", port)
    joins = ("--worker", "--master-port", port, *QUICK)
    with ExitStack() as running:
        master = running.enter_context(
            Locust(folder, "--headless", *swarm, *asked, locustfile=OPEN)
        )
        lost, _ = (running.enter_context(Locust(folder, *joins, locustfile=OPEN)) for _ in range(2))
        wait_until(lambda: len({s["worker"] for s in begun(master)}) == 2, 60, lambda: master.text)
        lost.process.kill()
        running.enter_context(Locust(folder, *joins, locustfile=OPEN))
        master.wait()

        run, sessions = master.read("run.json"), begun(master)
        told, load = run["arrivals"], parse_load({"arrivals": "3/s", "call_length": "1s"})
        assert len(run["lost_workers"]) == 1
        assert len({session["worker"] for session in sessions}) == 3
        # What the lost worker had not shipped is missing here; nobody else made its calls again.
        made = Counter(session["arrival"] for session in sessions)
        assert set(made.values()) == {1}
        assert told["begun"] + told["waiting"] == told["due"]
        assert len(made) >= told["begun"] - 3 * 4  # of 3 a second, until its next report
        # As the endpoint has it: each begun call is a session, but for what was on its way to the
        # master when the worker was killed, which another has begun once more.
        target.process.terminate()
        assert 0 <= truth_lines(target.truth)[1]["sessions"] - told["begun"] <= 2
        calls = list(islice(schedule(load.arrivals, load.call_length, 1), 100))
        assert set(made) <= {call.number for call in calls[: told["due"]]}
        anchors = {name: ahead(anchor) for name, anchor in run["anchors"].items()}
        for session in sessions:
            due = session["due_at"] + anchors[session["worker"]]
            wanted = told["began_ns"] + calls[session["arrival"] - 1].due
            assert abs(due - wanted) < S // 10


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
