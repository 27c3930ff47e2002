"""A load test started, watched and stopped in Locust's web UI."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from locusts import wait_until
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from harness.options import OPTIONS, TIMEOUT_OPTIONS

pytestmark = pytest.mark.e2e

SHORT = {"listen": "done", "pause": "50ms", "turns": "2"}
OURS = (*OPTIONS, *TIMEOUT_OPTIONS)
IN_FORM = [option for option in OURS if option.form]
FORBIDDEN = [option for option in OURS if not option.form]


def can_be_wrong(option):
    return option.choices or option.parse is not str or option.name == "slo"


def test_the_untouched_form_starts_a_test_and_the_next_one_starts_clean(web_ui):
    locust = web_ui.locust
    assert web_ui.form()["host"].startswith("ws://127.0.0.1:")

    for n in (1, 2):
        answer = web_ui.post("/swarm", **web_ui.form())
        assert answer["success"], answer
        wait_until(lambda n=n: len(list(locust.folder.glob("runs/2*"))) == n, 20)
        run = locust.run.resolve()
        locust.wait_for_turns(1)
        web_ui.post("/stop")
        wait_until((run / "summary.json").exists, 30, lambda: locust.text)
        turns = locust.lines("turns")
        assert locust.read("summary.json")["turns"] == len(turns)
        assert {turn["run"] for turn in turns} == {run.name}
        assert {turn["caller"] for turn in turns} <= {1, 2}
    assert locust.text.count("embedded simulator") == 1

    locust.process.terminate()
    assert locust.wait() == locust.judged, locust.text
    assert "Traceback" not in locust.text


def test_a_test_started_while_another_still_hears_answers_out_waits_for_its_report(web_ui):
    locust = web_ui.locust
    assert web_ui.post("/swarm", **web_ui.form())["success"]
    locust.wait_for_turns(1)
    first = locust.run.resolve()
    with ThreadPoolExecutor(1) as beside:
        stop = beside.submit(web_ui.post, "/stop")
        wait_until(lambda: web_ui.page()["state"] == "cleanup", 20)
        assert web_ui.post("/swarm", **web_ui.form())["success"]
        assert stop.result(40)["success"]
    wait_until(lambda: locust.run.resolve() != first, 40, lambda: locust.text)

    assert (first / "summary.json").exists()
    locust.wait_for_turns(1)
    locust.process.terminate()
    assert locust.wait() == locust.judged, locust.text
    assert {turn["run"] for turn in locust.lines("turns")} == {locust.run.resolve().name}


def test_a_test_stopped_while_it_waits_for_the_report_before_does_not_begin(web_ui):
    locust = web_ui.locust
    web_ui.post("/swarm", **web_ui.form() | SHORT)
    locust.wait_for_turns(1)
    web_ui.post("/stop")
    web_ui.post("/swarm", **web_ui.form() | SHORT)
    wait_until(lambda: web_ui.state() == "spawning", 20)
    assert not (locust.run / "summary.json").exists()
    web_ui.post("/stop")

    wait_until((locust.run / "summary.json").exists, 40, lambda: locust.text)
    wait_until(lambda: web_ui.state() == "stopped", 20)
    assert len(list(locust.folder.glob("runs/2*"))) == 1


def test_a_wrong_value_of_any_field_is_told_in_the_ui_and_nothing_starts(web_ui):
    form = web_ui.form()
    # In the order of the table: what belongs together stands together.
    ours = [option.name for option in IN_FORM]
    assert [name for name in form if name in ours] == ours

    for option in filter(can_be_wrong, IN_FORM):
        answer = web_ui.post("/swarm", **form | {option.name: "nonsense of a kind"})
        assert not answer["success"], option.flag
        assert answer["message"].startswith(option.flag), answer
        assert "\n" not in answer["message"]
    for option in FORBIDDEN:
        answer = web_ui.post("/swarm", **form | {option.name: "evil.example"})
        assert not answer["success"], option.flag
        assert "command line" in answer["message"]
    unreachable = web_ui.post("/swarm", **form | {"host": "ws://127.0.0.1:9"})
    assert not unreachable["success"]
    assert "127.0.0.1:9" in unreachable["message"]
    paid = web_ui.post("/swarm", **form | {"host": "wss://192.88.99.9"})
    assert not paid["success"]
    assert "costs money: say how much by --max-cost" in paid["message"]
    assert web_ui.state() == "ready"
    assert not (web_ui.locust.folder / "runs" / "latest").exists()


@pytest.mark.parametrize(
    ("accept", "parse"),
    [("text/plain", parse_text), ("application/openmetrics-text;version=1.0.0", parse_openmetrics)],
)
def test_metrics_are_served_on_the_web_port_in_the_format_asked_for(web_ui, accept, parse):
    web_ui.post("/swarm", **web_ui.form() | SHORT)
    web_ui.locust.wait_for_turns(2)

    def samples():
        page = web_ui.get("/metrics", Accept=accept)
        return {
            (sample.name, sample.labels.get("outcome")): sample.value
            for family in parse(page)
            for sample in family.samples
        }

    found = wait_until(
        lambda: (s := samples()).get(("realtime_turns_total", "completed")) and s, 20
    )
    assert found["realtime_ttfa_seconds_count", None] == found["realtime_turns_total", "completed"]
    assert found["realtime_users", None] == found["realtime_users_target", None] == 2
    assert found["realtime_workers", None] == 1
    assert found["realtime_run_info", None] == 1
    assert "realtime_hub_lag_seconds_bucket" in {name for name, _ in found}
