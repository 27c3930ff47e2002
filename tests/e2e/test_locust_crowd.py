"""Who the callers of a swarm are: the same crowd for the same seed, wherever its users run."""

import signal
import urllib.request
from collections import defaultdict

import pytest
from locusts import Locust, alive, children, group, truth, wait_until
from prometheus_client.parser import text_string_to_metric_families
from webui import WebUI

pytestmark = pytest.mark.e2e

QUICK = ("--corpus", "say", "--listen", "done", "--pause", "50ms", "--turns", "2")
QUICK_ANSWERS = ("--answer", "300ms", "--ttfa", "100ms")

CROWD = """
from locust import between, task
from harness.swarm import RealtimeUser

class Chatty(RealtimeUser):
    wait_time = between(0.05, 0.3)

    @task
    def ask(self):
        with self.call() as call:
            call.say()

    @task(2)
    def insist(self):
        with self.call() as call:
            call.say()
            call.say()

class Terse(RealtimeUser):
    weight = 2
    wait_time = between(0.05, 0.3)

    @task
    def mention(self):
        with self.call(scenario=f"mention {self.rng.randrange(100)}") as call:
            call.say()
"""


CALLERS = {1, 3, 2, 4, 6, 8}  # 2 chatty, 4 terse ones


def fewest_turns(locust):
    """How many of any caller's turns are on disk."""
    did = crowd_of(locust)
    return min(len(did[caller]) for caller in CALLERS)


def crowd_of(locust):
    """What each caller did, call by call."""
    did = defaultdict(list)
    for turn in sorted(locust.lines("turns"), key=lambda turn: (turn["call"], turn["turn"])):
        did[turn["caller"]].append((turn["call"], turn["turn"], turn["scenario"], turn["said"]))
    return did


def test_the_same_seed_gives_the_same_crowd_files_and_metrics_on_any_number_of_workers(
    folder, simulator, free_port
):
    target = simulator(*QUICK_ANSWERS)
    (folder / "crowd.py").write_text(CROWD)
    swarm = ("--processes", 2, "--master-bind-port", free_port, "--master-port", free_port)
    crowds, left = [], []
    for name, part in (("alone", ()), ("shared", swarm)):
        own = folder / name
        own.mkdir()
        (own / "say").symlink_to(folder / "say")
        load = ("-u", 6, "-r", 6, "--seed", 7, "--host", target.url)
        served = ("--metrics-port", free_port - 3)
        arguments = ("--headless", *part, *load, *served, *QUICK)
        with Locust(own, *arguments, locustfile=folder / "crowd.py") as locust:
            locust.wait_for_turns(1)
            names = metric_names(free_port - 3)
            wait_until(lambda run=locust: fewest_turns(run) >= 2, 60, lambda run=locust: run.text)
            locust.process.terminate()
            assert locust.wait() == locust.judged, locust.text
            crowds.append(crowd_of(locust))
            left.append((names, {path.name for path in locust.run.iterdir()}))

    assert left[0] == left[1]
    alone, shared = crowds
    assert alone.keys() == shared.keys() == CALLERS
    for caller, did in alone.items():
        n = min(len(did), len(shared[caller]))
        assert n >= 2
        assert did[:n] == shared[caller][:n]


