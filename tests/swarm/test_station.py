import json
import subprocess
import sys

import pytest

CASES = {
    "its class's": (["Caller"], None, None, ["wss://voice.example"]),
    "no web page's": (["Caller", "Visitor"], None, None, ["wss://voice.example"]),
    "none": (["Visitor", "Anywhere"], None, None, []),
    "one for all": (["Caller", "Visitor"], "wss://all.example", None, ["wss://all.example"]),
    "the form's": (["Caller"], "wss://all.example", "wss://form.example", ["wss://form.example"]),
}

SCRIPT = """
import json, sys
from types import SimpleNamespace
from locust import HttpUser
from harness.swarm import RealtimeUser
from harness.swarm.local import LocalStation

class Caller(RealtimeUser):
    host = "wss://voice.example"

class Visitor(HttpUser):
    host = "https://shop.example"

class Anywhere(RealtimeUser):
    pass

def hosts(classes, given, posted, _):
    environment = SimpleNamespace(
        runner=None, parsed_options=None, stop_timeout=1, host=given,
        user_classes=[globals()[name] for name in classes],
    )
    return LocalStation(environment, None).hosts(posted)

print(json.dumps({name: hosts(*case) for name, case in json.loads(sys.argv[1]).items()}))
"""


@pytest.fixture(scope="module")
def hosts():
    """By case, what a process of its own finds: to import Locust patches the process."""
    return json.loads(subprocess.check_output([sys.executable, "-c", SCRIPT, json.dumps(CASES)]))


@pytest.mark.parametrize("case", CASES)
def test_callers_call_the_host_given_for_all_or_that_of_their_class(hosts, case):
    assert hosts[case] == CASES[case][-1]
