"""What an endpoint shows of itself: its totals, for people, programs and Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.simulator.totals_page import totals_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.simulator.truth import Totals

__all__ = ["Page", "page"]

_PREFIX = "realtime_simulator_"
_COUNTERS = {
    "sessions": "Sessions begun",
    "responses": "Responses whose response.created was written",
    "turns": "Responses but those to a tool's output",
    "tool_calls": "Functions called",
    "errors": "Error events sent",
    "refused": "Sessions refused, at the handshake or after it",
    "audio_in_s": "Seconds of audio heard",
    "audio_out_s": "Seconds of audio said",
    "input_tokens": "Tokens read",
    "output_tokens": "Tokens made",
}


class Page(msgspec.Struct, frozen=True):
    """Something to read."""

    body: bytes
    content_type: str = "application/json"


def page(target: str, totals: Totals) -> Page | None:
    """What stands at ``target``; ``None`` if it is no page."""
    match target.partition("?")[0]:
        case "/healthz":
            return Page(b'{"status":"ok"}')
        case "/":
            return Page(totals_page(totals.report()).encode(), "text/html; charset=utf-8")
        case "/totals":
            return Page(msgspec.json.encode(totals.report()) + b"\n")
        case "/metrics":
            body = "".join(f"{line}\n" for line in _metrics(totals))
            return Page(body.encode(), "text/plain; version=0.0.4; charset=utf-8")
    return None


def _metrics(totals: Totals) -> Iterator[str]:
    """The totals in Prometheus' text format."""
    report = totals.report()
    for field, text in _COUNTERS.items():
        name = f"{_PREFIX}{field.removesuffix('_s')}"
        name += "_seconds_total" if field.endswith("_s") else "_total"
        yield from _head(name, "counter", text)
        yield f"{name} {report[field]}"
    yield from _head(f"{_PREFIX}open_sessions", "gauge", "Sessions open now")
    yield f"{_PREFIX}open_sessions {totals.open_sessions}"
    for field, label, text in (
        ("statuses", "status", "Responses by how they ended"),
        ("faults", "fault", "Faults that struck"),
    ):
        yield from _head(f"{_PREFIX}{field}_total", "counter", text)
        for value, count in report[field].items():
            yield f'{_PREFIX}{field}_total{{{label}="{value}"}} {count}'
    late = report["first_delta_lateness_s"]
    name = f"{_PREFIX}first_delta_lateness_seconds"
    yield from _head(name, "summary", "How late first audio deltas were sent")
    for quantile, figure in (("0.5", "p50"), ("0.99", "p99")):
        yield f'{name}{{quantile="{quantile}"}} {late[figure]}'
    yield f"{name}_sum {totals.lateness.sum}"
    yield f"{name}_count {totals.lateness.count}"


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}.", f"# TYPE {name} {kind}"
