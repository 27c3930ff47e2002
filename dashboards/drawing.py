"""A panel of a dashboard and what its queries gave, drawn as SVG: close to what Grafana shows."""

import math
from html import escape
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from dashboards.panels import GAP

__all__ = ["BACKGROUND", "TEXT", "Series", "draw", "said"]

Series = dict[str, list[tuple[float, float]]]
"""Values over time, (epoch seconds, value), by the name of each result."""

BACKGROUND, PANEL, TEXT, FAINT = "#111217", "#181b1f", "#ccccdc", "#2c3037"
FONT = "Liberation Sans, Arial, sans-serif"
COLOURS = {
    "text": TEXT, "green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2",
}  # fmt: skip
LINES = (
    *("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#96d98d"),
    *("#ffee52", "#c0d8ff", "#ffa6b0", "#deb6f2"),
)
TITLE = 30  # pixels above a panel's content


def draw(panel: dict[str, Any], title: str, series: Series, size: tuple[int, int]) -> str:
    """The panel as SVG of ``size`` pixels."""
    width, height = size
    inside = (width - 16, height - TITLE - 8)
    match panel["type"]:
        case "stat":
            content = _number(panel, series, inside)
        case "bargauge":
            content = _bars(panel, series, inside)
        case "heatmap":
            content = _chart(_heat(panel, series), inside)
        case _:
            content = _chart(_lines(panel, series), inside)
    return (
        f'<rect width="{width}" height="{height}" rx="3" fill="{PANEL}" stroke="{FAINT}"/>'
        f"{_text(12, 20, title, 13, weight=600)}"
        f'<svg x="8" y="{TITLE}" width="{inside[0]}" height="{inside[1]}">{content}</svg>'
    )


def said(value: float, unit: str) -> str:
    """A value with its unit, as people read it."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "more"
    match unit:
        case "s":
            return f"{value * 1e3:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
        case "percentunit":
            return f"{100 * value:.3g} %"
        case "currencyUSD":
            return f"${value:.2f}"
        case "Bps":
            return f"{value / 1e6:.3g} MB/s" if value >= 1e6 else f"{value / 1e3:.3g} kB/s"
        case _:
            return f"{value:.0f}" if value == int(value) else f"{value:.3g}"


def _text(x: float, y: float, text: str, size: float, fill: str = TEXT, **more: Any) -> str:
    extra = "".join(f' {"font-" + k if k == "weight" else k}="{v}"' for k, v in more.items())
    return (
        f'<text x="{x}" y="{y}" font-family="{FONT}" font-size="{size}" fill="{fill}"{extra}>'
        f"{escape(text)}</text>"
    )


def _latest(series: Series) -> dict[str, float]:
    return {name: values[-1][1] for name, values in series.items() if values}


def _number(panel: dict[str, Any], series: Series, size: tuple[int, int]) -> str:
    width, height = size
    found = _latest(series) or {"": float("nan")}
    names_only = panel["options"]["textMode"] == "name"
    step, parts = width / len(found), []
    for place, (name, value) in enumerate(found.items()):
        text, colour = (name, TEXT) if names_only else _worded(panel, value)
        room = (step - 16) / max(1, 0.68 * len(text))
        big = min(height * 0.5, room, 44)
        middle = {"weight": 600, "text-anchor": "middle"}
        x, y = (place + 0.5) * step, height / 2 + big / 3
        parts.append(_text(x, y, text, big, colour, **middle))
        if name and not names_only and len(found) > 1:
            parts.append(_text(x, 12, name, 12, **middle))
    return "".join(parts)


def _worded(panel: dict[str, Any], value: float) -> tuple[str, str]:
    """The text and the colour of a value, by the panel's mappings and thresholds."""
    defaults = panel["fieldConfig"]["defaults"]
    for mapping in defaults.get("mappings", ()):
        found = mapping["options"].get(f"{value:.0f}")
        if found:
            return found["text"], COLOURS[found["color"]]
    colour = "text"
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return said(value, defaults["unit"]), COLOURS[colour]


