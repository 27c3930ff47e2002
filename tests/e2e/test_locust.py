"""A load test in one process, from the command line to the report."""

import json
import re
import signal
import socket
from pathlib import Path

import msgspec
import pytest
from locusts import LOCUSTFILE, Locust, alive, children, truth, wait_until

from harness.reel import read_tape
from harness.tape import replay

pytestmark = pytest.mark.e2e

QUICK = ("--corpus", "say", "--listen", "done", "--pause", "50ms", "--turns", "2")
QUICK_ANSWERS = ("--answer", "300ms", "--ttfa", "100ms")


def callers(locust):
    """Whose turns are on disk."""
    return {turn["caller"] for turn in locust.lines("turns")}


def test_with_no_host_the_embedded_simulator_is_called_and_a_report_made(folder):
    with Locust(folder, "--headless", "-u", 3, "-r", 3, *QUICK) as locust:
        wait_until(lambda: callers(locust) == {1, 2, 3}, 60, lambda: locust.text)
        locust.process.terminate()
        assert locust.wait() == locust.judged, locust.text

        assert locust.text.count("calling the embedded simulator") == 1
        run, summary = locust.read("run.json"), locust.read("summary.json")
        turns = locust.lines("turns")
        assert summary["turns"] == len(turns) > 0
        assert summary["outcomes"] == {"completed": len(turns)}
        assert callers(locust) == {1, 2, 3}
        assert {turn["scenario"] for turn in turns} == {"Caller.talk"}
        assert all(turn["run"] == run["run"] for turn in turns)
        assert run["state"] == "ended"
        assert run["anchors"].keys() == {"local"}
        assert locust.heard == truth(folder / "runs" / Path(run["truth"]).name)
        assert (locust.run / "report.html").stat().st_size > 0
        starts, ends = (
            [s for s in locust.lines("sessions") if s["event"] == e] for e in ("start", "end")
        )
        assert len(starts) == len(ends)
        assert f"runs/{run['run']}/report.html" in locust.text
        assert "Aggregated" not in locust.text  # our summary says it all
        assert "Traceback" not in locust.text


def test_whoever_asks_for_locusts_own_tables_gets_them(folder):
    with Locust(folder, "--headless", "-t", "2s", "--only-summary", *QUICK) as locust:
        locust.wait()

        assert locust.text.count("Response time percentiles") == 1


def test_neither_pandas_nor_pyarrow_is_in_a_locust_process(folder):
    told = folder / "told.py"
    told.write_text(
        f"import sys; sys.path.insert(0, {str(LOCUSTFILE.parent)!r})\n"
        "from realtime import Caller\n"
        "from locust import events\n"
        "@events.quit.add_listener\n"
        "def _(**_): print('heavy:', sorted({'pandas', 'pyarrow', 'altair'} & set(sys.modules)))\n"
    )
    with Locust(folder, "--headless", "-t", "2s", *QUICK, locustfile=told) as locust:
        locust.wait()

        assert "heavy: []" in locust.text


def test_sigterm_in_mid_run_ends_calls_and_leaves_a_whole_summary(folder, simulator):
    target = simulator(*QUICK_ANSWERS)
    with Locust(folder, "--headless", "-u", 4, "-r", 4, "--host", target.url, *QUICK) as locust:
        locust.wait_for_turns(4)
        locust.process.send_signal(signal.SIGTERM)
        assert locust.wait() == locust.judged, locust.text

        turns = locust.lines("turns")
        assert locust.read("summary.json")["turns"] == len(turns) >= 4
        assert {turn["outcome"] for turn in turns} == {"completed"}
        ends = [s for s in locust.lines("sessions") if s["event"] == "end"]
        assert {end["outcome"] for end in ends} == {"ended"}
        target.process.terminate()
        assert locust.heard == truth(target.truth)


def spoken_s(locust):
    """Seconds of speech that were sent so far."""
    return sum(second["audio_sent_s"] for second in locust.lines("health"))


def test_the_second_ctrl_c_cuts_turns_in_the_middle(folder, simulator):
    target = simulator("--ttfa", "90s")
    arguments = ("-u", 2, "-r", 2, "--timeout-first-audio", "90s", "--host", target.url)
    with Locust(folder, "--headless", *arguments, *QUICK) as locust:
        # Both have said what takes a second, and wait for an answer.
        wait_until(lambda: spoken_s(locust) > 1.9, 60, lambda: locust.text)
        locust.process.send_signal(signal.SIGINT)
        locust.wait_for("Ctrl-C once more")
        locust.process.send_signal(signal.SIGINT)
        locust.wait()

        assert {turn["outcome"] for turn in locust.lines("turns")} == {"cut"}
        assert locust.read("summary.json")["outcomes"] == {"cut": 2}
        assert "Traceback" not in locust.text


