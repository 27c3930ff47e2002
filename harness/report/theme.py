"""What plots have in common: their colours, in the page and, as PNG, outside of it."""

import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

__all__ = ["coloured", "picture", "specification"]

CSS = Path(__file__).with_name("page.css")
WIDTH = 900  # pixels of the plot
SCALE = 2


def coloured(field: str, domain: Collection[str], present: Collection[str]) -> alt.Color:
    """A field's colours: the same in every plot, explained where they are present."""
    explained = [value for value in domain if value in present]
    return alt.Color(
        f"{field}:N",
        title=None,
        scale=alt.Scale(domain=list(domain)),
        legend=alt.Legend(values=explained) if explained else None,
    )


def specification(chart: Any) -> dict[str, Any]:
    """A chart for the page, which brings library and theme."""
    spec: dict[str, Any] = chart.to_dict()
    del spec["$schema"]  # an address; the page holds the library itself
    del spec["config"]  # the page's theme has it
    return spec


def picture(plot: Mapping[str, Any], title: str) -> bytes:
    """A plot as PNG, in the page's light colours."""
    spec = {**plot, "title": title, "width": WIDTH, "config": _config()}
    png: bytes = vl_convert.vegalite_to_png(spec, scale=SCALE)
    return png


@cache
def _colours() -> dict[str, str]:
    """The page's variables, light."""
    light = CSS.read_text(encoding="utf-8").partition("}")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))


def _config() -> dict[str, Any]:
    colours = _colours()
    words = {"labelColor": colours["dim"], "titleColor": colours["dim"], "titleFontWeight": 400}
    lines = dict.fromkeys(("gridColor", "domainColor", "tickColor"), colours["line"])
    first = colours["plot-1"]
    return {
        "background": colours["card"],
        "padding": 16,
        "title": {"anchor": "start", "color": colours["ink"], "fontSize": 15, "offset": 12},
        "view": {"stroke": None},
        "axis": {**words, **lines, "titlePadding": 8},
        "axisX": {"grid": False, "labelSeparation": 10},
        "legend": {**words, "labelColor": colours["ink"], "orient": "top"},
        "range": {"category": [colours[f"plot-{n}"] for n in range(1, 10)]},
        "circle": {"color": colours["plot-8"]},
        "point": {"color": colours["plot-6"], "filled": True},
        "area": {"color": first, "line": {"color": first, "strokeWidth": 1.5}},
        "line": {"color": first},
        "rule": {"color": colours["ink"]},
    }