def _bars(panel: dict[str, Any], series: Series, size: tuple[int, int]) -> str:
    width, height = size
    found = _latest(series)
    unit = panel["fieldConfig"]["defaults"]["unit"]
    largest = max([*found.values(), 1e-9])
    step, parts = min(34, height / max(1, len(found))), []
    for place, (name, value) in enumerate(sorted(found.items(), key=lambda pair: -pair[1])):
        y, length = place * step, (width - 250) * value / largest
        parts.append(_text(4, y + step * 0.62, name, 12))
        parts.append(
            f'<rect x="200" y="{y + 4}" width="{max(length, 1)}" height="{step - 8}" '
            f'fill="{COLOURS["blue"]}" rx="2"/>'
        )
        parts.append(_text(206 + length, y + step * 0.62, said(value, unit), 12))
    return "".join(parts)


def _frame(series: Series) -> pd.DataFrame:
    rows = []
    for name, values in series.items():
        before = math.inf
        for at, value in values:
            if at - before > GAP:
                rows.append((pd.Timestamp(before + 1, unit="s"), name, None))
            rows.append((pd.Timestamp(at, unit="s"), name, value))
            before = at
    return pd.DataFrame(rows, columns=["at", "name", "value"])


def _axis(unit: str) -> alt.Axis:
    label = {
        "s": "datum.value < 1 ? format(1000 * datum.value, ',.3~g') + ' ms' "
        ": format(datum.value, '.3~g') + ' s'",
        "percentunit": "format(100 * datum.value, '.3~g') + ' %'",
        "currencyUSD": "'$' + format(datum.value, '.2f')",
    }.get(unit, "format(datum.value, '.3~s')")
    return alt.Axis(title=None, labelExpr=label, tickCount=5)


def _time() -> alt.X:
    return alt.X("at:T", axis=alt.Axis(title=None, format="%H:%M:%S", tickCount=6))


def _lines(panel: dict[str, Any], series: Series) -> alt.Chart:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    custom = panel["fieldConfig"]["defaults"]["custom"]
    names = [name for name, values in series.items() if values]
    colour = alt.Color(
        "name:N",
        sort=names,
        scale=alt.Scale(domain=names, range=LINES[: len(names)]),
        legend=alt.Legend(
            title=None, orient="bottom", columns=5, labelLimit=140, symbolType="stroke"
        ),
    )
    chart = alt.Chart(_frame(series))
    if custom.get("stacking", {}).get("mode") == "normal":
        marks = chart.mark_area(fillOpacity=0.5, line={"strokeWidth": 1})
        stack: Any = "zero"
    else:
        marks, stack = chart.mark_line(strokeWidth=1.5), None
    y = alt.Y("value:Q", axis=_axis(unit), stack=stack, scale=alt.Scale(zero=True, nice=True))
    return marks.encode(x=_time(), y=y, color=colour)


def _heat(panel: dict[str, Any], series: Series) -> alt.Chart:
    frame = _frame(series)
    frame["bound"] = frame["name"].replace("+Inf", "inf").astype(float)
    frame = frame.sort_values(["at", "bound"])
    # Buckets count all values up to their bound; a cell shows those above the bound before.
    frame["value"] = frame.groupby("at")["value"].diff().fillna(frame["value"]).clip(lower=0)
    seen = frame[frame["value"] > 0]["bound"]
    frame = frame[(frame["bound"] >= seen.min()) & (frame["bound"] <= seen.max())]
    order = [said(bound, "s") for bound in sorted(frame["bound"].unique(), reverse=True)]
    frame["up to"] = [said(bound, "s") for bound in frame["bound"]]
    return (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X("at:O", timeUnit="yearmonthdatehoursminutesseconds", axis=None),
            y=alt.Y("up to:O", sort=order, axis=alt.Axis(title=None, labelOverlap="greedy")),
            color=alt.Color(
                "value:Q",
                scale=alt.Scale(range=[PANEL, "#5c2d07", "#ff780a", "#ffcb7d"]),
                legend=None,
            ),
        )
    )


def _chart(chart: alt.Chart, size: tuple[int, int]) -> str:
    """A chart with axes and legend fitted into ``size``, in a dashboard's colours."""
    spec = (
        chart.properties(
            width=size[0],
            height=size[1],
            background=PANEL,
            autosize={"type": "fit", "contains": "padding"},
        )
        .configure(font=FONT)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=TEXT, gridColor=FAINT, domainColor=FAINT, tickColor=FAINT, labelFontSize=11
        )
        .configure_legend(labelColor=TEXT, labelFontSize=11)
    )
    return str(vl_convert.vegalite_to_svg(spec.to_json()))
