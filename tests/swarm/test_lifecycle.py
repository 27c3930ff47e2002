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
from harness.swarm.silence import HASTE, LOOK, MASTER_SILENT, WORKER_SILENT
from locust import runners
worker, looks = runners.WorkerNode("a", heartbeat_liveness=runners.HEARTBEAT_LIVENESS), 1
while worker.heartbeat >= 0:  # as the master does once a beat
    worker.heartbeat -= 1
    looks += 1
assert looks * runners.HEARTBEAT_INTERVAL == WORKER_SILENT
assert MASTER_SILENT + LOOK + HASTE < (looks - 1) * runners.HEARTBEAT_INTERVAL
"""


TOGETHER = """
from harness.swarm import RealtimeUser
from locust.stats import RequestStats
stats = RequestStats()
for method, name, milliseconds in (
    ("WS", "connect", 3), ("WS", "session", 2), ("VOICE", "ttfa", 300), ("VOICE", "turn", 7000),
    ("VOICE", "ttfa", 500), ("GET", "/login", 400),
):
    stats.log_request(method, name, milliseconds, 10)
assert stats.num_requests == 6
assert stats.total.total_content_length == 60
assert stats.total.response_times == {300: 1, 400: 1, 500: 1}
assert stats.total.get_response_time_percentile(0.5) == 400
assert stats.get("turn", "VOICE").median_response_time == 7000
"""


def run(script):
    """In a process of its own: Locust patches the one that imports it."""
    return subprocess.run([sys.executable, "-c", script], check=False).returncode


def test_a_step_of_a_ramp_makes_no_parser_for_every_option():
    assert run(STEP) == 0


def test_a_worker_hangs_up_before_its_users_can_be_given_to_others():
    assert run(SILENCE) == 0


def test_of_our_rows_only_the_time_to_first_audio_counts_in_all_together():
    assert run(TOGETHER) == 0
