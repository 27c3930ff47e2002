import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from peers import listening, until
from ports import free_port

LOCUSTFILE = Path(__file__).with_name("transport_locustfile.py")

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


class Crowd:
    """A server that echoes to many, and notes how each left."""

    def __init__(self):
        self.came = 0
        self.heard = set()
        self.codes = []
        self._lock = threading.Lock()

    def __call__(self, peer):
        peer.upgrade()
        with self._lock:
            self.came += 1
            me = self.came
        self.codes.append(peer.echo(heard=lambda: self.heard.add(me)))


@contextmanager
def locust(host, users, folder, *options):
    """Locust at work, its own leader of a process group; nothing of it is left afterwards."""
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"]
    command += ["-u", str(users), "-r", str(users), "--host", host, *options]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | {"LEFT": str(folder), "CA_FILE": str(folder / "ca.pem")},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
        process.wait(30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def server_context(folder):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize(("scheme", "processes"), [("ws", 1), ("ws", 2), ("wss", 1)])
def test_two_hundred_users_that_are_killed_leave_with_1000_and_no_descriptor(
    tmp_path, scheme, processes
):
    users, crowd = 200, Crowd()
    port = str(free_port())
    many = ("--processes", "2", "--master-bind-port", port, "--master-port", port)
    options = many if processes > 1 else ()
    tls = server_context(tmp_path) if scheme == "wss" else None
    with listening(crowd, tls=tls) as address:
        with locust(f"{scheme}://{address}", users, tmp_path, *options) as process:
            until(lambda: len(crowd.heard) == users, 60)
            process.send_signal(signal.SIGTERM)
        until(lambda: len(crowd.codes) == users, 60)
    left = {file.stem: json.loads(file.read_text()) for file in tmp_path.glob("*.json")}
    talked = {pid: each for pid, each in left.items() if each["ended"]}

    assert crowd.codes == [1000] * users
    assert len(talked) == processes
    assert sum(each["ended"] for each in talked.values()) == users
    for pid, each in talked.items():
        assert each["connections"] <= 0
        assert each["internal_errors"] == 0
        assert each["watched_by"] == int(pid)
    assert "Traceback" not in (tmp_path / "log").read_text()