def metric_names(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return {family.name for family in text_string_to_metric_families(answer.read().decode())}


def test_workers_that_come_late_or_come_back_are_noted_and_share_no_caller(
    folder, simulator, free_port
):
    target = simulator(*QUICK_ANSWERS)
    bind = ("--master-bind-host", "127.0.0.1", "--master-bind-port", free_port)
    reach = ("--worker", "--master-host", "127.0.0.1", "--master-port", free_port)
    load = ("-u", 4, "-r", 4, "--expect-workers", 1, "--host", target.url)
    with (
        Locust(folder, "--master", *bind, "--headless", *load, *QUICK) as master,
        Locust(folder, *reach) as first,
    ):
        master.wait_for_turns(2)
        with Locust(folder, *reach) as second:
            master.wait_for(r"-1 joined")
            wait_until(lambda: len(workers_of(master)) == 2, 30, lambda: master.text)
            second.process.send_signal(signal.SIGSTOP)
            master.wait_for(r"-1 is missing")
            second.process.send_signal(signal.SIGCONT)
            master.wait_for(r"-1 is back")
            n = len(master.lines("turns"))
            master.wait_for_turns(n + 8)
            master.process.terminate()
            assert master.wait() == master.judged, master.text
            assert (first.wait(), second.wait()) == (0, 0)

    roll = {entry["change"]: entry["t"] for entry in master.read("run.json")["roll"]}
    assert roll.keys() == {"joined", "missing", "returned", "frozen"}
    assert master.read("run.json")["lost_workers"] == []
    assert together(master, roll["returned"]) == []
    target.process.terminate()
    assert master.heard == truth(target.truth)


def test_users_of_a_worker_that_quits_go_to_others_and_a_lost_one_holds_up_no_end(
    folder, simulator, free_port
):
    target = simulator(*QUICK_ANSWERS)
    bind = ("--master", "--master-bind-port", free_port)
    web = ("--web-host", "127.0.0.1", "--web-port", free_port - 1)
    reach = ("--worker", "--master-port", free_port)
    with (
        Locust(folder, *bind, *web, "--host", target.url, *QUICK) as master,
        Locust(folder, *reach) as first,
        Locust(folder, *reach) as second,
    ):
        master.wait_for(r"(?s)reported as ready.*reported as ready")
        ui = WebUI(master, free_port - 1)
        assert ui.post("/swarm", **ui.form())["success"]
        master.wait_for_turns(2)
        with Locust(folder, *reach) as third:
            master.wait_for(r"-2 joined")
            first.process.terminate()
            assert first.wait() == 143
            master.wait_for(r"(?s)Worker \S+ \(.*\) quit.*Sending spawn jobs of 2 users")
            third.process.kill()
            master.wait_for(r"-2 is missing")
        ui.post("/stop")
        wait_until((master.run / "summary.json").exists, 40, lambda: master.text)
        wait_until(lambda: ui.state() in ("ready", "stopped"), 60, ui.state)
        assert master.read("summary.json")["max_concurrency"] <= 2
        master.process.terminate()
        assert (master.wait(), second.wait()) == (master.judged, 0)


def workers_of(locust):
    return {turn["worker"] for turn in locust.lines("turns")}


def callers_of(locust):
    return {turn["caller"] for turn in locust.lines("turns")}


def together(locust, after):
    """Callers who were on two workers at once, in calls that began ``after`` so many seconds."""
    starts = defaultdict(list)
    begun = min(line["at"] for line in locust.lines("health"))
    for line in locust.lines("sessions"):
        if line["event"] == "end" and line["started_at"] > begun + after * 1e9:
            starts[line["caller"]].append((line["started_at"], line["at"], line["worker"]))
    return [
        (caller, one, other)
        for caller, calls in starts.items()
        for one in calls
        for other in calls
        if one[2] != other[2] and one[0] < other[0] < one[1]
    ]


def test_the_second_run_of_a_swarm_from_the_web_ui_starts_clean(folder, simulator, free_port):
    target = simulator(*QUICK_ANSWERS)
    ports = ("--master-bind-port", free_port, "--master-port", free_port)
    web = ("--web-host", "127.0.0.1", "--web-port", free_port - 1)
    with Locust(folder, "--processes", 2, *ports, *web, "--host", target.url, *QUICK) as locust:
        locust.wait_for(r"(?s)reported as ready.*reported as ready")
        ui = WebUI(locust, free_port - 1)
        heard = set()
        for _ in range(2):
            assert ui.post("/swarm", **ui.form())["success"]
            run = wait_until(lambda before=frozenset(heard): new_run(locust, before), 40)
            wait_until(lambda: callers_of(locust) == {1, 2}, 40, lambda: locust.text)
            ui.post("/stop")
            wait_until((locust.run / "summary.json").exists, 40, lambda: locust.text)
            assert callers_of(locust) == {1, 2}
            assert {turn["run"] for turn in locust.lines("turns")} == {run}
            assert min(turn["call"] for turn in locust.lines("turns")) == 1
            assert locust.read("summary.json")["lost_workers"] == []
            assert not heard & locust.heard
            heard |= locust.heard
        workers = set(children(locust.process.pid)) & set(group(locust.process.pid))
        assert len(workers) == 2
        locust.process.terminate()
        assert locust.wait() == locust.judged, locust.text
        wait_until(lambda: not any(map(alive, workers)), 60)
    target.process.terminate()
    assert heard == truth(target.truth)


def new_run(locust, heard):
    """The name of the newest run, if its turns are none of those ``heard``."""
    if not (locust.run / "run.json").exists() or heard & locust.heard:
        return None
    return locust.read("run.json")["run"]
