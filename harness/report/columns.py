"""Records gathered into columns chunk by chunk: what is repeated is kept once, the rest tightly."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pandas as pd

__all__ = ["Columns", "Seconds", "Table", "column", "spelled", "spellings", "words"]

FEW_WORDS = np.iinfo(np.int16).max

Seconds = type[np.floating[Any]]
"""The type that seconds are kept in."""

Columns = dict[str, Any]
"""Arrays of equal length, by name; words are ``pd.Categorical``."""


def column(rows: Sequence[Any], path: str, dtype: Any) -> np.ndarray:
    """The attribute ``path`` of each row; NaN where it is ``None``."""
    values: Callable[[Any], Any] = attrgetter(path)
    return np.array([values(row) for row in rows], dtype=dtype)


def words(values: Iterable[str | None]) -> pd.Categorical:
    """Few different words, each kept once."""
    return pd.Categorical(pd.array(list(values), dtype="str"))


def spellings(values: Iterable[object]) -> pd.Categorical:
    """Mappings, few of them different, as the JSON they are spelled in."""
    return words(msgspec.json.encode(value).decode() if value else "{}" for value in values)


def spelled(values: "pd.Series[Any]") -> Iterator[tuple[Mapping[str, Any], int]]:
    """The mappings that ``spellings`` kept, each once, and how often it stands there."""
    for text, n in values.value_counts().items():
        if n:
            yield msgspec.json.decode(str(text)), int(n)


class Table:
    """
    Columns that grow at their end, part by part.

    Parts are copied and forgotten: kept until all are there, they would leave as many holes in the
    process's memory as the whole takes once more.
    """

    def __init__(self, first: Columns) -> None:
        self._columns: dict[str, _Growing] = {}
        self._codes: dict[str, dict[str, int]] = {}
        for name, values in first.items():
            if isinstance(values, pd.Categorical):
                self._codes[name] = {}
                self._columns[name] = _Growing(np.dtype(np.int16))
            else:
                self._columns[name] = _Growing(values.dtype)
        self.extend(first)

    def extend(self, part: Columns) -> None:
        """Add as many rows as ``part`` has, of the same columns as the first."""
        for name, values in part.items():
            coded = name in self._codes
            self._columns[name].extend(self._coded(name, values) if coded else values)

    def frame(self) -> pd.DataFrame:
        """All rows."""
        return pd.DataFrame({name: self._whole(name) for name in self._columns}, copy=False)

    def _coded(self, name: str, values: pd.Categorical) -> np.ndarray:
        codes = self._codes[name]
        ours = [codes.setdefault(str(word), len(codes)) for word in values.categories]
        if len(codes) > FEW_WORDS:
            self._columns[name].widen(np.dtype(np.int32))
        missing = -1  # what pandas gives those as well, hence last
        coded: np.ndarray = np.array([*ours, missing], dtype=np.int32)[values.codes]
        return coded

    def _whole(self, name: str) -> Any:
        column = self._columns[name].whole()
        if name not in self._codes:
            return column
        known = pd.Index(list(self._codes[name]), dtype="str")
        return pd.Categorical.from_codes(column, known)


class _Growing:
    """An array that grows at its end, in place."""

    def __init__(self, dtype: "np.dtype[Any]") -> None:
        self._room = np.empty(0, dtype)
        self._used = 0

    def whole(self) -> np.ndarray:
        """What was filled, without the room to grow."""
        self._room.resize(self._used, refcheck=False)
        return self._room

    def widen(self, dtype: "np.dtype[Any]") -> None:
        self._room = self._room.astype(dtype, copy=False)

    def extend(self, more: np.ndarray) -> None:
        end = self._used + len(more)
        if end > len(self._room):
            self._room.resize(max(end, len(self._room) * 11 // 10), refcheck=False)
        self._room[self._used : end] = more
        self._used = end
