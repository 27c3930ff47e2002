"""The scorecard of an endpoint: what it did against the protocol, and how often."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from harness.realtime.deviations import DEVIATION_KINDS

__all__ = ["scorecard"]


def scorecard(sessions: Iterable[Mapping[str, Mapping[str, int]]]) -> list[dict[str, Any]]:
    """
    A row for each deviation, the most frequent first.

    Args:
        sessions: The ``scorecard`` of each session's record.

    Returns:
        ``kind``, ``meaning``, ``where`` (the event, and the field if it is about one), ``count``,
        ``sessions`` (how many had it).

    """
    counts: Counter[tuple[str, str]] = Counter()
    spread: Counter[tuple[str, str]] = Counter()
    for card in sessions:
        for kind, places in card.items():
            for where, n in places.items():
                counts[kind, where] += n
                spread[kind, where] += 1
    return [
        {
            "kind": kind,
            "meaning": DEVIATION_KINDS.get(kind, ""),
            "where": where,
            "count": n,
            "sessions": spread[kind, where],
        }
        for (kind, where), n in counts.most_common()
    ]
