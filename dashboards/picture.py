"""
Draw a dashboard as a picture, from its own queries to a running Prometheus.

    python -m dashboards.picture realtime-overview overview.png --rows Run Experience
"""

import argparse
import json
import math
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import vl_convert

from dashboards.drawing import BACKGROUND, Series, draw
from dashboards.drawing import TEXT as TEXT_COLOUR
from dashboards.variables import filled, named

__all__ = ["main", "picture"]

BOARDS = Path(__file__).parent / "grafana" / "boards"
COLUMN, ROW, GAP = 60, 34, 6  # pixels
POINTS = 180  # of a line


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(description="Draw a dashboard as a picture.")
    parser.add_argument("board", choices=sorted(path.stem for path in BOARDS.glob("*.json")))
    parser.add_argument("picture", type=Path, help="PNG file to write")
    parser.add_argument("--prometheus", default="http://localhost:9090", metavar="URL")
    parser.add_argument("--seconds", type=int, default=900, help="how much of the past to show")
    parser.add_argument("--end", type=float, default=None, help="epoch seconds; default: now")
    parser.add_argument("--rows", nargs="*", help="titles of the rows to draw; default: all")
    asked = parser.parse_args()
    end = asked.end or time.time()
    board = json.loads((BOARDS / f"{asked.board}.json").read_text())
    svg = picture(board, asked.prometheus, end - asked.seconds, end, asked.rows)
    asked.picture.write_bytes(vl_convert.svg_to_png(svg))


def picture(
    board: dict[str, Any], url: str, start: float, end: float, rows: list[str] | None = None
) -> str:
    """
    A dashboard as SVG.

    Args:
        board: As Grafana imports it.
        url: Of Prometheus.
        start: Epoch seconds.
        end: Epoch seconds.
        rows: Titles of the rows to draw, those of the board; none: all.

    """
    panels = _chosen(board["panels"], rows)
    top = panels[0]["gridPos"]["y"]
    parts = []
    for panel in panels:
        place = panel["gridPos"]
        x, y = place["x"] * COLUMN + GAP, (place["y"] - top) * ROW + GAP
        content = _content(panel, url, start, end)
        parts.append(f'<svg x="{x}" y="{y}">{content}</svg>')
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    width, height = 24 * COLUMN + GAP, (bottom - top) * ROW + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<rect width="{width}" height="{height}" fill="{BACKGROUND}"/>{"".join(parts)}</svg>'
    )


def _chosen(panels: list[dict[str, Any]], rows: list[str] | None) -> list[dict[str, Any]]:
    """The panels of some rows, which follow each other on the board."""
    chosen, shown = [], False
    for panel in panels:
        if panel["type"] == "row":
            shown = not rows or panel["title"] in rows
        if shown:
            chosen.append(panel)
    return chosen


def _content(panel: dict[str, Any], url: str, start: float, end: float) -> str:
    if panel["type"] == "row":
        return _heading(panel["title"])
    place = panel["gridPos"]
    size = (place["w"] * COLUMN - GAP, place["h"] * ROW - GAP)
    return draw(panel, filled(panel["title"]), _answers(panel, url, start, end), size)


def _heading(title: str) -> str:
    return (
        f'<text x="4" y="22" font-family="Liberation Sans, Arial" font-size="16" '
        f'font-weight="600" fill="{TEXT_COLOUR}">{title}</text>'
    )


def _answers(panel: dict[str, Any], url: str, start: float, end: float) -> Series:
    found: Series = {}
    shown = {"__range": f"{round(end - start)}s"}
    for target in panel["targets"]:
        for labels, values in _ask(url, filled(target["expr"], **shown), start, end):
            name = filled(named(target["legendFormat"], labels))
            found[name] = [(at, value) for at, value in values if math.isfinite(value)]
    return found


def _ask(
    url: str, query: str, start: float, end: float
) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
    step = max(1, round((end - start) / POINTS))
    asked = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": step})
    with urllib.request.urlopen(f"{url}/api/v1/query_range?{asked}", timeout=30) as answer:  # noqa: S310
        result = json.load(answer)["data"]["result"]
    return [(r["metric"], [(at, float(value)) for at, value in r["values"]]) for r in result]


if __name__ == "__main__":
    main()
