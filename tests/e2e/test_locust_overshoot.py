"""Never more users than asked for: workers join, are cut off, and return though replaced."""

import json
import os
import signal
import time
import urllib.request
from collections import Counter
from urllib.parse import urlsplit

import pytest
from cable import Cable
from locusts import LOCUSTFILE, Locust, children, group, wait_until

pytestmark = pytest.mark.e2e

LONG = ("--corpus", "say", "--turns", "50", "--stop-timeout", "12")
ANSWERS = ("--answer", "60s", "--ttfa", "100ms")


def calls(target):
    """How many the endpoint has now, and has had."""
    host = urlsplit(target.url).netloc
    with urllib.request.urlopen(f"http://{host}/totals") as answer:
        totals = json.load(answer)
    return totals["open_sessions"], totals["sessions"]


def watch(target, *, begun):
    """``(seconds, calls)``, again and again until four go on, and ``begun`` or more have begun."""
    seen, deadline = [], time.monotonic() + 60
    while True:
        now, had = calls(target)
        seen.append((time.monotonic(), now))
        if now == 4 and had >= begun:
            return seen
        assert time.monotonic() < deadline, seen[-1]
        time.sleep(0.05)


def test_a_worker_that_is_cut_off_hangs_up_before_others_have_its_users(
    folder, simulator, free_port
):
    target = simulator(*ANSWERS)
    load = ("-u", 4, "-r", 4, "--enable-rebalancing", "--host", target.url, *LONG)
    bind = ("--master", "--expect-workers", 2, "--master-bind-port", free_port)
    with Locust(folder, "--headless", *bind, *load) as master, Cable(free_port) as cable:
        reach, elsewhere = ("--worker", *LONG, "--master-port"), folder / "far"
        elsewhere.mkdir()
        (elsewhere / "say").symlink_to(folder / "say")
        with Locust(folder, *reach, free_port), Locust(elsewhere, *reach, cable.port) as far:
            wait_until(lambda: calls(target)[0] == 4, 60, lambda: master.text)
            cable.cut()
            seen = watch(target, begun=6)  # who is cut off hangs up, others begin
            assert far.wait(20) == 2, far.text
            master.process.terminate()
            master.wait()

            over = [t for t, n in seen if n > 4]
            assert not over or over[-1] - over[0] < 2
            (rest,) = elsewhere.glob("runs/*")
            turns = [json.loads(line) for line in (rest / "turns.jsonl").read_text().splitlines()]
            assert [turn["outcome"] for turn in turns] == ["cut", "cut"]


QUICK_BEATS = f"""
import sys
from locust import runners
sys.path.insert(0, {str(LOCUSTFILE.parent)!r})
from realtime import Caller
runners.HEARTBEAT_INTERVAL = 0.1
"""


def test_users_of_a_lost_worker_go_to_others_in_the_end_and_nobody_begins_anew(
    folder, simulator, free_port
):
    target = simulator(*ANSWERS)
    (folder / "beats.py").write_text(QUICK_BEATS)
    swarm = ("--processes", 2, "--master-bind-port", free_port, "--master-port", free_port)
    load = ("-u", 4, "-r", 0.5, "--host", target.url, *LONG, "--stop-timeout", 1)
    with Locust(folder, "--headless", *swarm, *load, locustfile=folder / "beats.py") as locust:
        wait_until(lambda: calls(target)[0] == 4, 40, lambda: locust.text)
        forked = set(children(locust.process.pid)) & set(group(locust.process.pid))
        _, before = calls(target)
        os.kill(min(forked), signal.SIGKILL)
        watch(target, begun=before + 2)
        _, after = calls(target)
        locust.process.terminate()
        locust.wait()

        assert after == before + 2


def test_a_worker_that_was_frozen_hangs_up_as_it_goes_on_and_is_given_its_share_again(
    folder, simulator, free_port
):
    target = simulator("--answer", "240s", "--ttfa", "100ms")  # on its way for a minute
    swarm = ("--processes", 2, "--master-bind-port", free_port, "--master-port", free_port)
    load = ("-u", 4, "-r", 4, "--enable-rebalancing", "--host", target.url)
    with Locust(folder, "--headless", *swarm, *load, *LONG) as locust:
        locust.wait_for("All users spawned")
        wait_until(lambda: calls(target)[0] == 4, 40, lambda: locust.text)
        forked = set(children(locust.process.pid)) & set(group(locust.process.pid))
        (_, before), frozen = calls(target), min(forked)
        os.kill(frozen, signal.SIGSTOP)
        stopped = time.monotonic()
        locust.wait_for("setting state to missing")
        locust.wait_for(r"(?s)setting state to missing.*All users spawned.*4 total users")
        wait_until(lambda: calls(target)[0] == 6, 40)  # two of them of nobody who runs
        wait_until(lambda: time.monotonic() > stopped + 6.5, 10)  # not long after, if at all
        os.kill(frozen, signal.SIGCONT)

        locust.wait_for("was frozen for 6 s or more: its calls are cut")
        locust.wait_for("users instead of 4: those who leave hear nothing out")
        watch(target, begun=before + 4)
        assert calls(target) == (4, before + 4)  # two for the frozen ones, and two anew
        turns = wait_until(lambda: locust.lines("turns")[3:], 20) and locust.lines("turns")
        locust.process.terminate()
        locust.wait()

        # Two that were frozen, whose callers took no silence for the endpoint's; two that left.
        assert [turn["outcome"] for turn in turns] == ["cut"] * 4
        assert sorted(Counter(turn["worker"] for turn in turns).values()) == [2, 2]
        assert locust.read("run.json")["over_target_s"] > 0
        assert "frozen" in {entry["change"] for entry in locust.read("run.json")["roll"]}
        assert "master has been silent" not in locust.text
