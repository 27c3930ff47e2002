"""The plots of a report as Vega-Lite: colours come from the page's theme, not from here."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from harness.metrics import SEGMENTS
from harness.report import series
from harness.report.against import against_plots
from harness.report.capacity_plot import capacity_plot
from harness.report.concurrency import open_sessions
from harness.report.load import Run
from harness.report.theme import coloured, specification
from harness.slo import Objective

__all__ = ["TITLES", "plots"]

MARGIN = 52  # pixels left of the plot: the same for all, so that their time axes stand in line
STACKED = (*series.SHOWN, "other")  # from the bottom
COLOURED = (  # in the order of the page's palette
    *("completed", "cancelled", "rate_limited", "failed"),
    *("disconnected", "timeout", "other", "cut", "abandoned"),
)
UNANSWERED = "unanswered"
TITLES = {
    "capacity": "Capacity",
    "ttfa": "Time to first audio",
    "concurrency": "Open sessions",
    "outcomes": "How turns ended",
    "distribution": "Distribution of time to first audio",
    "waterfall": "Where the time goes",
    "worst": "The slowest answers",
    "by_concurrency": "Time to first audio against load",
    "by_age": "Time to first audio against session age",
    "by_turn": "Time to first audio against the turn of a call",
}
"""What each plot shows, where it stands alone."""


def plots(
    run: Run,
    objectives: Sequence[Objective] = (),
    worst: Sequence[Mapping[str, Any]] = (),
    capacity: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """
    The plots that the run's records can fill, by name, as Vega-Lite specifications.

    Args:
        run: As loaded.
        objectives: Those on the headline are drawn as bounds.
        worst: As in the summary.
        capacity: Likewise.

    """
    if run.turns.empty:
        return {}
    charts = {
        "capacity": capacity_plot(capacity),
        "ttfa": _ttfa(run, _bounds(objectives)),
        "concurrency": _concurrency(run),
        "outcomes": _outcomes(run),
        "distribution": _distribution(run, _bounds(objectives)),
        "waterfall": _waterfall(run),
        "worst": _worst(worst),
        **{f"by_{name}": chart for name, chart in against_plots(run).items()},
    }
    return {name: specification(chart) for name, chart in charts.items() if chart is not None}


def _bounds(objectives: Sequence[Objective]) -> list[float]:
    """Bounds of objectives on the headline, in seconds."""
    return sorted({o.bound for o in objectives if o.metric == "ttfa"})


def _time(run: Run) -> alt.X:
    """The time axis that all plots over time share."""
    scale = alt.Scale(domain=[0, max(run.duration_s, 1.0)], nice=False)
    return alt.X("t:Q", title="seconds since the run began", scale=scale)


def _y(field: str, title: str, *, most: int = 5, **more: Any) -> alt.Y:
    """``most``: the largest of whole numbers, so that no tick falls between them."""
    axis = alt.Axis(minExtent=MARGIN, maxExtent=MARGIN, tickCount=max(1, min(5, most)))
    return alt.Y(field, title=title, axis=axis, **more)


def _rules(bounds: Sequence[float], channel: str) -> list[Any]:
    """Dashed lines at the objectives' bounds."""
    line = alt.Chart(alt.InlineData(values=[{}])).mark_rule(strokeDash=[5, 4])
    return [line.encode(**{channel: alt.datum(bound)}) for bound in bounds]


def _ttfa(run: Run, bounds: Sequence[float]) -> Any:
    """Every turn, the median and p95 of each bin, and the unanswered along the top."""
    time = _time(run)
    points = series.scatter(run.turns)
    lines = series.over_time(run.turns, run.duration_s)
    tooltip = [alt.Tooltip("t:Q", format=".1f", title="at, s"),
               alt.Tooltip("ttfa:Q", format=".3f", title="ttfa, s")]  # fmt: skip
    answered = points[points["what"] != UNANSWERED]
    # Of nothing Vega makes an axis without end, and complains.
    scale = alt.Undefined if len(answered) else alt.Scale(domain=[0, 1])
    y = _y("ttfa:Q", "time to first audio, s", scale=scale)
    layers = [
        alt.Chart(answered).mark_circle(size=18, opacity=0.5).encode(time, y, tooltip=tooltip),
        *_lines(lines, time, y, tooltip),
        *_rules(bounds, "y"),
    ]
    unanswered = points[points["what"] == UNANSWERED]
    if len(unanswered):
        cross = alt.Chart(unanswered).mark_point(shape="cross", angle=45, size=50, yOffset=6)
        top = alt.value(0)
        shape = alt.Shape("what:N", title=None, scale=alt.Scale(range=["cross"]))
        tip = [tooltip[0], alt.Tooltip("outcome:N")]
        layers.append(cross.encode(time, y=top, shape=shape, tooltip=tip))
    return (
        alt.layer(*layers)
        .resolve_scale(shape="independent")
        .properties(width="container", height=260)
    )


