"""How many sessions the swarm had open, from when they started and ended."""

import numpy as np
import pandas as pd

from harness.report.sessions import STEP_COLUMNS

__all__ = ["concurrency_of", "open_at", "open_sessions"]


def open_sessions(sessions: pd.DataFrame, until: float) -> pd.DataFrame:
    """
    The number of open sessions after each change.

    A session is open from dialling until it was over; one that was refused never was. One whose
    end is not recorded, as of a killed worker, counts until ``until``.

    Args:
        sessions: With ``t``, ``t_end``, ``ended``, ``outcome`` and ``step_upgrade``.
        until: Seconds, the end of the run.

    Returns:
        ``t`` ascending, each instant once, and ``sessions`` from then on.

    """
    upgraded = sessions[STEP_COLUMNS["upgrade"]].notna()
    opened = sessions.loc[
        upgraded | ~sessions["ended"] | (sessions["outcome"] == "ended"), ["t", "t_end"]
    ]
    starts = np.sort(opened["t"].to_numpy(dtype=float))
    ends = np.sort(opened["t_end"].fillna(until).to_numpy(dtype=float))
    instants = np.unique(np.concatenate([starts, ends]))
    begun, over = (np.searchsorted(each, instants, side="right") for each in (starts, ends))
    return pd.DataFrame({"t": instants, "sessions": begun - over})


def open_at(steps: pd.DataFrame, t: np.ndarray) -> np.ndarray:
    """How many sessions were open at the instants ``t``, in seconds."""
    counts = np.concatenate([[0], steps["sessions"].to_numpy()])
    return counts[np.searchsorted(steps["t"].to_numpy(), t, side="right")]


def concurrency_of(turns: pd.DataFrame, sessions: pd.DataFrame, until: float) -> "pd.Series[float]":
    """How many sessions the swarm had open when each turn began."""
    steps = open_sessions(sessions, until)
    return pd.Series(open_at(steps, turns["t"].to_numpy()), turns.index, dtype=float)
