"""Which turns, or sessions, of a run an objective counts as bad; as ``share.py``, by columns."""

import numpy as np
import pandas as pd

from harness.metrics import TURN_METRICS
from harness.records import TURN_FAILURES, Flag
from harness.report.load import Run
from harness.report.narrow import kept
from harness.report.stats import counted, is_unanswered
from harness.share import Share
from harness.slo import COMPARE

__all__ = ["marked"]

_METRICS = {metric.name: metric for metric in TURN_METRICS}


def marked(run: Run, share: Share) -> tuple[np.ndarray, "pd.Series[float]", np.ndarray]:
    """
    What an objective is about, one line each.

    Returns:
        Whether it is bad; when its turn or session began, in seconds of the run; and the row of
        that turn or session.

    """
    objective = share.objective
    frame = run.sessions if objective.metric == "sessions" else run.turns
    about = np.array(kept(frame, objective.where) & frame["outcome"].notna())
    if objective.metric in ("turns", "sessions"):
        bad = _is(frame, objective.statistic) == objective.compare.startswith("<")
    elif objective.metric in _METRICS:
        bad, asked = _beyond(frame, share)
        about &= asked
    else:
        rows = np.repeat(np.arange(len(frame)), frame["gaps"])
        within = COMPARE[objective.compare](run.gaps, objective.bound)
        of = about[rows]
        return ~within[of], frame["t"].iloc[rows[of]], rows[of]
    rows = np.flatnonzero(about)
    return np.asarray(bad)[rows], frame["t"].iloc[rows], rows


def _beyond(turns: pd.DataFrame, share: Share) -> tuple[np.ndarray, np.ndarray]:
    """Whether a latency is on the wrong side of its bound, and whether it counts."""
    objective = share.objective
    answered, silent = counted(turns, _METRICS[objective.metric])
    within = COMPARE[objective.compare](turns[objective.metric], objective.bound)
    above_is_bad = objective.compare.startswith("<")
    bad = np.where(silent, above_is_bad, ~within)
    return bad, np.asarray(answered | silent)


def _is(frame: pd.DataFrame, statistic: str) -> np.ndarray:
    outcome = frame["outcome"].astype(object)
    if statistic == "unanswered":
        return np.asarray(is_unanswered(frame))
    if statistic == "suspect":
        return frame[Flag.SUSPECT.value].to_numpy()
    if statistic != "failed":
        return np.asarray(outcome == statistic)
    if "has_first_audio" in frame:
        return np.asarray(outcome.isin(list(TURN_FAILURES)))
    return np.asarray(outcome != "ended")
