"""A load test over several processes: the same files and the same truth as in one."""

import json
import os
import signal
import time
import urllib.request
from urllib.parse import urlsplit

import pytest
from locusts import LOCUSTFILE, Locust, children, group, missed, truth, wait_until
from ports import free_port
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.e2e

QUICK = ("--corpus", "say", "--listen", "done", "--pause", "50ms", "--turns", "2")
TALK = ("--corpus", "say", "--pause", "50ms", "--turns", "2")
QUICK_ANSWERS = ("--answer", "300ms", "--ttfa", "100ms")


@pytest.fixture
def two_workers():
    """Two forked workers, on a port on which no other test's master listens."""
    port = free_port()
    return ("--processes", 2, "--master-bind-port", port, "--master-port", port)


def callers(locust, name):
    """The numbers of those who are in its records."""
    return {line["caller"] for line in locust.lines(name)}


def heard_s(target):
    """Seconds of speech that the endpoint has heard."""
    host = urlsplit(target.url).netloc
    with urllib.request.urlopen(f"http://{host}/totals") as answer:
        return json.load(answer)["audio_in_s"]


def workers_of(locust):
    """Process ids of the workers forked from a master."""
    return [pid for pid in children(locust.process.pid) if pid in group(locust.process.pid)]


def test_forked_workers_leave_what_one_process_leaves(folder, simulator, two_workers):
    target = simulator(*QUICK_ANSWERS)
    arguments = (*two_workers, "-u", 5, "-r", 5, "--host", target.url)
    with Locust(folder, "--headless", *arguments, *QUICK) as locust:
        wait_until(lambda: callers(locust, "turns") >= {1, 2, 3, 4, 5}, 40, lambda: locust.text)
        locust.process.terminate()
        assert locust.wait() == locust.judged, locust.text

        run, turns = locust.read("run.json"), locust.lines("turns")
        assert locust.read("summary.json")["outcomes"] == {"completed": len(turns)}
        assert {turn["caller"] for turn in turns} == {1, 2, 3, 4, 5}
        assert {turn["run"] for turn in turns} == {run["run"]}
        assert len(run["anchors"]) == 2
        assert {turn["worker"] for turn in turns} == run["anchors"].keys()
        assert {line["worker"] for line in locust.lines("health")} == run["anchors"].keys()
        assert run["lost_workers"] == []
        assert run["users_max"] == 5
        assert "Traceback" not in locust.text
        target.process.terminate()
        assert locust.heard == truth(target.truth)


@pytest.mark.parametrize(
    ("number", "everyone"),
    [(signal.SIGTERM, False), (signal.SIGINT, True), (signal.SIGHUP, True)],
    ids=["to the master", "Ctrl-C to all", "terminal closed"],
)
def test_a_signal_ends_all_processes_together_with_every_turn(
    folder, simulator, two_workers, number, everyone
):
    target = simulator(*QUICK_ANSWERS)
    arguments = (*two_workers, "-u", 4, "-r", 4, "--host", target.url)
    heeds = ("env", "--default-signal=HUP")  # though whoever runs the tests may do without
    with Locust(folder, "--headless", *arguments, *QUICK, on=heeds) as locust:
        locust.wait_for_turns(4)
        pids = group(locust.process.pid) if everyone else [locust.process.pid]
        for pid in pids * (2 if number == signal.SIGHUP else 1):  # of the kernel and of the shell
            os.kill(pid, number)
        assert locust.wait() == locust.judged, locust.text

        wait_until(lambda: not group(locust.process.pid), 20)
        turns = locust.lines("turns")
        assert locust.read("summary.json")["outcomes"] == {"completed": len(turns)}
        target.process.terminate()
        assert locust.heard == truth(target.truth)


def test_the_second_ctrl_c_at_a_master_cuts_the_calls_of_workers_that_hear_none(folder, simulator):
    target, port = simulator("--ttfa", "90s"), free_port()
    bind = ("--master", "--expect-workers", 1, "--master-bind-port", port)
    load = ("-u", 2, "-r", 2, "--stop-timeout", 80, "--host", target.url, *TALK)
    patient = ("--timeout-first-audio", "100s")
    with (
        Locust(folder, "--headless", *bind, *load, *patient) as master,
        Locust(folder, "--worker", "--master-port", port, *TALK) as worker,
    ):
        wait_until(lambda: heard_s(target) > 0, 40, lambda: master.text)
        master.process.send_signal(signal.SIGINT)
        master.wait_for("Ctrl-C once more")
        master.process.send_signal(signal.SIGINT)
        assert master.wait() == master.judged, master.text
        assert worker.wait(20) == 0, worker.text

        assert {turn["outcome"] for turn in master.lines("turns")} == {"cut"}
        assert master.read("run.json")["lost_workers"] == []
        assert "Traceback" not in master.text + worker.text


