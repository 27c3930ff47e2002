"""The plots of a comparison: how far each latency moved, and both distributions."""

from typing import Any

import altair as alt
import pandas as pd

from harness.report import series
from harness.report.comparison import COUNTED, Comparison
from harness.report.load import Run
from harness.report.theme import specification

__all__ = ["comparison_plots"]

FINDINGS = {"slower": "triangle-right", "faster": "triangle-left", "no difference": "circle"}
COLOURS = {"slower": 5, "faster": 2, "no difference": 7}  # places in the page's palette
ROW = 22  # pixels


def comparison_plots(
    comparison: Comparison, base: Run, candidate: Run
) -> dict[str, dict[str, Any]]:
    """The plots by name, as Vega-Lite specifications."""
    charts = {"moved": _moved(comparison), "distributions": _distributions(base, candidate)}
    return {name: specification(chart) for name, chart in charts.items() if chart is not None}


def _moved(comparison: Comparison) -> Any:
    """Each latency's difference as a share of the base, with its interval."""
    rows = [
        {
            "figure": f"{d.metric} {d.statistic}",
            "share": d.difference / d.base,
            "low": d.low / d.base,
            "high": d.high / d.base,
            "finding": "slower" if d.low > 0 else "faster" if d.high < 0 else "no difference",
        }
        for statement in comparison.statements
        if statement.metric not in COUNTED
        for d in statement.differences
        if d.base > 0
    ]
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    names = frame["figure"].tolist()
    y = alt.Y("figure:N", sort=names, title=None, axis=alt.Axis(labelLimit=220, grid=True))
    unchanged = "datum.value ? datum.label : '0%'"
    percent = alt.Axis(format="+.0%", labelExpr=unchanged, tickCount=7, grid=True)
    tips = [
        "figure:N", "finding:N", alt.Tooltip("share:Q", format="+.1%", title="difference"),
        alt.Tooltip("low:Q", format="+.1%", title="at least"),
        alt.Tooltip("high:Q", format="+.1%", title="at most"),
    ]  # fmt: skip
    return (
        alt.layer(
            alt.Chart(alt.InlineData(values=[{}])).mark_rule().encode(x=alt.datum(0)),
            alt.Chart(frame).mark_bar(height=3, opacity=0.9).encode(
                alt.X("low:Q", title="candidate against base", axis=percent),
                y, x2="high:Q", color=_by_finding(), tooltip=tips,
            ),
            alt.Chart(frame).mark_point(size=90, opacity=1, filled=True).encode(
                alt.X("share:Q"), y, color=_by_finding(), shape=_shape(), tooltip=tips
            ),
        )
        .properties(width="container", height=ROW * len(rows) + 10)
    )  # fmt: skip


def _by_finding() -> alt.Color:
    """The page's palette, reached by its places: those between are named by nothing."""
    named = {place: finding for finding, place in COLOURS.items()}
    domain = [named.get(place, f"_{place}") for place in range(8)]
    return alt.Color("finding:N", scale=alt.Scale(domain=domain), legend=None)


def _shape() -> alt.Shape:
    scale = alt.Scale(domain=list(FINDINGS), range=list(FINDINGS.values()))
    return alt.Shape("finding:N", scale=scale, legend=alt.Legend(title=None))


def _distributions(base: Run, candidate: Run) -> Any:
    frames = [
        series.distribution(run.turns).assign(run=name)
        for name, run in (("base", base), ("candidate", candidate))
    ]
    frame = pd.concat(frames, ignore_index=True)
    if frame.empty:
        return None
    sides = alt.Scale(domain=["base", "candidate"])
    return (
        alt.Chart(frame)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            alt.X("ttfa:Q", title="time to first audio, s"),
            alt.Y("share:Q", title="share of turns answered within it",
                  axis=alt.Axis(format="%", tickCount=5), scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("run:N", title=None, scale=sides),
            strokeDash=alt.StrokeDash("run:N", title=None, scale=alt.Scale(
                domain=["base", "candidate"], range=[[5, 3], [1, 0]])),
            tooltip=["run:N", alt.Tooltip("ttfa:Q", format=".3f", title="ttfa, s"),
                     alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(width="container", height=260)
    )  # fmt: skip
