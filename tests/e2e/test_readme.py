"""The README's commands, run as written, only shorter where they run for a time."""

import json
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from locusts import ROOT, Running, wait_until
from ports import free_port

from harness.simulator.phrases import phrases
from harness.verdict import exit_code

pytestmark = pytest.mark.e2e

BIN = Path(sys.executable).parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]


def command(start, **replaced):
    """The one command of the README that begins and goes on so, as arguments."""
    (line,) = [line for line in COMMANDS if re.match(start, line)]
    for old, new in replaced.values():
        line, found = re.subn(old, new, line)
        assert found
    program, *arguments = shlex.split(line)
    return [BIN / program, *arguments]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder like the root of the repository, without runs."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "locustfiles").symlink_to(ROOT / "locustfiles")
    return folder


@pytest.fixture(scope="module")
def target(checkout):
    """The README's simulator, on any free port."""
    with Running(
        command("realtime-harness simulate --port", port=("8765", "0")), checkout
    ) as simulator:
        yield simulator.wait_for(r"listening on (ws://[\d.:]+)")[1]


def page_of(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
            return page.read().decode()
    except OSError:
        return None


def run(arguments, folder, code=0):
    """What the command said; it must end with this exit code, or that which its run asks for."""
    done = subprocess.run(
        arguments, cwd=folder, capture_output=True, text=True, timeout=90, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == (judged(folder) if code is None else code), said
    return said


def judged(folder):
    """The exit code of the newest run: a busy machine may not keep pace."""
    return exit_code(json.loads((folder / "runs" / "latest" / "summary.json").read_text()))


def test_the_web_ui_opens_with_the_embedded_simulator_as_host(checkout):
    port = free_port()
    web = {"LOCUST_WEB_PORT": str(port)}
    with Running(command(r".*realtime\.py$"), checkout, **web) as locust:
        locust.wait_for("calling the embedded simulator")
        assert "/v1/realtime" in wait_until(lambda: page_of(port), 20, lambda: locust.text)
        locust.process.send_signal(signal.SIGTERM)
        locust.wait()


def test_a_test_is_planned(checkout):
    assert "it costs" in run(command("realtime-harness plan"), checkout)


@pytest.mark.timeout(300)
def test_a_headless_run_is_reported_and_judged(checkout, target):
    host = ("ws://127.0.0.1:8765", target)
    few = {"host": host, "users": (r"-u \d+", "-u 6"), "time": (r"-t \d+s", "-t 6s")}
    first = command(".* -u 50 ", **few)
    watched = command(".* --metrics-port", **few)
    asked = command(".* -u 40 ", **few)

    assert "report.html" in run(first, checkout, code=None)
    assert "report.html" in run(command("realtime-harness report"), checkout)
    run(watched, checkout, code=None)
    # A handful of turns is too few to carry the 95th percentile: the objective is undecidable.
    assert "p95 takes 200" in run(asked, checkout, code=2)
    assert "p95 takes 200" in run(command("realtime-harness check"), checkout, code=2)
    itself = command("realtime-harness compare", base=("runs/base", "runs/latest"))
    assert "They can't be compared" in run(itself, checkout, code=2)


def test_the_client_shown_hears_an_answer(checkout):
    (shown,) = re.findall(r"```python\n(import asyncio\n.*?)```", README, re.DOTALL)
    arguments = command("realtime-harness simulate --profile", port=("8766", "0"))
    with Running(arguments, checkout) as simulator:
        url = simulator.wait_for(r"listening on (ws://[\d.:]+)")[1]
        client = shown.replace("ws://127.0.0.1:8766", url)
        said = run([sys.executable, "-c", client], checkout)

    assert said.strip() in {" ".join(phrase.words) for phrase in phrases("speech")}


def test_a_search_for_a_capacity_that_is_stopped_says_so(checkout, target):
    search = command(
        r".*capacity\.py",
        host=("ws://127.0.0.1:8765", target),
        time=("-t 5m", "-t 5s"),
        n=("-u 12", "-u 3"),
    )

    said = run(search, checkout, code=2)  # three callers are too few to carry the median

    assert "the search was stopped before it was over" in " ".join(said.split())
