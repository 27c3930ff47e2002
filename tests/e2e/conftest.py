import shutil
import sys
import urllib.error

import ports
import pytest
from locusts import ROOT, Locust, Running, wait_until
from webui import WebUI

UTTERANCES = ROOT / "harness" / "data" / "utterances"


@pytest.fixture
def folder(tmp_path):
    """A working directory with a corpus of one short utterance, ``say``."""
    corpus = tmp_path / "say"
    corpus.mkdir()
    shutil.copy(UTTERANCES / "menu.flac", corpus)
    return tmp_path


@pytest.fixture
def simulator(tmp_path):
    """Starts simulators; each has ``url`` and ``truth``, its log."""
    started = []

    def start(*arguments, **environment):
        truth = tmp_path / f"truth-{len(started)}.jsonl"
        command = [sys.executable, "-m", "harness", "simulate", "--port", "0"]
        running = Running([*command, "--truth", truth, *arguments], tmp_path, **environment)
        started.append(running)
        running.url = running.wait_for(r"listening on (\S+)")[1]
        running.truth = truth
        return running

    yield start
    for running in started:
        running.process.terminate()
        running.wait()
        running.__exit__()


@pytest.fixture
def free_port():
    """A port on which nobody listens, nor on its neighbours."""
    return ports.free_port()


@pytest.fixture
def web_ui(folder, free_port):
    """A local Locust with its web UI, which calls the embedded simulator."""
    arguments = ("--web-host", "127.0.0.1", "--web-port", free_port, "--corpus", "say")
    with Locust(folder, *arguments) as locust:
        ui = WebUI(locust, free_port)

        def answers():
            try:
                return ui.get("/")
            except (urllib.error.URLError, ConnectionError):
                return False

        wait_until(answers, 90, lambda: locust.text)
        yield ui
