"""Time to first audio against what may drive it: load, age of the session, turn of the call."""

from typing import Any

import altair as alt
import pandas as pd

from harness.report import series
from harness.report.concurrency import concurrency_of
from harness.report.load import Run
from harness.report.theme import coloured

__all__ = ["against_plots"]

TITLES = {
    "concurrency": "open sessions when the turn began",
    "age": "age of the session, s",
    "turn": "turn of the call",
}


def against_plots(run: Run) -> dict[str, Any]:
    """Charts by what stands on their axis; ``None`` where that never changed."""
    values = {
        "concurrency": concurrency_of(run),
        "age": run.turns["session_age_s"],
        "turn": run.turns["turn"] + 1.0,
    }
    return {name: _chart(series.against(run.turns, x), TITLES[name]) for name, x in values.items()}


def _chart(frame: pd.DataFrame, title: str) -> Any:
    if frame["x"].nunique() < 2:
        return None
    drawn = set(frame["quantile"])
    return (
        alt.Chart(frame.astype({"x": float, "ttfa": float, "turns": int}))
        .mark_line(strokeWidth=2, point={"size": 36})
        .encode(
            alt.X("x:Q", title=title, axis=alt.Axis(tickMinStep=1), scale=alt.Scale(zero=False)),
            alt.Y("ttfa:Q", title="time to first audio, s", axis=alt.Axis(tickCount=5)),
            color=coloured("quantile", series.LINES, drawn),
            tooltip=[
                "quantile:N",
                alt.Tooltip("ttfa:Q", format=".3f", title="ttfa, s"),
                alt.Tooltip("low:Q", format=".4~g", title="from"),
                alt.Tooltip("high:Q", format=".4~g", title="to"),
                "turns:Q",
            ],
        )
        .properties(width="container", height=220)
    )