def test_a_missed_objective_is_exit_code_1(folder, simulator):
    target = simulator(*QUICK_ANSWERS)
    arguments = ("-u", 4, "-r", 4, "--slo", "ttfa:mean<1ms", "--host", target.url)
    with Locust(folder, "--headless", *arguments, *QUICK) as locust:
        locust.wait_for_turns(4)
        locust.process.terminate()
        code, summary = locust.wait(), locust.read("summary.json")

        assert [slo["met"] for slo in summary["slo"]] == [False]
        assert code == (2 if summary["verdict"] == "INVALID" else 1), locust.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--frame-ms", "5"), "--frame-ms: must be a whole number from 10 to 200"),
        (("--slo", "speed<1"), "--slo: 'speed<1' is no objective"),
        (("--corpus", "nowhere"), "--corpus: there is no folder nowhere"),
        (("--corpus", "empty"), "no audio file"),
        (("--host", "wss://api.openai.com"), "set OPENAI_API_KEY or OPENAI_REALTIME_API_KEY"),
        (("--host", "ftp://127.0.0.1"), "a host begins with"),
        (("--host", "ws://127.0.0.1:9"), "ws://127.0.0.1:9"),
        (("--run-dir", "say/menu.flac"), "--run-dir"),
    ],
)
def test_what_cannot_work_is_one_clear_line_before_any_load(folder, arguments, said):
    (folder / "empty").mkdir()
    keys = {"OPENAI_API_KEY": "", "OPENAI_REALTIME_API_KEY": ""}
    given = arguments if "--corpus" in arguments else (*arguments, "--corpus", "say")
    with Locust(folder, "--headless", "-t", "5s", *given, **keys) as locust:
        assert locust.wait() == 2, locust.text

        assert len([line for line in locust.text.splitlines() if said in line]) == 1, locust.text
        assert "Traceback" not in locust.text
        assert "Ramping" not in locust.text


def test_a_wrong_key_is_one_clear_line_that_does_not_repeat_it(folder, simulator):
    target = simulator(REALTIME_SIMULATOR_KEY="right-key-of-ours")
    wrong = {"OPENAI_API_KEY": "wrong-key-of-ours"}
    with Locust(folder, "--headless", "-t", "5s", "--host", target.url, **wrong) as locust:
        assert locust.wait() == 2, locust.text

        assert len(re.findall(r"realtime-harness: .*401", locust.text)) == 1
        assert "wrong-key-of-ours" not in locust.text


def test_a_taken_port_is_one_clear_line(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Locust(folder, "--headless", "-t", "5s", "--metrics-port", port, *QUICK) as locust:
            assert locust.wait() == 2, locust.text
            assert f"can't serve metrics on port {port}" in locust.text
        with Locust(folder, "--web-host", "127.0.0.1", "--web-port", port, *QUICK) as locust:
            assert locust.wait() == 2, locust.text
            assert f"port {port} is taken" in locust.text
            assert "Traceback" not in locust.text


def test_a_killed_locust_leaves_no_simulator_and_its_turns_on_disk(folder):
    with Locust(folder, "--headless", "-u", 2, "-r", 2, *QUICK) as locust:
        locust.wait_for_turns(2)
        (simulator,) = children(locust.process.pid)
        locust.process.kill()
        locust.wait()

        wait_until(lambda: not alive(simulator), 60)
        assert len(locust.lines("turns")) >= 2
        assert locust.read("run.json")["state"] == "running"


def test_a_key_stands_nowhere_in_what_a_run_leaves(folder, simulator):
    key = "a-key-that-nobody-may-read"
    target = simulator(*QUICK_ANSWERS, REALTIME_SIMULATOR_KEY=key)
    arguments = ("--header", "X-Secret: the-header-of-ours", "--host", target.url)
    with Locust(folder, "--headless", *arguments, *QUICK, OPENAI_API_KEY=key) as locust:
        locust.wait_for_turns(1)
        locust.process.terminate()
        assert locust.wait() == locust.judged, locust.text

        for path in (*locust.run.iterdir(), locust.output):
            content = path.read_bytes()
            assert key.encode() not in content, path
            assert b"the-header-of-ours" not in content, path
        assert json.loads((locust.run / "run.json").read_text())["options"]["header"] == "***"


def test_tapes_of_a_run_fold_again_to_what_was_recorded(folder, simulator, free_port):
    target = simulator(*QUICK_ANSWERS)
    swarm = ("--processes", 2, "--master-bind-port", free_port, "--master-port", free_port)
    arguments = ("-u", 3, "-r", 3, "--record", 2, *swarm)
    with Locust(folder, "--headless", *arguments, "--host", target.url, *QUICK) as locust:
        locust.wait_for_turns(3)
        locust.process.terminate()
        assert locust.wait() == locust.judged, locust.text

        tapes = [read_tape(path) for path in (locust.run / "tapes").iterdir()]
        turns = {(t["caller"], t["call"], t["turn"]): t for t in locust.lines("turns")}
    assert 2 <= len(tapes) <= 8
    for tape in tapes:
        again = msgspec.to_builtins(replay(tape))
        assert again == turns[again["caller"], again["call"], again["turn"]]
