"""What is to be reached, and whether it was."""

from collections.abc import Iterator, Sequence
from statistics import median

import msgspec

from bench.results import Result, ratios, summarise
from harness.percentiles import percentile_too_thin

__all__ = ["Target", "targets"]

SESSIONS = 400
OURS, OURS_OVER_TLS = "worker", "worker+tls"
BESIDE = {"websocket-client": 0.65, "picows": 1.5}
OVER_PLAINTEXT = 1.6
LATENESS_MS, ERROR_MS, MEMORY_KB = 2.0, 1.0, 40.0


class Target(msgspec.Struct, frozen=True):
    """A figure that is to be at most so large."""

    what: str
    value: float
    most: float
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is."""
        return self.value <= self.most

    def __str__(self) -> str:
        said = "reached" if self.reached else "MISSED"
        return f"{self.what}: {self.value:.2f}{self.unit}, at most {self.most:g}{self.unit}: {said}"


def targets(results: Sequence[Result]) -> Iterator[Target]:
    """Those of which enough was measured."""
    for other, each in ratios(results, OURS, SESSIONS):
        if other in BESIDE:
            yield Target(f"CPU of the worker over bare {other}", median(each), BESIDE[other])
    for other, each in ratios(results, OURS_OVER_TLS, SESSIONS):
        if other == OURS:
            yield Target("CPU of the worker, TLS over plaintext", median(each), OVER_PLAINTEXT)
    for one in summarise(results):
        if (one.client, one.sessions) == (OURS, SESSIONS):
            yield Target("frame lateness p99", one.lateness_p99_ms, LATENESS_MS, " ms")
            if not percentile_too_thin(0.99, int(one.turns)):
                yield Target("TTFA error p99", one.ttfa_error_p99_ms, ERROR_MS, " ms")
            yield Target("memory a session", one.memory_kb, MEMORY_KB, " kB")
