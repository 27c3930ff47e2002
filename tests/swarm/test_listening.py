import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
from types import SimpleNamespace
import gevent
from gevent.event import Event
from gevent.pool import Group
from locust.env import Environment
from harness.swarm.listening import Listening

def order(messages):
    done, heard_out = [], Event()

    def handle(message):
        if message.type == "stop":
            heard_out.wait()
        done.append(message.type)

    runner = SimpleNamespace(
        greenlet=Group(), handle_message=handle, environment=Environment(user_classes=[])
    )
    Listening(runner)

    def listen():
        for type in messages:
            runner.handle_message(SimpleNamespace(type=type))

    listener = gevent.spawn(listen)
    gevent.sleep(0.05)
    heard = list(done)
    heard_out.set()
    gevent.joinall([listener, *runner.greenlet], raise_error=True)
    return [heard, done[len(heard):]]

print(json.dumps([order(messages) for messages in json.loads(sys.argv[1])]))
"""

CASES = {
    "no stop": (["spawn", "heartbeat", "quit"], ["spawn", "heartbeat", "quit"], []),
    "told to cut": (["stop", "realtime_cut"], ["realtime_cut"], ["stop"]),
    "a receipt, a heartbeat": (
        ["stop", "realtime_received", "heartbeat"],
        ["realtime_received", "heartbeat"],
        ["stop"],
    ),
    "another run": (
        ["spawn", "stop", "heartbeat", "spawn", "heartbeat"],
        ["spawn", "heartbeat"],
        ["stop", "spawn", "heartbeat"],
    ),
    "the end": (["stop", "quit"], [], ["stop", "quit"]),
    "stopped twice": (["stop", "stop"], [], ["stop", "stop"]),
}


@pytest.fixture(scope="module")
def found():
    """What a process of its own finds: to import Locust patches the process."""
    messages = json.dumps([case[0] for case in CASES.values()])
    return json.loads(subprocess.check_output([sys.executable, "-c", SCRIPT, messages]))


@pytest.mark.parametrize("case", CASES)
def test_while_calls_are_heard_out_only_what_ends_or_begins_a_run_waits(found, case):
    _, heard_meanwhile, heard_after = CASES[case]

    assert found[list(CASES).index(case)] == [heard_meanwhile, heard_after]