def _lines(lines: pd.DataFrame, time: alt.X, y: alt.Y, tooltip: Sequence[Any]) -> list[Any]:
    """The median and p95 over time, where turns enough carry them."""
    drawn = set(lines.dropna()["quantile"])
    if not drawn:
        return []
    colour = coloured("quantile", series.LINES, drawn)
    line = alt.Chart(lines).mark_line(strokeWidth=2, interpolate="monotone", point={"size": 24})
    return [line.encode(time, y, color=colour, tooltip=[*tooltip, "quantile:N"])]


def _concurrency(run: Run) -> Any:
    steps = open_sessions(run)
    if steps.empty:
        return None
    return (
        alt.Chart(series.thin_steps(steps, run.duration_s))
        .mark_area(interpolate="step-after", opacity=0.6, line=True)
        .encode(
            _time(run),
            _y("sessions:Q", "open sessions", most=int(steps["sessions"].max())),
            tooltip=[alt.Tooltip("t:Q", format=".1f", title="at, s"), "sessions:Q"],
        )
        .properties(width="container", height=110)
    )


def _outcomes(run: Run) -> Any:
    frame = series.outcomes_over_time(run.turns, series.bin_width(run.duration_s))
    present = [outcome for outcome in STACKED if outcome in set(frame["outcome"])]
    most = int(frame.groupby("t")["turns"].sum().max())
    order = {outcome: number for number, outcome in enumerate(STACKED)}
    return (
        alt.Chart(frame.assign(order=frame["outcome"].map(order)))
        .mark_bar(binSpacing=1)
        .encode(
            _time(run).bin("binned"),
            _y("turns:Q", "turns begun", most=most, stack="zero"),
            x2="t_end:Q",
            color=coloured("outcome", COLOURED, present),
            order="order:Q",
            tooltip=["outcome:N", "turns:Q", alt.Tooltip("t:Q", title="from, s")],
        )
        .properties(width="container", height=150)
    )


def _distribution(run: Run, bounds: Sequence[float]) -> Any:
    frame = series.distribution(run.turns)
    if frame.empty:
        return None
    curve = (
        alt.Chart(frame)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            alt.X("ttfa:Q", title="time to first audio, s", scale=alt.Scale(zero=True, nice=True)),
            alt.Y(
                "share:Q",
                title="share of turns answered within it",
                axis=alt.Axis(format="%", tickCount=5),
                scale=alt.Scale(domain=[0, 1]),
            ),
            tooltip=[alt.Tooltip("ttfa:Q", format=".3f", title="ttfa, s"),
                     alt.Tooltip("share:Q", format=".1%")],
        )
    )  # fmt: skip
    return alt.layer(curve, *_rules(bounds, "x")).properties(width="container", height=240)


def _waterfall(run: Run) -> Any:
    frame = series.waterfall(run.turns)
    return None if frame.empty else _segments(frame, list(series.GROUPS), height=130)


def _worst(worst: Sequence[Mapping[str, Any]]) -> Any:
    """The waterfall of each of the slowest turns."""
    rows = [
        (turn["name"], name, order, turn["segments"][name])
        for turn in worst
        for order, name in enumerate(SEGMENTS)
        if turn["segments"].get(name)
    ]
    frame = pd.DataFrame(rows, columns=["group", "segment", "order", "seconds"])
    names = list(dict.fromkeys(frame["group"]))
    return None if frame.empty else _segments(frame, names, height=30 + 22 * len(names))


def _segments(frame: pd.DataFrame, groups: Sequence[str], height: int) -> Any:
    origins: Mapping[str, str] = SEGMENTS
    return (
        alt.Chart(frame.assign(what=frame["segment"].map(origins)))
        .mark_bar(height={"band": 0.7})
        .encode(
            alt.X(
                "seconds:Q",
                title="seconds to the first audible sample",
                stack="zero",
                axis=alt.Axis(tickCount=8),
            ),
            alt.Y("group:N", title=None, sort=list(groups), axis=alt.Axis(labelLimit=160)),
            color=coloured("segment", SEGMENTS, set(frame["segment"])),
            order="order:Q",
            tooltip=["segment:N", alt.Tooltip("seconds:Q", format=".3f"), "what:N"],
        )
        .properties(width="container", height=height)
    )
