import json
import subprocess
import sys

import pytest

# In a process of its own: Locust patches the one that imports it.
SCRIPT = """
import json, random, sys
from types import SimpleNamespace
from locust import TaskSet, User, between, constant, task
from locust.user.wait_time import poisson
import gevent
from harness.swarm import RealtimeUser

class Nested(TaskSet):
    @task
    def inner(self): ...
    @task
    def other(self): ...

class Caller(RealtimeUser):
    wait_time = between(1, 3)
    @task(3)
    def often(self): ...
    @task
    def seldom(self): ...

class Hasty(Caller):
    wait_time = poisson(2)

class Numbers:
    def __init__(self, number): self.number = number
    def take(self, kind): return self.number
    def holds(self, number): return True
    def give_back(self, number): ...

def crowd(seed, number):
    workload = SimpleNamespace(seed=seed)
    return SimpleNamespace(
        setup=SimpleNamespace(workload=workload), numbers=Numbers(number), over=False
    )

def draws(cls, seed, number, noise):
    realtime = SimpleNamespace(crowd=crowd(seed, number))
    user = cls(SimpleNamespace(realtime=realtime))
    def run(user):
        from locust.user.task import DefaultTaskSet
        tasks = DefaultTaskSet(user)
        drawn = []
        for _ in range(6):
            if noise:
                random.random()  # what others draw in the meantime
            drawn += [tasks.get_next_task().__name__, round(user.wait_time(), 9)]
            drawn.append(Nested(user).get_next_task().__name__)
        return drawn
    greenlet = gevent.spawn(run, user)
    greenlet.join()
    return greenlet.get()

cases = {
    "one": draws(Caller, 1, 1, False),
    "again, among others": draws(Caller, 1, 1, True),
    "another caller": draws(Caller, 1, 2, False),
    "another seed": draws(Caller, 2, 1, False),
    "hasty": draws(Hasty, 1, 1, False),
    "hasty again": draws(Hasty, 1, 1, True),
}
random.seed(5)
beside = random.random()
random.seed(5)
from locust.user import wait_time
cases["beside"] = [beside, sys.modules["locust.user.wait_time"].random.random()]
print(json.dumps(cases))
"""


@pytest.fixture(scope="module")
def drawn():
    return json.loads(subprocess.check_output([sys.executable, "-c", SCRIPT]))


def test_the_same_seed_gives_a_caller_the_same_tasks_and_waits(drawn):
    assert drawn["one"] == drawn["again, among others"]
    assert drawn["hasty"] == drawn["hasty again"]


@pytest.mark.parametrize("other", ["another caller", "another seed", "hasty"])
def test_others_do_something_else(drawn, other):
    assert drawn["one"] != drawn[other]


def test_who_is_no_caller_draws_as_ever(drawn):
    first, second = drawn["beside"]
    assert first == second
