"""Records gathered into columns chunk by chunk: what is repeated is kept once, the rest tightly."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

__all__ = ["Columns", "column", "joined", "spelled", "spellings", "words"]

Columns = dict[str, Any]
"""Arrays of equal length, by name; words are ``pd.Categorical``."""


def column(rows: Sequence[Any], path: str, dtype: Any) -> np.ndarray:
    """The attribute ``path`` of each row; NaN where it is ``None``."""
    values: Callable[[Any], Any] = attrgetter(path)
    return np.array([values(row) for row in rows], dtype=dtype)


def words(values: Iterable[str | None]) -> pd.Categorical:
    """Few different words, each kept once."""
    # Of one type even where all are missing, so that columns can be joined.
    return pd.Categorical(pd.array(list(values), dtype="str"))


def spellings(values: Iterable[object]) -> pd.Categorical:
    """Mappings, few of them different, as the JSON they are spelled in."""
    return words(msgspec.json.encode(value).decode() if value else "{}" for value in values)


def spelled(values: "pd.Series[Any]") -> Iterator[tuple[Mapping[str, Any], int]]:
    """The mappings that ``spellings`` kept, each once, and how often it stands there."""
    for text, n in values.value_counts().items():
        if n:
            yield msgspec.json.decode(str(text)), int(n)


def joined(parts: Sequence[Columns]) -> pd.DataFrame:
    """
    One frame of all ``parts``, which are emptied.

    Column by column: at no time is more than one of them there twice.
    """
    whole: Columns = {}
    for name in list(parts[0]):
        pieces = [part.pop(name) for part in parts]
        if isinstance(pieces[0], pd.Categorical):
            whole[name] = union_categoricals(pieces)
        else:
            whole[name] = np.concatenate(pieces)
    return pd.DataFrame(whole, copy=False)
