"""How many workers a load takes, by the sessions that one core was measured to carry."""

import math
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["ROOM", "Carriers", "carriers", "read_capacity"]

ROOM = 0.6
"""The share of a core that is planned with: noisy neighbours, TLS and slow starts take the rest."""

HOW = "measure it with realtime-harness selftest --capacity --json > capacity.json"
DUTIES = {"none": "push to talk"}  # by turn detection
OPEN = "open microphone"


class Carriers(msgspec.Struct, frozen=True, kw_only=True):
    """Workers of one core each, and where that is known from."""

    workers: int | None  # None: nobody knows
    sessions_per_core: int | None
    source: str


def carriers(users: int, turn_detection: str, capacity: str | None) -> Carriers:
    """
    The workers for so many callers at once.

    Args:
        users: Callers.
        turn_detection: Of the workload: an open microphone costs more than push to talk.
        capacity: Sessions per core as a number, or the file that ``selftest --capacity --json``
            wrote; ``None``: not known.

    Raises:
        ValueError: If it is neither.

    """
    if capacity is None:
        source = f"sessions per core are not known here: {HOW}"
        return Carriers(workers=None, sessions_per_core=None, source=source)
    if capacity.isdecimal() and int(capacity) > 0:
        sessions, source = int(capacity), "the figure given by --sessions-per-core"
    else:
        duty = DUTIES.get(turn_detection, OPEN)
        sessions, at_least = read_capacity(Path(capacity), duty)
        more = " at least" if at_least else ""
        source = f"measured:{more} {sessions} sessions per core, {duty}, by {capacity}"
    return Carriers(
        workers=math.ceil(users / (ROOM * sessions)), sessions_per_core=sessions, source=source
    )


def read_capacity(path: Path, duty: str) -> tuple[int, bool]:
    """
    Sessions that a core carries in a duty cycle, and whether there may be room for more.

    Args:
        path: What ``selftest --capacity --json`` wrote.
        duty: ``push to talk`` or ``open microphone``.

    Raises:
        ValueError: If the file does not say; one line.

    """
    try:
        said: Any = msgspec.json.decode(path.read_bytes())
        found = {row["duty"]: (row["sessions"], row["at_least"]) for row in said["capacity"]}
        sessions, at_least = found[duty]
    except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError):
        raise ValueError(f"{path} does not say what a core carries ({duty}): {HOW}") from None
    if not isinstance(sessions, int) or sessions < 1:
        raise ValueError(f"by {path} a core carries no session at all ({duty})")
    return sessions, bool(at_least)
