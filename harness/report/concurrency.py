"""How many sessions the swarm had open, from when they started and ended."""

import numpy as np
import pandas as pd

from harness.report.load import Run
from harness.report.sessions import STEP_COLUMNS

__all__ = ["concurrency_of", "open_at", "open_sessions", "open_spans"]


def open_spans(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """
    When each session that was ever open began and ended, in seconds.

    A session is open from dialling until it was over; one that was refused never was. One whose
    end is not recorded, as of a killed worker, counts until the last its worker recorded.
    """
    sessions = run.sessions
    upgraded = sessions[STEP_COLUMNS["upgrade"]].notna()
    opened = sessions.loc[
        upgraded | ~sessions["ended"] | (sessions["outcome"] == "ended"), ["worker", "t", "t_end"]
    ]
    lost = opened["t_end"].isna()
    ends = opened["t_end"].to_numpy(dtype=float, copy=True)
    ends[lost] = opened.loc[lost, "worker"].astype(str).map(run.last_heard)
    return opened["t"].to_numpy(dtype=float), ends


def open_sessions(run: Run) -> pd.DataFrame:
    """
    The number of open sessions after each change.

    Returns:
        ``t`` ascending, in seconds, each instant once, and ``sessions`` from then on.

    """
    starts, ends = (np.sort(each) for each in open_spans(run))
    instants = np.unique(np.concatenate([starts, ends]))
    begun, over = (np.searchsorted(each, instants, side="right") for each in (starts, ends))
    return pd.DataFrame({"t": instants, "sessions": begun - over})


def open_at(steps: pd.DataFrame, t: np.ndarray) -> np.ndarray:
    """How many sessions were open at the instants ``t``, in seconds."""
    counts = np.concatenate([[0], steps["sessions"].to_numpy()])
    return counts[np.searchsorted(steps["t"].to_numpy(), t, side="right")]


def concurrency_of(run: Run) -> "pd.Series[int]":
    """How many sessions the swarm had open when each turn began."""
    t = run.turns["t"]
    return pd.Series(open_at(open_sessions(run), t.to_numpy()), t.index, dtype=np.int32)
