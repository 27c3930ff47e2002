"""Samples of a metric as the definitions count them, and the figures drawn from them."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from harness.metrics import Metric
from harness.percentiles import percentile_too_thin
from harness.records import UNHEARD, Kind

__all__ = [
    "PERCENTILES",
    "Percentile",
    "Sample",
    "counted",
    "figures",
    "in_order",
    "is_unanswered",
    "percentile_name",
    "sample_columns",
    "take_sample",
]

PERCENTILES = (0.5, 0.9, 0.95, 0.99)

NO_UNITS = np.array([], dtype=np.int64)

Percentile = float | Mapping[str, Any]
"""A number, ``{"value": None, "above": T}`` or ``{"value": None, "why": "too few"}``."""


class Sample(msgspec.Struct, frozen=True):
    """
    The turns that count for one metric.

    Attributes:
        answered: Their values in seconds, ascending.
        unanswered: How many never got what the metric waits for; they rank above all answered.
        limit: The sum of the limits in force for the unanswered, in seconds.
        censored: How many are left out: cut, cancelled before audio, premature only.
        units: The call of each answered turn, as a number; none where it is not known.
        silent_units: The call of each unanswered one.

    """

    answered: np.ndarray
    unanswered: int = 0
    limit: float = 0.0
    censored: int = 0
    units: np.ndarray = NO_UNITS
    silent_units: np.ndarray = NO_UNITS

    @property
    def count(self) -> int:
        """Answered and unanswered."""
        return len(self.answered) + self.unanswered

    @property
    def above(self) -> float:
        """T: the unanswered waited for this long at least, in seconds."""
        return max(self.limit, float(self.answered[-1]) if len(self.answered) else 0.0)

    @property
    def all_units(self) -> np.ndarray:
        """The calls of all turns that count."""
        return np.concatenate([self.units, self.silent_units])

    def carries(self, p: float) -> bool:
        """Whether at least ten turns lie beyond the percentile."""
        return not percentile_too_thin(p, self.count)

    def rank(self, k: int) -> Percentile:
        """The ``k``-th smallest value, from 1."""
        if k <= len(self.answered):
            return float(self.answered[k - 1])
        return {"value": None, "above": self.above}

    def percentile(self, p: float) -> Percentile:
        """
        The smallest value such that at least a share ``p`` of the sample is no larger.

        That is the nearest rank, ⌈p·count⌉: a value that a turn really had, never one
        interpolated between two. No percentile is given that the sample can't carry.
        """
        if not self.carries(p):
            return {"value": None, "why": "too few"}
        # In millionths: 0.95 · 200 is a little more than 190 in binary.
        return self.rank(-(-round(p * 1_000_000) * self.count // 1_000_000))


def counted(turns: pd.DataFrame, metric: Metric) -> tuple["pd.Series[bool]", "pd.Series[bool]"]:
    """Of each turn, whether it counts for ``metric`` as answered, and whether as unanswered."""
    answered = turns[metric.name].notna() & ~turns["censored"]
    heard = _heard(turns, through_tools=metric.through_tools)
    silent = _asked(turns, metric) & _lacks(turns, heard) & metric.counts_unanswered
    return answered, silent


def _asked(turns: pd.DataFrame, metric: Metric) -> "pd.Series[bool]":
    asked = turns["kind"].isin(list(metric.kinds))
    return asked if metric.needs is None else asked & turns[f"has_{metric.needs}"]


def take_sample(turns: pd.DataFrame, metric: Metric, units: np.ndarray | None = None) -> Sample:
    """The sample of ``metric`` in ``turns``, as in ``Run.turns``; ``units``: of each turn."""
    values = turns[metric.name]
    answered, silent = counted(turns, metric)
    asked, heard = _asked(turns, metric), _heard(turns, through_tools=metric.through_tools)
    units = np.zeros(len(turns), dtype=np.int8) if units is None else units
    ordered, beside = in_order(values[answered].to_numpy(), units[answered])
    return Sample(
        ordered,
        unanswered=int(silent.sum()),
        limit=float(turns.loc[silent, metric.limits].max()) if silent.any() else 0.0,
        censored=int((asked & _is_censored(turns, heard) & ~answered).sum()),
        units=beside,
        silent_units=units[silent],
    )


def sample_columns(metric: Metric) -> list[str]:
    """What ``take_sample`` looks at."""
    marks = [f"has_{name}" for name in ("first_audio", "answer_audio", "commit", "detected")]
    return [metric.name, metric.limits, "kind", "audio", "outcome", "censored", "has_tools", *marks]


def in_order(values: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``values``, ascending, and the unit of each beside it."""
    order = np.argsort(values, kind="stable")
    return values[order], units[order]


def is_unanswered(turns: pd.DataFrame) -> "pd.Series[bool]":
    """Of each turn, whether it was asked for and no answer audio came; as ``Turn.unanswered``."""
    return _lacks(turns, turns["has_first_audio"])


def _heard(turns: pd.DataFrame, *, through_tools: bool) -> "pd.Series[bool]":
    """Whether what is waited for came; through tools, the audio after the last tool output."""
    heard = turns["has_first_audio"]
    return heard.where(~turns["has_tools"], turns["has_answer_audio"]) if through_tools else heard


def _lacks(turns: pd.DataFrame, heard: "pd.Series[bool]") -> "pd.Series[bool]":
    asked = turns["audio"] & (turns["kind"] != Kind.UNSOLICITED.value)
    return asked & ~heard & ~_is_censored(turns, heard)


def _is_censored(turns: pd.DataFrame, heard: "pd.Series[bool]") -> "pd.Series[bool]":
    return turns["censored"] | (~heard & turns["outcome"].isin(list(UNHEARD)))


def percentile_name(p: float) -> str:
    """``p95`` of 0.95, ``p99.9`` of 0.999."""
    return f"p{round(p * 100, 4):g}"


def figures(sample: Sample, percentiles: Iterable[float] = PERCENTILES) -> dict[str, Any]:
    """What ``summary.json`` says of a sample; durations in seconds."""
    n = len(sample.answered)
    return {
        "count": sample.count,
        "answered": n,
        "unanswered": sample.unanswered,
        "censored": sample.censored,
        "mean": float(sample.answered.mean(dtype=np.float64)) if n else None,
        **{percentile_name(p): sample.percentile(p) for p in percentiles},
        "max": sample.rank(sample.count) if sample.count else None,
    }
