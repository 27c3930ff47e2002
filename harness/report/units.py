"""What a run is resampled by: its calls, or blocks of time where load varies."""

import msgspec
import numpy as np
import pandas as pd

from harness.report.concurrency import concurrency_of
from harness.report.load import Run

__all__ = [
    "CALL",
    "MOST_UNITS",
    "PART_TURNS",
    "Units",
    "call_units",
    "join_units",
    "load_varies",
    "units_of",
]

CALL = ["worker", "caller", "call"]

PART_TURNS = 1_000_000
"""Turns whose calls are looked up together: for that each takes many times what it is kept in."""

MOST_UNITS = 1000  # more are joined at random: the spread between joined ones tells the same
BLOCKS = 50
VARIED = 0.5  # between the tenth and the ninetieth percentile, as a share of the median


class Units(msgspec.Struct, frozen=True):
    """
    The unit of each turn and of each session, as a number from 0.

    Attributes:
        turns: In the order of ``Run.turns``.
        sessions: In the order of ``Run.sessions``.
        number: How many units there are.
        what: What a unit is, for people.

    """

    turns: np.ndarray
    sessions: np.ndarray
    number: int
    what: str


def call_units(turns: pd.DataFrame) -> np.ndarray:
    """The call of each turn as a number, from 0; more calls than ``MOST_UNITS`` share numbers."""
    return join_units(_numbered(turns))


def join_units(units: np.ndarray) -> np.ndarray:
    """``units`` with at most ``MOST_UNITS`` numbers, joined at random and always the same way."""
    number = int(units.max(initial=-1)) + 1
    if number <= MOST_UNITS:
        return units.astype(np.int16)
    joined = np.random.default_rng(0).permutation(number) % MOST_UNITS
    return np.asarray(joined.astype(np.int16)[units])


def load_varies(run: Run) -> bool:
    """Whether turns met very different numbers of open sessions: then neighbours are alike."""
    if run.turns.empty or run.sessions.empty:
        return False
    met = concurrency_of(run)
    low, middle, high = met.quantile([0.1, 0.5, 0.9])
    return bool(high - low > VARIED * middle)


def units_of(run: Run, *, blocks: bool) -> Units:
    """The units of a run: its calls or, with ``blocks``, all calls begun in one span of time."""
    columns = [*CALL, "t"]
    everything = pd.concat(
        [frame[columns].astype({"worker": object}) for frame in (run.turns, run.sessions)],
        ignore_index=True,
    )
    units = _numbered(everything)
    if blocks and len(units):
        width = max(run.duration_s, 1e-9) / BLOCKS
        begun = everything["t"].groupby(units).min()
        block, _ = pd.factorize(np.floor(begun.to_numpy() / width))
        units = block[units]
    units = join_units(units)
    return Units(
        turns=units[: len(run.turns)],
        sessions=units[len(run.turns) :],
        number=int(units.max(initial=-1)) + 1,
        what="block of time" if blocks else "call",
    )


def _numbered(rows: pd.DataFrame) -> np.ndarray:
    worker, _ = pd.factorize(rows["worker"])
    key = worker.astype(np.int64)
    for name in ("caller", "call"):
        key *= int(rows[name].max()) + 1 if len(rows) else 1
        key += rows[name].to_numpy()
    numbers, _ = pd.factorize(key)
    return numbers.astype(np.int32)
