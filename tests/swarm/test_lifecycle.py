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

SILENCE = """
from harness.swarm import RealtimeUser
from harness.swarm.silence import HASTE, MASTER_SILENT, WORKER_SILENT
from harness.swarm.worker import LOOK
from locust import runners
worker, looks = runners.WorkerNode("a", heartbeat_liveness=runners.HEARTBEAT_LIVENESS), 1
while worker.heartbeat >= 0:  # as the master does once a beat
    worker.heartbeat -= 1
    looks += 1
assert looks * runners.HEARTBEAT_INTERVAL == WORKER_SILENT
assert MASTER_SILENT + LOOK + HASTE < (looks - 1) * runners.HEARTBEAT_INTERVAL
"""


def run(script):
    """In a process of its own: Locust patches the one that imports it."""
    return subprocess.run([sys.executable, "-c", script], check=False).returncode


def test_a_step_of_a_ramp_makes_no_parser_for_every_option():
    assert run(STEP) == 0


def test_a_worker_hangs_up_before_its_users_can_be_given_to_others():
    assert run(SILENCE) == 0