def test_autostart_and_autoquit_end_as_a_headless_run_does(folder, simulator, two_workers):
    target = simulator(*QUICK_ANSWERS)
    web = ("--web-host", "127.0.0.1", "--web-port", free_port())
    start = ("--autostart", "--autoquit", 0, "-u", 4, "-r", 4, "-t", "4s")
    with Locust(folder, *two_workers, *web, *start, "--host", target.url, *QUICK) as locust:
        assert locust.wait() == locust.judged, locust.text

        wait_until(lambda: not group(locust.process.pid), 20)
        assert locust.read("summary.json")["turns"] == len(locust.lines("turns"))
        target.process.terminate()
        assert locust.heard == truth(target.truth)


def test_a_shape_that_is_over_ends_the_swarm(folder, simulator, two_workers):
    target = simulator(*QUICK_ANSWERS)
    shaped = folder / "shaped.py"
    shaped.write_text(
        f"import sys; sys.path.insert(0, {str(LOCUSTFILE.parent)!r})\n"
        "from pathlib import Path\n"
        "from realtime import Caller\n"
        "from locust import LoadTestShape\n"
        "class Steps(LoadTestShape):\n"
        "    def tick(self):\n"
        "        if Path('over').exists():\n"
        "            return None\n"
        "        return 2 if self.get_run_time() < 2 else 4, 4\n"
    )
    arguments = (*two_workers, "--host", target.url)
    with Locust(folder, "--headless", *arguments, *QUICK, locustfile=shaped) as locust:
        wait_until(lambda: callers(locust, "turns") >= {1, 2, 3, 4}, 40, lambda: locust.text)
        (folder / "over").touch()
        assert locust.wait() == locust.judged, locust.text

        assert locust.read("run.json")["users_max"] == 4
        assert callers(locust, "turns") == {1, 2, 3, 4}
        target.process.terminate()
        assert locust.heard == truth(target.truth)


def test_the_master_serves_what_its_workers_serve_each_for_themselves(
    folder, simulator, two_workers
):
    target = simulator(*QUICK_ANSWERS)
    port = free_port()
    arguments = (*two_workers, "-u", 4, "-r", 4, "--host", target.url, "--metrics-port", port)
    # Everybody says one thing, then nothing for so long that no count moves any more.
    with Locust(folder, "--headless", *arguments, *QUICK, "--pause", "5m") as locust:
        locust.wait_for_turns(4)
        assert [turns_total(port + n) for n in (1, 2)] == [2, 2]
        wait_until(lambda: turns_total(port) == 4, 30)
        locust.process.terminate()
        assert locust.wait() == locust.judged, locust.text


def turns_total(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "realtime_turns_total"
    )


def test_a_ramp_ends_where_it_is_when_the_time_is_up(folder, simulator, two_workers):
    target = simulator(*QUICK_ANSWERS)
    arguments = (*two_workers, "-u", 60, "-r", 2, "-t", "3s", "--host", target.url)
    with Locust(folder, "--headless", *arguments, *QUICK) as locust:
        assert locust.wait() == locust.judged, locust.text

        wait_until(lambda: not group(locust.process.pid), 20)
        assert callers(locust, "sessions") < set(range(1, 60))
        target.process.terminate()
        assert locust.heard == truth(target.truth)


def test_a_worker_that_quits_while_others_come_begins_nothing(folder, simulator, two_workers):
    target = simulator("--answer", "2s", "--ttfa", "100ms")
    arguments = (*two_workers, "-u", 30, "-r", 2, "--host", target.url, *TALK)
    with Locust(folder, "--headless", *arguments) as locust:
        wait_until(lambda: len(callers(locust, "sessions")) >= 2, 30, lambda: locust.text)
        os.kill(workers_of(locust)[0], signal.SIGTERM)
        locust.wait_for(r"Worker .* quit")
        there = callers(locust, "sessions")
        wait_until(lambda: callers(locust, "sessions") > there, 40, lambda: locust.text)
        locust.process.terminate()
        assert locust.wait() == locust.judged, locust.text

        assert [entry["change"] for entry in locust.read("run.json")["roll"]] == ["quit"]
        assert locust.read("run.json")["lost_workers"] == []
        target.process.terminate()
        assert locust.heard == truth(target.truth)


def test_a_worker_told_to_stop_ships_its_last_turns(folder, simulator, two_workers):
    target = simulator(*QUICK_ANSWERS)
    arguments = (*two_workers, "-u", 4, "-r", 4, "--host", target.url)
    with Locust(folder, "--headless", *arguments, *QUICK) as locust:
        locust.wait_for_turns(4)
        os.kill(workers_of(locust)[0], signal.SIGTERM)
        locust.wait_for(r"Worker .* quit")
        locust.process.terminate()
        assert locust.wait() == locust.judged, locust.text

        assert locust.read("run.json")["lost_workers"] == []
        target.process.terminate()
        assert locust.heard == truth(target.truth)


