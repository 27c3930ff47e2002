"""What the plots draw: turns gathered into few enough points for a page, whatever their number."""

import numpy as np
import pandas as pd

from harness.metrics import SEGMENTS
from harness.percentiles import percentile_too_thin
from harness.report.rows import SEGMENT_COLUMNS
from harness.report.stats import is_unanswered

__all__ = [
    "against",
    "bin_width",
    "distribution",
    "outcomes_over_time",
    "over_time",
    "scatter",
    "thin_steps",
    "waterfall",
]

WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
BINS = 60
POINTS = 1500
LINES = {"median": 0.5, "p95": 0.95}
SHOWN = (
    *("completed", "cancelled", "cut", "timeout", "failed"),
    *("rate_limited", "disconnected", "abandoned"),
)
GROUPS = {"around the median": (0.4, 0.6), "around p95": (0.925, 0.975)}
STEPS = 12  # bins at most along an axis that is not time


def bin_width(duration_s: float, bins: int = BINS) -> float:
    """Seconds of one bin, round, such that a run has at most about ``bins``."""
    return float(next((w for w in WIDTHS if duration_s / w <= max(1, bins)), WIDTHS[-1]))


def _spoken(turns: pd.DataFrame) -> pd.DataFrame:
    """Turns that count for the headline, with ``ttfa`` infinite where unanswered."""
    asked = (turns["kind"] == "speech") & ~turns["censored"]
    kept = asked & (turns["ttfa"].notna() | is_unanswered(turns))
    counted = turns.loc[kept, ["t", "ttfa", "outcome"]]
    return counted.assign(ttfa=counted["ttfa"].fillna(np.inf))


def over_time(turns: pd.DataFrame, duration_s: float) -> pd.DataFrame:
    """
    ``ttfa`` at ``quantile`` (median, p95) of bins of time, each wide enough to carry it.

    ``t`` is the middle of the bin's part of the run. Where a bin is too thin all the same, or its
    quantile reaches the unanswered, the line has a gap.
    """
    spoken = _spoken(turns)
    rows = []
    for name, p in LINES.items():
        # A third more than the fewest that carry it, since turns are spread unevenly.
        carried = len(spoken) * (1 - p) / (10 * 4 / 3)
        width = bin_width(duration_s, min(BINS, int(carried)))
        begin = spoken["t"] // width * width
        bins = spoken.groupby((begin + (begin + width).clip(upper=duration_s)) / 2)["ttfa"]
        values = bins.quantile(p, interpolation="higher")
        thin = bins.size().map(lambda n, p=p: percentile_too_thin(p, n))
        values = values.where(~thin & np.isfinite(values))
        rows.append(pd.DataFrame({"t": values.index, "ttfa": values.values, "quantile": name}))
    return pd.concat(rows, ignore_index=True)


def against(turns: pd.DataFrame, x: pd.Series) -> pd.DataFrame:
    """
    ``ttfa`` at ``quantile`` (median, p95) over bins of ``x``, each of about as many turns.

    Args:
        turns: As in ``Run.turns``.
        x: Of each turn; where it has few values, each is a bin.

    Returns:
        ``x`` (the mean in its bin), ``low`` and ``high`` (the least and the largest), ``turns``,
        ``ttfa``, ``quantile``; no row that its bin can't carry.

    """
    spoken = _spoken(turns).assign(x=x).dropna(subset=["x"])
    rows = [pd.DataFrame(columns=["x", "low", "high", "turns", "ttfa", "quantile"])]
    for name, p in LINES.items():
        steps = min(STEPS, int(len(spoken) * (1 - p) / (10 * 4 / 3)))
        if steps < 1:
            continue
        bins = spoken.groupby(_steps(spoken["x"], steps), observed=True)
        frame = bins["x"].agg(x="mean", low="min", high="max", turns="size")
        frame["ttfa"] = bins["ttfa"].quantile(p, interpolation="higher")
        carried = ~frame["turns"].map(lambda n, p=p: percentile_too_thin(p, n))
        rows.append(frame[carried & np.isfinite(frame["ttfa"])].assign(quantile=name))
    kept = [frame for frame in rows if len(frame)] or rows[:1]
    return pd.concat(kept, ignore_index=True)


