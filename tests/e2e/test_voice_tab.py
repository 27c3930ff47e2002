"""The tab Voice: live over the whole swarm, on the page and as CSV."""

import csv
import io

import pytest
from locusts import wait_until

pytestmark = pytest.mark.e2e

SHORT = {"listen": "done", "pause": "50ms", "turns": "2"}


def shown(web_ui):
    """The rows of the tab by name, as the page gets them."""
    (voice,) = web_ui.stats()["extended_stats"]
    assert voice["key"] == "voice"
    return {row["what"]: row for row in voice["data"]}


def test_the_page_gets_what_the_csv_and_in_the_end_the_report_say(web_ui):
    locust = web_ui.locust
    assert shown(web_ui)["verdict"]["value"] == "–"

    web_ui.post("/swarm", **web_ui.form() | SHORT)
    locust.wait_for_turns(3)
    web_ui.post("/stop")
    wait_until((locust.run / "summary.json").exists, 30, lambda: locust.text)

    summary = locust.read("summary.json")
    turns = str(summary["turns"])
    rows = wait_until(lambda: (r := shown(web_ui))["turns completed"]["value"] == turns and r, 20)
    assert summary["outcomes"] == {"completed": summary["turns"]}
    assert rows["ttfa"]["value"] == str(summary["metrics"]["ttfa"]["count"])
    assert rows["ttfa"]["p50"] == "–"
    assert rows["timeouts"]["value"] == "0"
    assert rows["callers"]["value"] == "0"
    table = csv.DictReader(io.StringIO(web_ui.get("/stats/voice/csv")))
    assert {row["what"]: row["value"] for row in table} == {
        name: row["value"] for name, row in rows.items()
    }
