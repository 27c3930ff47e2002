import subprocess
import sys

STEP = """
from harness.swarm import RealtimeUser
from locust import argument_parser
first = argument_parser.default_args_dict()
argument_parser.get_empty_argument_parser = None
assert argument_parser.default_args_dict() is first
assert "num_users" in first
"""


def test_a_step_of_a_ramp_makes_no_parser_for_every_option():
    # In a process of its own: Locust patches the one that imports it.
    assert subprocess.run([sys.executable, "-c", STEP], check=False).returncode == 0
