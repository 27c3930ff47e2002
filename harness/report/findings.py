"""What drives time to first audio, as statements: load from a knee on, the age of a session."""

from typing import Any

import msgspec
import numpy as np
import pandas as pd

from harness.records import Kind
from harness.report import words
from harness.report.load import Run
from harness.report.resample import FEWEST_UNITS, Ratio, ends
from harness.report.units import call_units

__all__ = ["findings"]

FEWEST_TURNS = 100
LEVELS = 60  # of load told apart; more are joined
WORTH = 0.1  # a rise under this share of the usual is not told
OUTLIERS = 0.99  # values above this quantile count as it


class Hinge(msgspec.Struct, frozen=True):
    """
    Flat up to a knee, then a straight rise: what queueing makes of a server of fixed capacity.

    Attributes:
        load: Of each level, ascending.
        turns: By unit and level.
        waits: By unit and level, summed, seconds.
        knees: The levels that may be the knee: turns lie on both sides of them.

    """

    load: np.ndarray
    turns: np.ndarray
    waits: np.ndarray
    knees: np.ndarray

    def fitted(self, drawn: np.ndarray) -> np.ndarray:
        """Of each resample the knee, the rise by one more session and the wait before it."""
        n, y = drawn @ self.turns, drawn @ self.waits
        whole, total = n.sum(axis=1), y.sum(axis=1)
        found = np.zeros((3, len(drawn)))
        best = np.full(len(drawn), -np.inf)
        for knee in self.knees:
            x = np.maximum(0.0, self.load - knee)
            mean = n @ x / whole
            spread = n @ (x * x) - whole * mean**2
            together = y @ x - mean * total
            rise = together / np.where(spread > 0, spread, np.inf)
            explained = rise * together
            better = explained > best
            best = np.where(better, explained, best)
            fit = np.stack([np.full(len(drawn), knee), rise, total / whole - rise * mean])
            found = np.where(better, fit, found)
        return found


def findings(run: Run, concurrency: "pd.Series[int]") -> list[dict[str, Any]]:
    """
    What the run shows beyond doubt, each with its interval at 95 %, resampled by call.

    Args:
        run: As loaded.
        concurrency: Open sessions when each turn began.

    """
    turns = _asked(run, concurrency)
    if len(turns) < FEWEST_TURNS or turns["unit"].nunique() < FEWEST_UNITS:
        return []
    drift = _drift(turns)
    if drift is not None:
        # Sessions that grow old together are many together: what age explains is not the load's.
        turns["wait"] -= drift["per_minute"] * turns["session_age_s"] / 60
    return [finding for finding in (_knee(turns), drift) if finding is not None]


def _asked(run: Run, concurrency: "pd.Series[int]") -> pd.DataFrame:
    """Of each turn that was asked for and answered its unit, load, age and wait, in seconds."""
    ttfa = run.turns["ttfa"]
    asked = (run.turns["kind"] == Kind.SPEECH.value) & ~run.turns["censored"] & ttfa.notna()
    # Where a tool is called, the endpoint is asked twice before it says anything.
    plain = asked & ~run.turns["has_tools"]
    chosen = (plain if plain.sum() >= FEWEST_TURNS else asked).to_numpy()
    wait = ttfa.to_numpy()[chosen]
    return pd.DataFrame(
        {
            "unit": call_units(run.turns)[chosen],
            "load": concurrency.to_numpy()[chosen],
            "session_age_s": run.turns["session_age_s"].to_numpy()[chosen],
            "wait": np.minimum(wait, np.quantile(wait, OUTLIERS)) if len(wait) else wait,
        },
        copy=False,
    )


def _knee(turns: pd.DataFrame) -> dict[str, Any] | None:
    """From how many sessions on answers get slower."""
    hinge = _hinge(turns)
    if len(hinge.knees) < 2:
        return None
    units = len(hinge.turns)
    knee, rise, before = hinge.fitted(np.ones((1, units)))[:, 0]
    low, high = ends(hinge.fitted, units)
    if low[1] <= 0 or rise * (hinge.load[-1] - knee) < WORTH * before:
        return None
    return {
        "what": "load",
        "knee": float(knee),
        "knee_ci": [float(low[0]), float(high[0])],
        "rise": float(rise),
        "rise_ci": [float(low[1]), float(high[1])],
        "text": (
            f"From about {knee:.0f} sessions at once ({low[0]:.0f} to {high[0]:.0f}) answers get "
            f"slower: by {words.seconds(rise)} ({words.interval([low[1], high[1]])}) with each more"
        ),
    }


def _hinge(turns: pd.DataFrame) -> Hinge:
    load = turns["load"]
    level = load if load.nunique() <= LEVELS else pd.qcut(load, LEVELS, duplicates="drop")
    # Between interpolated quantiles of whole numbers a level may be empty.
    _, number = np.unique(level.astype("category").cat.codes, return_inverse=True)
    units, levels = int(turns["unit"].max()) + 1, int(number.max()) + 1
    cell = turns["unit"].to_numpy(np.int64) * levels + number

    def by_cell(values: Any) -> np.ndarray:
        counts = np.bincount(cell, weights=values, minlength=units * levels)
        return counts.reshape(units, levels)

    x = load.groupby(number).mean().to_numpy()
    low, high = load.quantile([0.05, 0.9])
    knees = x[(x >= low) & (x < high)]
    return Hinge(x, by_cell(np.ones(len(turns))), by_cell(turns["wait"]), knees)


def _drift(turns: pd.DataFrame) -> dict[str, Any] | None:
    """How much slower answers get in a minute of a session, at the same load."""
    age = turns["session_age_s"] / 60
    by_load = [turns["load"]]
    apart = age - age.groupby(by_load).transform("mean")
    wait = turns["wait"] - turns["wait"].groupby(by_load).transform("mean")
    unit = turns["unit"].to_numpy()
    slope = Ratio(np.bincount(unit, weights=apart * wait), np.bincount(unit, weights=apart**2))
    if not slope.below.any():
        return None
    units = len(slope.below)
    minute = float(slope.resampled(np.ones((1, units)))[0])
    (low,), (high,) = ends(lambda drawn: slope.resampled(drawn)[None], units)
    if low <= 0 <= high or abs(minute) * age.quantile(0.95) < WORTH * turns["wait"].median():
        return None
    faster = minute < 0
    size, interval = abs(minute), sorted([abs(low), abs(high)])
    return {
        "what": "age",
        "per_minute": minute,
        "per_minute_ci": [float(low), float(high)],
        "text": (
            f"Answers get {'faster' if faster else 'slower'} as a session goes on: by "
            f"{words.seconds(size)} ({words.interval(interval)}) a minute, at the same load"
        ),
    }
