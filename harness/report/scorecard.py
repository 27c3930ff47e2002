"""The scorecard of an endpoint: what it did against the protocol, and how often."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from harness.realtime.deviations import DEVIATION_KINDS

__all__ = ["scorecard"]


def scorecard(cards: Iterable[tuple[Mapping[str, Any], int]]) -> list[dict[str, Any]]:
    """
    A row for each deviation, the most frequent first.

    Args:
        cards: The ``scorecard`` of sessions' records, and how many sessions have it.

    Returns:
        ``kind``, ``meaning``, ``where`` (the event, and the field if it is about one), ``count``,
        ``sessions`` (how many had it).

    """
    counts: Counter[tuple[str, str]] = Counter()
    spread: Counter[tuple[str, str]] = Counter()
    for card, sessions in cards:
        for kind, places in card.items():
            for where, n in places.items():
                counts[kind, where] += n * sessions
                spread[kind, where] += sessions
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
