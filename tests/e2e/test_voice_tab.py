"""The tab Voice: live over the whole swarm, on the page and as CSV."""

import csv
import io
import re
from pathlib import Path
from urllib.error import HTTPError

import pytest
from chromium import browser_page, needs_chromium
from locusts import ROOT, wait_until
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e

SHORT = {"listen": "done", "pause": "50ms", "turns": "2"}
SHOWN = 60_000  # milliseconds, on a busy machine
CALLERS, CARRY_P50 = "12", 20
VERDICTS = ("VALID", "SUSPECT", "INVALID")


def shown(web_ui):
    """The rows of the tab by name, as the page gets them."""
    (voice,) = web_ui.stats()["extended_stats"]
    assert voice["key"] == "voice"
    return {row["what"]: row for row in voice["data"]}


def test_the_page_gets_what_the_csv_and_in_the_end_the_report_say(web_ui):
    locust = web_ui.locust
    assert shown(web_ui)["verdict"]["value"] == "–"
    with pytest.raises(HTTPError, match="404"):
        web_ui.get("/stats/voice/report")

    web_ui.post("/swarm", **web_ui.form() | SHORT | {"slo": "turns:failed<100%"})
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
    judged = wait_until(lambda: (r := shown(web_ui))["verdict"]["value"] in VERDICTS and r, 20)
    assert judged["verdict"]["value"] == summary["verdict"]
    assert judged["turns:failed<100%"]["value"] == "met"
    assert web_ui.get("/stats/voice/report") == (locust.run / "report.html").read_text()
    table = csv.DictReader(io.StringIO(web_ui.get("/stats/voice/csv")))
    assert {row["what"]: row["value"] for row in table} == {
        name: row["value"] for name, row in judged.items()
    }


@needs_chromium
def test_a_user_starts_watches_downloads_stops_and_starts_again(web_ui):
    locust = web_ui.locust
    with browser_page() as page:
        # The page takes the state it asked for before the start for the one after it.
        with page.expect_response("**/stats/requests"):
            page.goto(web_ui.url)
        for n, turns in ((1, CARRY_P50), (2, 1)):
            if n == 2:
                page.get_by_role("button", name="New").click()
            page.get_by_label("Number of users").fill(CALLERS)
            page.get_by_label("Ramp up").fill(CALLERS)
            page.get_by_role("button", name="Start").click()
            wait_until(lambda n=n: len(runs(locust)) == n, 40, lambda: locust.text)
            page.get_by_role("tab", name="Voice").click()
            assert rows_of(page)[0] == "verdict"
            expect(value(page, "callers")).to_have_text(CALLERS, timeout=SHOWN)
            locust.wait_for_turns(turns)
            completed = value(page, "turns completed")
            # Until it asks again, the page shows what it knew before.
            wait_until(
                lambda c=completed, n=turns: n <= int(c.inner_text()) <= len(locust.lines("turns")),
                60,
            )
            expect(value(page, "verdict")).to_contain_text("so far", timeout=SHOWN)
            if n == 1:
                expect(cells(page, "ttfa").nth(2)).to_contain_text("ms", timeout=SHOWN)
                keep_pictures(page)
            assert downloaded(page)[0]["what"] == "verdict"
            page.get_by_role("button", name="Stop").click()
            summary = runs(locust)[-1] / "summary.json"
            wait_until(summary.exists, 40, lambda: locust.text)
            # What ended after Stop is shown, too.
            page.get_by_role("tab", name="Voice").click()
            recorded = str(len(locust.lines("turns")))
            expect(value(page, "turns completed")).to_have_text(recorded, timeout=SHOWN)
            expect(value(page, "callers")).to_have_text("0", timeout=SHOWN)
            judged = re.compile(f"^({'|'.join(VERDICTS)})$")
            expect(value(page, "verdict")).to_have_text(judged, timeout=SHOWN)


def runs(locust):
    return sorted(locust.folder.glob("runs/2*"))


def rows_of(page):
    """The figures in the table, by name, in its order."""
    page.get_by_role("cell", name="verdict", exact=True).wait_for()
    return page.locator("tbody tr td:first-child").all_inner_texts()


def cells(page, name):
    """Those of the row that begins with ``name``."""
    row = page.get_by_role("row").filter(has=page.get_by_role("cell", name=name, exact=True))
    return row.get_by_role("cell")


def value(page, name):
    """The cell beside ``name``."""
    return cells(page, name).nth(1)


def downloaded(page):
    """The rows of the CSV behind the page's own link."""
    page.get_by_role("tab", name="Download data").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download voice CSV").click()
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))


def keep_pictures(page):
    """The tab as it looks, light and dark, for people: ``artifacts/voice-tab-….png``."""
    folder = ROOT / "artifacts"
    folder.mkdir(exist_ok=True)
    for theme in ("light", "dark"):
        page.screenshot(path=folder / f"voice-tab-{theme}.png", animations="disabled")
        page.get_by_role("banner").get_by_role("button").last.click()  # the switch of the theme
