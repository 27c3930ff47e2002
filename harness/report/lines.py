"""Files of one JSON record a line: decoded in chunks, damaged lines counted and passed over."""

from array import array
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, Generic, TypeVar

import msgspec

from harness.errors import CommandError

__all__ = ["NOT_JSON", "Lines", "open_records"]

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises of bytes that are no JSON, no UTF-8, nested too deeply or not as asked."""

Row = TypeVar("Row")

MOVE_AWAY = "mend that, or move it away to read the run without it"

CHUNK = 10_000  # rows held as objects at once: about 20 MB of turns


class Lines(Generic[Row]):
    """
    The records of one file, as ``row`` structs: only the fields that ``row`` names are decoded.

    A line is damaged if it is no JSON object of that shape, as a half-written last one is not.
    """

    def __init__(self, path: Path, row: type[Row], progress: Callable[[int], None]) -> None:
        self.path = path
        self.damaged = 0  # known when all has been read
        self.cut = False  # whether one of them is the last, left half-written
        self.offsets = array("q")  # where each record's line begins, in bytes
        self._decoder = msgspec.json.Decoder(row)
        self._progress = progress

    def chunks(self) -> Iterator[list[Row]]:
        """Lists of at most ``CHUNK`` records, in the file's order; none if there is no file."""
        rows: list[Row] = []
        at = read = 0
        with open_records(self.path) as file:
            for line in file:
                read += len(line)
                try:
                    rows.append(self._decode(line))
                    self.offsets.append(at)
                except NOT_JSON:
                    self.damaged += bool(line.strip())
                    self.cut = not line.endswith(b"\n")
                at += len(line)
                if len(rows) == CHUNK:
                    yield rows
                    self._progress(read)
                    rows, read = [], 0
        yield rows
        self._progress(read)

    def _decode(self, line: bytes) -> Row:
        row = self._decoder.decode(line)
        if not line.isascii():
            line.decode()  # what is passed over, or kept as it stands, was not looked at
        return row


def open_records(path: Path) -> BinaryIO:
    """
    A file of a run directory, to be read; an empty one where there is none.

    Raises:
        CommandError: If what is there can't be read, a directory, say.

    """
    try:
        if not S_ISREG(path.stat().st_mode):
            raise CommandError(f"can't read {path}: it is no regular file; {MOVE_AWAY}")
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return BytesIO()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(f"can't read {path}: {reason}; {MOVE_AWAY}") from None
