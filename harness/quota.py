"""For how many more callers what is left of an endpoint's quotas is enough. Pure."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from harness.realtime.objects import RateLimit

__all__ = ["Left", "Quotas", "room"]

MINUTE_S = 60.0  # quotas are of a minute
NEWEST = 0.1  # what the newest turn weighs in the average, once there were as many as that tells
SHORTEST_TURN_S = 0.1


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A quota as it was told."""

    limit: float | None
    remaining: float
    reset_s: float | None  # until it is whole again
    at: int  # ns


def room(left: Mapping[str, Left], needs: Mapping[str, float], now: int) -> float:
    """
    How many more callers may begin; endless where nothing is known.

    A quota fills up evenly until it is whole again, by what was told last.

    Args:
        left: By ``requests``, ``tokens``.
        needs: What one caller uses of each in a minute.
        now: Nanoseconds, on the clock of ``Left.at``.

    """
    rooms = [_now(left[name], now) / need for name, need in needs.items() if name in left and need]
    return min(rooms, default=math.inf)


def _now(quota: Left, now: int) -> float:
    if quota.limit is None or quota.reset_s is None:
        return quota.remaining
    passed = (now - quota.at) / 1e9
    share = 1.0 if passed >= quota.reset_s else max(0.0, passed) / quota.reset_s
    return quota.remaining + share * max(0.0, quota.limit - quota.remaining)


class Quotas:
    """
    What an endpoint said is left, what callers use, and who was let in since.

    Args:
        turn_s: Seconds from turn to turn of a caller, as long as none has ended.
        tokens: Of a turn, likewise.

    """

    def __init__(self, turn_s: float, tokens: float) -> None:
        self._turn_s = turn_s
        self._tokens = tokens
        self._requests = 1.0
        self._turns = 0
        self._left: dict[str, Left] = {}
        self._let_in = 0  # since it was told

    def told(self, limits: Sequence[RateLimit], at: int) -> None:
        """Take what ``rate_limits.updated`` said, received ``at`` (ns)."""
        for limit in limits:
            if limit.name is None or limit.remaining is None:
                continue
            before = self._left.get(limit.name)
            if before is None or at >= before.at:
                self._left[limit.name] = Left(
                    limit=limit.limit,
                    remaining=limit.remaining,
                    reset_s=limit.reset_seconds,
                    at=at,
                )
                self._let_in = 0

    def used(self, *, tokens: float, requests: int, turn_s: float) -> None:
        """A turn took so many tokens and responses, and so long until the next."""
        self._turns += 1
        weight = max(NEWEST, 1 / (self._turns + 1))  # beforehand is worth one turn
        self._tokens += weight * (tokens - self._tokens)
        self._requests += weight * (requests - self._requests)
        self._turn_s += weight * (max(turn_s, SHORTEST_TURN_S) - self._turn_s)

    def let_in(self, now: int) -> bool:
        """Whether one more caller may begin now; then it counts as one that does."""
        turns = MINUTE_S / self._turn_s
        needs = {"tokens": self._tokens * turns, "requests": self._requests * turns}
        if room(self._left, needs, now) < self._let_in + 1:
            return False
        self._let_in += 1
        return True