@pytest.mark.parametrize("to", ["/dev/full", ">(head -n 1)"])
def test_a_run_of_which_nobody_reads_what_it_says_is_measured_to_its_end(
    folder, simulator, two_workers, to
):
    target = simulator(*QUICK_ANSWERS)
    unread = ("bash", "-c", f'exec "$@" > {to} 2>&1', "bash")
    arguments = (*two_workers, "-u", 4, "-r", 4, "--host", target.url)
    with Locust(folder, "--headless", *arguments, *QUICK, on=unread, PYTHONUNBUFFERED="") as locust:
        locust.wait_for_turns(6)
        locust.process.terminate()
        assert locust.wait() == locust.judged

        assert locust.read("run.json")["state"] == "ended"
        assert locust.read("summary.json")["outcomes"].keys() == {"completed"}
        target.process.terminate()
        assert locust.heard == truth(target.truth)


def test_workers_whose_master_is_killed_hang_up_though_nobody_reads_that(
    folder, simulator, two_workers
):
    target = simulator(*QUICK_ANSWERS)
    unread = ("bash", "-c", 'exec "$@" > >(head -n 1) 2>&1', "bash")
    arguments = (*two_workers, "-u", 4, "-r", 4, "--host", target.url)
    with Locust(folder, "--headless", *arguments, *QUICK, on=unread) as locust:
        locust.wait_for_turns(6)
        locust.process.kill()
        locust.wait()
        wait_until(lambda: not group(locust.process.pid), 60)

        assert {line["event"] for line in locust.lines("sessions")} == {"start", "end"}


def test_a_killed_worker_is_named_and_the_rest_is_whole(folder, simulator, two_workers):
    target = simulator(*QUICK_ANSWERS)
    arguments = (*two_workers, "-u", 4, "-r", 4, "--host", target.url)
    with Locust(folder, "--headless", *arguments, *QUICK) as locust:
        wait_until(lambda: len(locust.lines("health")) >= 14, 60)
        wait_until(lambda: len({turn["worker"] for turn in locust.lines("turns")}) == 2, 40)
        os.kill(workers_of(locust)[0], signal.SIGKILL)
        killed = time.monotonic_ns()
        locust.process.terminate()
        locust.wait()

        run, turns = locust.read("run.json"), locust.lines("turns")
        (lost,) = run["lost_workers"]
        assert len({turn["worker"] for turn in turns} - {lost}) == 1
        assert locust.read("summary.json")["lost_workers"] == [lost]
        assert [entry["worker"] for entry in run["roll"]] == [lost]
        target.process.terminate()
        assert locust.heard <= truth(target.truth)
        assert missed(locust, target.truth, killed) == set()


def test_a_master_names_its_host_before_it_starts_by_itself(folder):
    with Locust(folder, "--master", "--headless", "--master-bind-port", 0, *QUICK) as locust:
        assert locust.wait() == 2, locust.text

        assert "name a host with --host" in locust.text
        assert "Traceback" not in locust.text


IMPATIENT = f"""
import sys
from pathlib import Path
import gevent
from locust import events
sys.path.insert(0, {str(LOCUSTFILE.parent)!r})
from realtime import Caller

def lose_patience(options):
    while not Path("enough").exists():
        gevent.sleep(0.1)
    options.expect_workers_max_wait = 1

@events.init.add_listener
def begin(environment, **_):
    gevent.spawn(lose_patience, environment.parsed_options)
"""
"""A locustfile whose ``--expect-workers-max-wait`` is over when a test says so."""


@pytest.mark.parametrize("ending", ["patience", "a signal"])
def test_a_master_waits_for_workers_though_one_quits_and_ends_with_those_that_wait_too(
    folder, simulator, ending
):
    target, port = simulator(), free_port()
    (folder / "impatient.py").write_text(IMPATIENT)
    bind = ("--master", "--expect-workers", 2, "--master-bind-port", port)
    reach = ("--worker", "--master-port", port)
    arguments = ("--headless", *bind, "--host", target.url, *QUICK)
    with Locust(folder, *arguments, locustfile=folder / "impatient.py") as master:
        with Locust(folder, *reach, *QUICK) as first:
            master.wait_for("reported as ready")
            wait_until(lambda: first.heeds(signal.SIGTERM), 20, lambda: first.text)
            first.process.terminate()
            assert first.wait(20) == 143
        with Locust(folder, *reach, *QUICK) as second:
            master.wait_for("(?s)reported as ready.*reported as ready")
            wait_until(lambda: second.heeds(signal.SIGTERM), 20, lambda: second.text)
            if ending == "a signal":
                master.process.terminate()
            else:
                (folder / "enough").touch()
            assert master.wait(20) == 2
            assert second.wait(20) == 0, second.text

        why = {"patience": "gave up waiting for workers", "a signal": "stopped before all workers"}
        assert why[ending] in master.text


def test_what_cannot_work_leaves_no_worker_behind(folder, two_workers):
    arguments = (*two_workers, "--host", "ws://127.0.0.1:9")
    with Locust(folder, "--headless", *arguments, *QUICK) as locust:
        assert locust.wait() == 2, locust.text

        assert locust.text.count("ws://127.0.0.1:9: ") == 1
        wait_until(lambda: not group(locust.process.pid), 20)
