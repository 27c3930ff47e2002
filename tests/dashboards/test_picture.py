import re
import xml.etree.ElementTree as ET

import pytest
from scraping import ROOT, RULES, boards, panels

from dashboards.drawing import draw, said
from dashboards.picture import picture

PANELS = {panel["type"]: panel for board in boards() for panel in panels(board)}
OVERVIEW = next(board for board in boards() if board["uid"] == "realtime-overview")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.3204, "s", "320 ms"),
        (1.25, "s", "1.25 s"),
        (0.984, "percentunit", "98.4 %"),
        (0.1234, "currencyUSD", "$0.12"),
        (2_500_000, "Bps", "2.5 MB/s"),
        (480, "short", "480"),
        (float("nan"), "s", "–"),
        (float("inf"), "s", "more"),
    ],
)
def test_values_are_said_with_their_unit(value, unit, text):
    assert said(value, unit) == text


def words(svg):
    root = ET.fromstring(f'<svg xmlns="http://www.w3.org/2000/svg">{svg}</svg>')
    return "".join(root.itertext())


@pytest.mark.parametrize("kind", sorted(PANELS))
def test_every_kind_of_panel_is_drawn_with_and_without_values(kind):
    series = {"0.5": [(1e9, 3.0), (1e9 + 5, 4.0)], "+Inf": [(1e9, 5.0), (1e9 + 5, 6.0)]}

    assert "A title" in words(draw(PANELS[kind], "A title", series, (480, 240)))
    assert "A title" in words(draw(PANELS[kind], "A title", {}, (480, 240)))


def test_a_number_takes_its_word_from_the_panel():
    (measurement,) = (p for p in panels(OVERVIEW) if p["title"] == "Measurement")

    assert "SUSPECT" in words(draw(measurement, "Measurement", {"": [(1e9, 1.0)]}, (240, 130)))


def test_a_line_breaks_where_there_was_nothing_for_long():
    (panel,) = (p for p in panels(OVERVIEW) if p["title"] == "Length of audible gaps")
    dense = {"p50": [(1e9 + at, 1.0) for at in (0, 10, 20, 30)]}
    sparse = {"p50": [(1e9 + at, 1.0) for at in (0, 10, 120, 130)]}

    drawn = [draw(panel, "", series, (480, 240)) for series in (dense, sparse)]
    lines = [
        re.search(r'd="([^"]+)"[^>]*line mark|line mark[^>]* d="([^"]+)"', svg) for svg in drawn
    ]
    assert [(line[1] or line[2]).count("M") for line in lines] == [1, 2]


def test_only_the_rows_asked_for_are_drawn(monkeypatch):
    monkeypatch.setattr("dashboards.picture._ask", lambda *_: [])

    svg = picture(OVERVIEW, "http://nowhere", 0, 60, ["Correctness"])

    assert "Errors by code" in svg
    assert "Time to first audio" not in svg


def test_the_readme_lists_every_alert():
    listed = re.findall(
        r"^\| (Realtime\w+) \|", (ROOT / "dashboards/README.md").read_text(), re.MULTILINE
    )

    assert {*listed} == {*re.findall(r"alert: (\w+)", RULES.read_text())}
