import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
import gevent
from locust import User, constant, task
from locust.env import Environment
from locust.runners import WorkerNode
from harness.swarm.staff import Dispatcher, count_leavers_as_gone, leavers

class Talks(User):
    wait_time = constant(0)
    @task
    def talk(self):
        ended.wait()

class Listens(Talks):
    pass

def counts(targets):
    global ended
    ended = gevent.event.Event()
    environment = Environment(user_classes=[Talks, Listens], stop_timeout=9)
    runner = environment.create_local_runner()
    count_leavers_as_gone(runner)
    for target in targets:
        runner.start(target, 100)
        gevent.sleep(0.2)
    leave = leavers(runner)
    ended.set()
    gevent.joinall(leave, 5)
    found = {name: n for name, n in runner.user_classes_count.items()}
    runner.quit()
    return found

def has_ended(joins):
    nodes = [WorkerNode(str(n)) for n in range(3)]
    dispatcher = Dispatcher(nodes[:2], [Talks])
    dispatcher.new_dispatch(4, 100)
    list(dispatcher)
    if joins:
        dispatcher.add_worker(nodes[2])
        dispatcher.new_dispatch(4, 100)
        list(dispatcher)
    return not dispatcher.dispatch_in_progress

print(json.dumps({
    "counts": [counts(targets) for targets in json.loads(sys.argv[1])],
    "ended": [has_ended(joins) for joins in (False, True)],
}))
"""

TARGETS = {
    "fewer": [6, 2],
    "fewer, then as many as before": [6, 2, 6],
    "fewer, then some more": [6, 2, 4],
    "fewer, then more than before": [6, 2, 8],
    "fewer and fewer": [8, 6, 4, 2],
    "down and up and down": [8, 2, 6, 4],
    "as many once more": [6, 2, 2],
}


@pytest.fixture(scope="module")
def found():
    """What a process of its own finds: to import Locust patches the process."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(list(TARGETS.values()))]
    return json.loads(subprocess.check_output(command, stderr=subprocess.DEVNULL))


@pytest.mark.parametrize("case", TARGETS)
def test_as_many_users_are_left_as_were_asked_for_last(found, case):
    targets = TARGETS[case]
    half = targets[-1] // 2

    assert found["counts"][list(TARGETS).index(case)] == {"Talks": half, "Listens": half}


def test_whoever_gives_users_to_workers_is_done_when_they_have_them(found):
    assert found["ended"] == [True, True]
