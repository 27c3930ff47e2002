"""A master and two workers on hosts of their own: whoever is stopped or killed, nothing is lost."""

import json
import signal
import subprocess
import sys
import time

import pytest
from hosts import three_hosts
from locusts import Locust, Running, missed, truth, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.kill]

QUICK = ("--corpus", "say", "--listen", "done", "--pause", "50ms", "--turns", "2")
HANG_UP = 15  # seconds in which workers of a lost master are gone


class Swarm:
    """A simulator and a master on one host, and a worker each on two others."""

    def __init__(self, folder, hosts):
        self.folder, self.hosts = folder, hosts
        self.truth = folder / "truth.jsonl"
        simulate = [sys.executable, "-m", "harness", "simulate", "--host", hosts.address]
        answers = ("--port", "0", "--answer", "300ms", "--ttfa", "100ms", "--truth", self.truth)
        self.target = Running([*hosts.on(0), *simulate, *answers], folder)
        self.running = [self.target]
        self.url = self.target.wait_for(r"listening on (\S+)")[1]

    def start(self, *arguments, port):
        load = ("-u", 4, "-r", 4, "--expect-workers", 2, "--host", self.url, *arguments, *QUICK)
        bind = ("--master-bind-host", self.hosts.address, "--master-bind-port", port)
        self.master = self._start(0, self.folder, "--master", *bind, *load)
        reach = ("--master-host", self.hosts.address, "--master-port", port)
        self.workers = [self._start(n, self.folder / f"host{n}", *reach) for n in (1, 2)]

    def _start(self, host, folder, *arguments):
        part = () if host == 0 else ("--worker",)
        folder.mkdir(exist_ok=True)
        if host:
            (folder / "say").symlink_to(self.folder / "say")
        started = Locust(folder, *part, *arguments, on=self.hosts.on(host))
        self.running.append(started)
        return started

    def wait_for_reports(self, n):
        """Until each worker has reported ``n`` seconds of health."""

        def reported():
            lines = self.master.lines("health")
            names = [line["worker"] for line in lines]
            return len(set(names)) == 2 and min(names.count(name) for name in set(names)) >= n

        wait_until(reported, 60, lambda: self.master.text)

    def made(self):
        """Ids of the responses that the simulator made."""
        self.target.process.terminate()
        return truth(self.truth)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for running in self.running:
            running.__exit__()


@pytest.fixture
def swarm(folder):
    hosts = three_hosts()
    with Swarm(folder, hosts) as swarm:
        yield swarm
    hosts.close()


def responses(path):
    lines = (path / "turns.jsonl").read_text().splitlines()
    return [name for line in lines for name in json.loads(line)["response_ids"]]


def test_a_worker_told_to_stop_and_then_the_end_lose_nothing(swarm, free_port):
    swarm.start("--headless", port=free_port)
    swarm.wait_for_reports(2)
    first, second = swarm.workers
    first.process.send_signal(signal.SIGTERM)
    swarm.master.wait_for(" quits by itself")
    swarm.master.process.terminate()

    assert swarm.master.wait() == swarm.master.judged, swarm.master.text
    # A Job of Kubernetes replaces a pod that was evicted only if it did not end with 0.
    assert [first.wait(), second.wait()] == [128 + signal.SIGTERM, 0]
    run = swarm.master.read("run.json")
    assert run["lost_workers"] == []
    assert [entry["change"] for entry in run["roll"]] == ["quit"]
    assert sorted(swarm.master.heard) == sorted(responses(swarm.master.run))
    assert swarm.master.heard == swarm.made()
    anchors = run["anchors"].values()
    assert len(anchors) == 2
    assert all(abs(anchor["offset_ns"]) <= anchor["bound_ns"] for anchor in anchors)  # one clock
    assert list(swarm.folder.glob("host?/runs/*")) == []


def test_a_killed_worker_costs_a_report_interval_at_most(swarm, free_port):
    web = ("--web-host", swarm.hosts.address, "--web-port", free_port - 1)
    swarm.start(*web, "--autostart", port=free_port)
    swarm.wait_for_reports(7)
    swarm.workers[0].process.kill()
    killed = time.monotonic_ns()
    swarm.master.wait_for(" is missing")
    swarm.master.process.terminate()

    swarm.master.wait()
    assert swarm.workers[1].wait() == 0
    run = swarm.master.read("run.json")
    (lost,) = run["lost_workers"]
    assert {entry["worker"] for entry in run["roll"]} == {lost}
    assert swarm.master.read("summary.json")["roll"][-1]["text"].startswith(f"{lost} was lost")
    made = swarm.made()
    assert swarm.master.heard <= made
    assert missed(swarm.master, swarm.truth, killed) == set()


def test_of_a_killed_master_the_workers_keep_what_it_did_not_get(swarm, free_port):
    swarm.start("--headless", port=free_port)
    swarm.wait_for_reports(4)
    swarm.master.process.kill()
    killed = time.monotonic()

    codes = [worker.wait(60) for worker in swarm.workers]
    took = time.monotonic() - killed

    assert codes == [2, 2], [worker.text for worker in swarm.workers]
    assert took < HANG_UP + 5, took  # and some seconds for a busy machine to end two processes
    kept = list(swarm.folder.glob("host?/runs/*"))
    assert len(kept) == 2
    command = [sys.executable, "-m", "harness", "report", "--quiet", swarm.master.run, *kept]
    subprocess.run(command, check=True)
    (whole,) = swarm.folder.glob("runs/*.merged")
    heard = responses(whole)
    assert len(heard) == len(set(heard))
    assert set(heard) == swarm.made()
    summary = json.loads((whole / "summary.json").read_text())
    assert (summary["master_lost"], summary["lost_workers"]) == (True, [])


def test_when_the_last_worker_is_killed_the_master_ends(swarm, free_port):
    swarm.start("--headless", port=free_port)
    swarm.wait_for_reports(2)
    for worker in swarm.workers:
        worker.process.kill()

    assert swarm.master.wait() == 2, swarm.master.text
    assert "no worker is left" in swarm.master.text
    assert len(swarm.master.read("summary.json")["lost_workers"]) == 2
