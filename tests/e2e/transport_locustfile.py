"""Callers on a bare transport, who talk until they are killed; each process notes what it left."""

import json
import os
import stat
from pathlib import Path

import gevent
from locust import User, events, task

from harness.hub import hub_watch
from harness.transport import connect

ended = []


class Caller(User):
    @task
    def talk(self):
        heard = []
        transport = connect(
            self.host,
            on_message=lambda data, at, uncertainty: heard.append(data),
            on_close=ended.append,
            ca_file=Path(os.environ["CA_FILE"]),
        )
        try:
            while True:
                transport.write(b"x" * 1400)
                gevent.sleep(0.02)
        finally:
            transport.abort()


def connections():
    """Sockets open in this process."""
    return sum(map(is_socket, Path("/proc/self/fd").iterdir()))


def is_socket(path):
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


@events.test_start.add_listener
def note_start(environment, **_):
    environment.connections_before = connections()


@events.test_stop.add_listener
def note_stop(environment, **_):
    left = {
        "connections": connections() - environment.connections_before,
        "ended": len(ended),
        "internal_errors": hub_watch().internal_errors,
        "watched_by": hub_watch().pid,
    }
    Path(os.environ["LEFT"], f"{os.getpid()}.json").write_text(json.dumps(left))
