import json
import subprocess
import sys

import pytest

CASES = {
    "steady": ("Steady", {"num_users": 40, "spawn_rate": 2, "run_time": 60}),
    "steps": ("Steps", {"num_users": 40, "spawn_rate": 10, "step_time": "30s"}),
    "steps, cut short": ("Steps", {"num_users": 40, "spawn_rate": 10, "run_time": 70}),
    "spike": ("Spike", {"num_users": 100, "spawn_rate": 5, "spike_base": "10"}),
    "soak": ("Soak", {"num_users": 100, "spawn_rate": 1}),
    "posted": ("Steady", {"num_users": 1, "user_count": "7", "spawn_rate": "7", "run_time": "1m"}),
}

SCRIPT = """
import json, sys
import configargparse
from locust import events
from types import SimpleNamespace
from harness.swarm import shapes
from harness.swarm.cli_options import add_options

class Stairs(shapes.Steps):
    options = {**shapes.Steps.options, "step_time": "20s", "turns": "2"}

def planned(kind, values):
    shape = type(kind, (getattr(shapes, kind),), {})()
    plan = shape.plan(values)
    return [plan.duration, plan.peak, [plan.users_at(t) for t in (5, 45, 65)]]

def ticks():
    shape = Stairs()
    options = SimpleNamespace(num_users=4, spawn_rate=1, run_time=None, step_time="20s")
    shape.runner = SimpleNamespace(environment=SimpleNamespace(parsed_options=options))
    shape.reset_time()
    first = shape.tick()
    shape.start_time -= 75
    third = shape.tick()
    shape.start_time -= 5
    return [first, third, shape.tick()]

parser = configargparse.ArgumentParser()
events.init_command_line_parser.fire(parser=parser)
add_options(parser)
offered = vars(parser.parse_args([]))
print(json.dumps({
    "planned": {name: planned(*case) for name, case in json.loads(sys.argv[1]).items()},
    "offered": {name: offered.get(name, "not there")
                for name in ("steps", "step_time", "turns", "spike_time", "frame_ms")},
    "ticks": ticks(),
}))
"""


@pytest.fixture(scope="module")
def seen():
    """What a process of its own finds: to import Locust patches the process."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(CASES)]
    return json.loads(subprocess.check_output(command))


@pytest.mark.parametrize(
    ("case", "duration", "peak", "users"),
    [
        ("steady", 60, 40, [10, 40, 0]),
        ("steps", 120, 40, [10, 20, 30]),
        ("steps, cut short", 70, 20, [10, 10, 20]),
        ("spike", 151.8, 100, [10, 10, 100]),
        ("soak", 3600, 100, [5, 45, 65]),
        ("posted", 60, 7, [7, 7, 0]),
    ],
)
def test_a_shape_is_planned_by_the_options_and_locusts_own(seen, case, duration, peak, users):
    assert seen["planned"][case] == [pytest.approx(duration), peak, users]


def test_a_locustfile_offers_the_options_of_its_shape_and_its_own_defaults(seen):
    assert seen["offered"] == {
        "steps": "25%,50%,75%,100%",
        "step_time": "20s",
        "turns": "2",
        "spike_time": "not there",
        "frame_ms": "20",
    }


def test_locust_is_told_where_users_are_bound_for_and_when_it_is_over(seen):
    assert seen["ticks"] == [[1, 1.0], [4, 100.0], None]
