"""Files of one JSON record a line: decoded in chunks, damaged lines counted and passed over."""

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

__all__ = ["Lines"]

Row = TypeVar("Row")

CHUNK = 10_000  # rows held as objects at once: about 20 MB of turns


class Lines(Generic[Row]):
    """
    The records of one file, as ``row`` structs: only the fields that ``row`` names are decoded.

    A line is damaged if it is no JSON object of that shape, as a half-written last one is not.
    """

    def __init__(self, path: Path, row: type[Row], progress: Callable[[int], None]) -> None:
        self.path = path
        self.damaged = 0  # known when all has been read
        self.offsets = array("q")  # where each record's line begins, in bytes
        self._decoder = msgspec.json.Decoder(row)
        self._progress = progress

    def chunks(self) -> Iterator[list[Row]]:
        """Lists of at most ``CHUNK`` records, in the file's order; none if there is no file."""
        if not self.path.is_file():
            return
        rows: list[Row] = []
        at = read = 0
        with self.path.open("rb") as file:
            for line in file:
                read += len(line)
                try:
                    rows.append(self._decoder.decode(line))
                    self.offsets.append(at)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    self.damaged += bool(line.strip())
                at += len(line)
                if len(rows) == CHUNK:
                    yield rows
                    self._progress(read)
                    rows, read = [], 0
        yield rows
        self._progress(read)
