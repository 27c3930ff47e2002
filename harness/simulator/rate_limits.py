"""Requests and tokens a minute: what is left of them, and what a request beyond them is told."""

from typing import Any

__all__ = ["RateLimits"]

_MINUTE = 60_000_000_000  # ns
_UNLIMITED = {"requests": 10_000, "tokens": 2_000_000}  # what the endpoint then speaks of
_ABBREVIATED = {"requests": "RPM", "tokens": "TPM"}


class _Bucket:
    """Holds what may still be used; it fills up within a minute."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.enforced = limit > 0
        self.limit = limit or _UNLIMITED[name]
        self._left = float(self.limit)
        self._at: int | None = None

    def fill(self, at: int) -> None:
        since = at - (at if self._at is None else self._at)
        self._left = min(self.limit, self._left + self.limit * since / _MINUTE)
        self._at = at

    def holds(self, amount: int) -> bool:
        # What is more than fits is taken when all is there, and owed.
        return not self.enforced or self._left >= min(amount, self.limit)

    def take(self, amount: int) -> None:
        self._left -= amount
        if not self.enforced:
            self._left = max(0.0, self._left)

    def wait(self, amount: int) -> float:
        """Seconds until so much is there."""
        return max(0.0, (min(amount, self.limit) - self._left) / self.limit * 60)

    def wire(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "limit": self.limit,
            "remaining": max(0, int(self._left)),
            "reset_seconds": round(self.wait(self.limit), 3),
        }


class RateLimits:
    """The limits of one endpoint, for all its sessions; 0 is none."""

    def __init__(self, requests: int, tokens: int) -> None:
        self._requests = _Bucket("requests", requests)
        self._tokens = _Bucket("tokens", tokens)

    def admit(self, tokens: int, at: int) -> dict[str, str] | None:
        """Take a request that reads so many ``tokens``; else the error of its response."""
        for bucket, amount in ((self._requests, 1), (self._tokens, tokens)):
            bucket.fill(at)
            if not bucket.holds(amount):
                return _error(bucket, amount)
        self._requests.take(1)
        self._tokens.take(tokens)
        return None

    def use(self, tokens: int) -> None:
        """Count tokens that an answer was made of."""
        self._tokens.take(tokens)

    def wire(self) -> list[dict[str, Any]]:
        """As ``rate_limits.updated`` tells them."""
        return [self._requests.wire(), self._tokens.wire()]


def _error(bucket: _Bucket, amount: int) -> dict[str, str]:
    used = bucket.limit - bucket.wire()["remaining"]
    return {
        "type": bucket.name,
        "code": "rate_limit_exceeded",
        "message": f"Rate limit reached on {bucket.name} per min ({_ABBREVIATED[bucket.name]}): "
        f"Limit {bucket.limit}, Used {used}, Requested {amount}. "
        f"Please try again in {bucket.wait(amount):.3g}s.",
    }