def _steps(values: "pd.Series[float]", steps: int) -> "pd.Series[float]":
    """A bin of each value: itself where there are few, else one of ``steps`` equally full ones."""
    if values.nunique() <= steps:
        return values
    return pd.qcut(values, steps, labels=False, duplicates="drop")


def scatter(turns: pd.DataFrame) -> pd.DataFrame:
    """At most ``POINTS`` turns evenly chosen, and as many unanswered: ``t``, ``ttfa``, ``what``."""
    spoken = _spoken(turns).sort_values("t")
    unanswered = np.isinf(spoken["ttfa"])
    kept = [_thin(spoken[~unanswered]), _thin(spoken[unanswered])]
    points = pd.concat(kept)[["t", "ttfa", "outcome"]].astype({"outcome": object})
    points["what"] = np.where(np.isinf(points["ttfa"]), "unanswered", "turn")
    return points.replace({"ttfa": {np.inf: np.nan}})


def _thin(turns: pd.DataFrame) -> pd.DataFrame:
    if len(turns) <= POINTS:
        return turns
    return turns.iloc[np.linspace(0, len(turns) - 1, POINTS).astype(int)]


def distribution(turns: pd.DataFrame, points: int = 300) -> pd.DataFrame:
    """The share of counted turns answered within ``ttfa`` seconds: under 1 if some never were."""
    values = np.sort(_spoken(turns)["ttfa"].to_numpy())
    answered = values[np.isfinite(values)]
    if not len(answered):
        return pd.DataFrame({"ttfa": [], "share": []})
    ranks = np.unique(np.linspace(1, len(answered), min(points, len(answered))).astype(int))
    return pd.DataFrame({"ttfa": answered[ranks - 1], "share": ranks / len(values)})


def outcomes_over_time(turns: pd.DataFrame, width: float) -> pd.DataFrame:
    """How many turns of each bin, by when they began, ended how: ``t``, ``outcome``, ``turns``."""
    outcome = turns["outcome"].astype(object)
    shown = outcome.where(outcome.isin(SHOWN), "other")
    counts = turns.groupby([turns["t"] // width * width, shown]).size()
    counts.index.names = ["t", "outcome"]
    frame = counts.rename("turns").reset_index()
    return frame.assign(t_end=frame["t"] + width)


def waterfall(turns: pd.DataFrame) -> pd.DataFrame:
    """
    Where the time went, for the middle and the slowest turns: ``group``, ``segment``, seconds.

    Means within each group, so that the segments add up to the group's mean ``ttfa_audible``.
    """
    kept = turns["ttfa_audible"].notna() & turns[SEGMENT_COLUMNS["audible"]].notna()
    whole = turns.loc[kept, ["ttfa_audible", *SEGMENT_COLUMNS.values()]]
    rank = whole["ttfa_audible"].rank(pct=True)
    rows = []
    for group, (low, high) in GROUPS.items():
        means = (
            whole[(rank > low) & (rank <= high)][list(SEGMENT_COLUMNS.values())].fillna(0).mean()
        )
        for order, name in enumerate(SEGMENTS):
            seconds = means[SEGMENT_COLUMNS[name]]
            if seconds > 0:
                rows.append((group, name, order, float(seconds)))
    return pd.DataFrame(rows, columns=["group", "segment", "order", "seconds"])


def thin_steps(steps: pd.DataFrame, duration_s: float, spans: int = 600) -> pd.DataFrame:
    """
    ``open_sessions`` with as many changes as pixels can show.

    Of each span of time the largest number stays, and the last: that is what lasts on after it.
    """
    if len(steps) <= spans:
        return steps
    width = duration_s / spans
    begin = steps["t"] // width * width
    largest = steps.groupby(begin)["sessions"].max().reset_index()
    last = steps[~begin.duplicated(keep="last")]
    return pd.concat([largest, last]).sort_values("t", kind="stable", ignore_index=True)
