"""The curve of a search for a capacity: how many turns fell short at each number of calls."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

__all__ = ["capacity_plot"]

SHAPES = {"holds": "circle", "breaks": "cross"}


def capacity_plot(capacity: Mapping[str, Any] | None) -> Any:
    """The chart; ``capacity`` as in the summary, ``None`` if the run was no search."""
    rows = [
        {
            "calls": step["callers"],
            "objective": objective,
            "share": share,
            "verdict": "holds" if step["holds"] else "breaks",
            "turns": step["turns"],
        }
        for step in (capacity or {}).get("steps", ())
        for objective, share in step["over"].items()
        if step["kind"] != "recover" and share is not None
    ]
    if capacity is None or not rows:
        return None
    frame = pd.DataFrame(rows).sort_values("calls")
    x = alt.X("calls:Q", title="concurrent calls", scale=alt.Scale(zero=True, nice=True),
              axis=alt.Axis(tickMinStep=1))  # fmt: skip
    # Where none fell short, there is a height all the same.
    top = alt.Undefined if frame["share"].any() else 0.1
    y = alt.Y("share:Q", title="turns that fall short", axis=alt.Axis(format=".0%", tickCount=5),
              scale=alt.Scale(domainMin=0, domainMax=top))  # fmt: skip
    colour = alt.Color("objective:N", title=None, scale=alt.Scale(domain=capacity["objectives"]),
                       legend=alt.Legend(labelLimit=320))  # fmt: skip
    tips = ["objective:N", "calls:Q", alt.Tooltip("share:Q", format=".1%", title="fall short"),
            "turns:Q", "verdict:N"]  # fmt: skip
    shape = alt.Shape(
        "verdict:N",
        title=None,
        scale=alt.Scale(domain=list(SHAPES), range=list(SHAPES.values())),
    )
    lines = alt.Chart(frame).mark_line(strokeWidth=2).encode(x, y, color=colour)
    marks = alt.Chart(frame).mark_point(size=70, filled=True, opacity=1)
    points = marks.encode(x, y, color=colour, shape=shape, tooltip=tips)
    return (
        alt.layer(*_interval(capacity), lines, points)
        .resolve_scale(shape="independent")
        .properties(width="container", height=260)
    )  # fmt: skip


def _interval(capacity: Mapping[str, Any]) -> list[Any]:
    """The capacity as a line, its interval as a band."""
    if not capacity["calls"]:
        return []
    here = alt.Chart(alt.InlineData(values=[{}]))
    line = here.mark_rule(strokeDash=[5, 4]).encode(x=alt.datum(capacity["calls"]))
    if capacity["high"] is None:
        return [line]
    band = here.mark_rect(opacity=0.15).encode(
        x=alt.datum(capacity["low"]), x2=alt.datum(capacity["high"])
    )
    return [band, line]
