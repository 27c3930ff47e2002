"""What the harness measures, beside what a capture of the loopback shows."""

import re
import select
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from statistics import median
from urllib.parse import urlsplit

import pytest
from crowd import observe
from endpoint import running_simulator
from locusts import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

AGREES = 0.0005  # seconds
BETWEEN_MESSAGES = "\x1f"
DELTA = re.compile(r'"response\.output_audio\.delta".*?"response_id":"([^"]+)"', re.DOTALL)


@contextmanager
def capture(path, port):
    """Capture a port of the loopback to a file; skips the test where that can't be done."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    command = ["tshark", "-q", "-i", "lo", "-f", f"tcp port {port}", "-w", path]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        said = wait_for_start(process)
        if process.poll() is not None or "Capturing on" not in said:
            pytest.skip(f"tshark can't capture the loopback: {said.strip().splitlines()[-1:]}")
        await_in(path, port, b"GET /first")
        yield
        await_in(path, port, b"GET /last")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()


def await_in(path, port, request):
    """Ask until it has been captured: what comes later, or came sooner, is then captured, too."""

    def captured():
        with socket.create_connection(("127.0.0.1", port), 20) as asks:
            asks.sendall(request + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            asks.recv(1)
        return path.exists() and request in path.read_bytes()

    wait_until(captured, 40)


def wait_for_start(process):
    """All that it says until it captures, gives up, or has been silent for too long."""
    said, deadline = "", time.monotonic() + 20
    while "Capture started" not in said and time.monotonic() < deadline:
        if not select.select([process.stderr], [], [], 0.5)[0]:
            if "Capturing on" in said:
                break  # some versions say no more
            continue
        line = process.stderr.readline()
        if not line:
            break
        said += line
    return said


def messages(path):
    """(instant in seconds, stream, text) of each WebSocket message in a capture."""
    fields = ("frame.time_epoch", "tcp.stream", "websocket.payload.text")
    shown = subprocess.run(
        [
            *("tshark", "-r", path, "-Y", "websocket.payload.text", "-T", "fields"),
            *("-E", f"aggregator={BETWEEN_MESSAGES}", "-E", "separator=/t"),
            *(part for field in fields for part in ("-e", field)),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for line in shown.splitlines():
        at, stream, texts = line.split("\t", 2)
        for text in texts.split(BETWEEN_MESSAGES):
            yield float(at), stream, text


def answer_times(path):
    """Seconds from the commit to the first audio delta on the wire, by response id."""
    committed, found = {}, {}
    for at, stream, text in messages(path):
        if '"input_audio_buffer.commit"' in text:
            committed[stream] = at
        elif (delta := DELTA.search(text)) and stream in committed:
            found.setdefault(delta[1], at - committed[stream])
    return found


def test_a_capture_of_the_loopback_agrees_with_our_ttfa(tmp_path):
    pcap, options = tmp_path / "loopback.pcapng", ("--ttfa", "uniform(50ms, 250ms)")
    with (
        running_simulator("--answer", "300ms", *options) as simulator,
        capture(pcap, urlsplit(simulator.url).port),
    ):
        seen = observe(simulator, callers=4, seconds=3)
    on_the_wire = answer_times(pcap)

    differences = [
        turn.metrics["ttfa_commit"] - on_the_wire[name]
        for turn in seen.turns
        for name in turn.response_ids
        if name in on_the_wire
    ]
    assert len(differences) >= 0.8 * len(seen.turns) > 4
    assert abs(median(differences)) <= AGREES
    # Not later than by what a busy machine takes from the write to the wire, and from there on.
    assert all(-0.2 <= difference <= 0.2 for difference in differences)
