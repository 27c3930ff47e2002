"""The turns and sessions of a run that an objective's filters leave."""

from collections.abc import Iterable

import msgspec
import numpy as np
import pandas as pd

from harness.report.load import Run
from harness.slo import Filter

__all__ = ["kept", "narrowed"]

COLUMNS = ("scenario", "model", "kind")  # any other label is a tag


def narrowed(run: Run, where: Iterable[Filter]) -> Run:
    """``run`` with what all of ``where`` hold for; the health of its workers stays whole."""
    where = tuple(where)
    return run.only(kept(run.turns, where), kept(run.sessions, where))


def kept(records: pd.DataFrame, where: Iterable[Filter]) -> np.ndarray:
    """Of each turn or session, whether all of ``where`` hold for it."""
    found = np.ones(len(records), dtype=bool)
    for each in where:
        found &= (_values(records, each.label) == each.value).to_numpy() == each.equal
    return found


def _values(records: pd.DataFrame, label: str) -> "pd.Series[str]":
    if label in COLUMNS:
        column = records.get(label)
        return pd.Series("", records.index) if column is None else column.astype(str)
    tags = records["tags"].cat.categories
    named = {text: str(msgspec.json.decode(text).get(label, "")) for text in tags}
    return records["tags"].astype(str).map(named)
