"""Figures as people read them: one wording for the page and the terminal."""

import math
import re
from collections.abc import Mapping
from typing import Any

from harness.percentiles import turns_needed

__all__ = [
    "MISSING",
    "amount",
    "between",
    "beyond",
    "cell",
    "cost",
    "count",
    "damage",
    "difference",
    "interval",
    "objective_value",
    "percentile",
    "rounded",
    "seconds",
    "share",
    "size",
    "span",
    "title",
    "too_few",
    "usd",
    "why",
]

MISSING = "–"


def seconds(value: float | None) -> str:
    """A latency to three figures: ``0.40 ms``, ``412 ms``, ``1.24 s``, ``22.0 s``."""
    if value is None:
        return MISSING
    if value == 0:
        return "0 ms"
    if value < 0.001:
        return f"{value * 1e3:.2f} ms"
    if value < 0.01:
        return f"{value * 1e3:.1f} ms"
    if value < 0.9995:
        return f"{value * 1e3:.0f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def damage(summary: Mapping[str, Any]) -> list[str]:
    """What of a run's files can't be read and was passed over, a sentence each."""
    lines = [f"{n} in {name}" for name, n in summary["damaged"].items() if name != "run.json"]
    told: list[str] = summary["damage"]
    return [*told, f"Damaged lines passed over: {', '.join(lines)}"] if lines else told


def percentile(value: Any) -> str:
    """A percentile of a summary: ``412 ms``, ``> 22 s`` or ``–`` for too few."""
    if isinstance(value, Mapping):
        above = value.get("above")
        return MISSING if above is None else beyond(above)
    return seconds(value)


def beyond(value: float) -> str:
    """What the unanswered waited longer than: ``> 309 ms``, ``> 22 s``."""
    return f"> {seconds(value)}" if value < 0.9995 else f"> {value:.3g} s"


def figure(value: Any, unit: str) -> str:
    """A figure of a summary in its unit: that of seconds as a latency, a bare one as a number."""
    if unit == "seconds" or not isinstance(value, int | float):
        return percentile(value)
    return f"{value:.3g}"


def interval(ends: Any) -> str:
    """An interval of a summary: ``398–431 ms``, ``0.95–1.24 s``, ``18 s – > 22 s``; or nothing."""
    if not ends:
        return ""
    low, high = (percentile(end) for end in ends)
    number, _, unit = high.rpartition(" ")
    if low.startswith(">"):
        return ""  # the percentile says so itself
    if low == high:
        return low
    if low.endswith(f" {unit}") and not high.startswith(">"):
        return f"{low.removesuffix(f' {unit}')}–{number} {unit}"
    return f"{low} – {high}"


def why(value: Any) -> str:
    """Why a percentile is no number; empty if it is one."""
    if not isinstance(value, Mapping):
        return ""
    if value.get("above") is not None:
        return "it reaches the unanswered turns: they waited longer than this"
    return "too few turns carry it: fewer than ten lie beyond it"


def too_few(text: str) -> str:
    """What it takes to tell the percentile that is named in ``text``: ``p95`` takes 200 turns."""
    name = re.search(r"\bp(\d+(?:\.\d+)?)", text)
    if name is None:
        return MISSING
    return f"too few turns: {name[0]} takes {count(turns_needed(float(name[1]) / 100))}"


def share(part: float, whole: float) -> str:
    """``1.3 %``; small shares keep two figures, and what is not all is not told as ``100.0 %``."""
    if not whole:
        return MISSING
    percent = 100 * part / whole
    if 0 < percent < 1:
        return f"{percent:.2g} %"
    if 99.95 <= percent < 100:
        digits = 1 - math.floor(math.log10(100 - percent))
        return f"{percent:.{digits}f} %"
    return f"{percent:.1f} %"


def count(n: int | None) -> str:
    """A whole number, thousands apart."""
    return MISSING if n is None else f"{n:,}".replace(",", "\u202f")


def span(value: float) -> str:
    """How long a run was: ``45 s``, ``1 min 40 s``, ``2 h 05 min``."""
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def objective_value(objective: str, value: Any, met: bool | None = None) -> str:
    """What a run reached of an objective, in its unit; if it is undecided, what is missing."""
    if value is None:
        return "there are none"
    if isinstance(value, Mapping) and value.get("above") is None:
        return too_few(objective) if met is None else MISSING
    if objective.startswith(("turns", "sessions")):
        return share(value, 1) if objective.endswith("%") else count(int(value))
    if objective.startswith("audio_gaps"):
        return f"{value:.2g} per minute"
    return percentile(value)


def amount(metric: str, value: float, *, above: bool = False) -> str:
    """A figure of a comparison, in its metric's unit."""
    if metric in ("turns", "sessions"):
        return f"{value:.2%}".replace("%", " %")
    if metric == "audio_gaps":
        return f"{value:.2f}/min"
    return beyond(value) if above else seconds(value)


def size(metric: str, value: float) -> str:
    """How large a difference is: ``48 ms``, ``0.30 points``, ``1.20/min``."""
    if metric in ("turns", "sessions"):
        return f"{100 * value:.2f} points"
    if metric == "audio_gaps":
        return f"{value:.2f}/min"
    return seconds(value) if value >= 0.00005 else "0 ms"


def difference(metric: str, value: float) -> str:
    """A difference of a comparison, with its sign: ``+48 ms``, ``−0.30 points``."""
    text = size(metric, abs(value))
    if not any(digit in "123456789" for digit in text):
        return f"±{text}"
    return f"{'+' if value > 0 else '−'}{text}"


def between(metric: str, low: float, high: float) -> str:
    """The interval of a difference: ``+12 to +102 ms``, ``−13 ms to +1.20 s``."""
    first, last = difference(metric, low), difference(metric, high)
    for unit in (" points", "/min", " ms", " s"):
        if first.endswith(unit) and last.endswith(unit):
            return f"{first.removesuffix(unit)} to {last}"
    return f"{first} to {last}"


def title(metric: str) -> str:
    """A metric as it is spoken of: ``TTFA``, ``time to answer``."""
    return metric.upper() if metric in ("ttfa", "ttft") else metric.replace("_", " ")


def rounded(n: int) -> str:
    """A number to two figures, as an estimate deserves: ``1 100``."""
    return count(int(float(f"{n:.2g}")))


def cell(text: object) -> str:
    """Text for a cell of a Markdown table."""
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def usd(value: float | None) -> str:
    """Money to two figures under a dollar, to the cent above: ``$0.0034``, ``$12.40``."""
    if value is None:
        return MISSING
    if value == 0 or value >= 1:
        return f"${value:,.2f}"
    digits = 1 - math.floor(math.log10(value))
    return f"${value:.{max(2, digits)}f}"


def cost(summary: Mapping[str, Any]) -> str:
    """What a run cost: ``$12.40``, or ``at least $12.40`` where some of it has no price."""
    least = "at least " if summary["spending"]["unpriced_turns"] else ""
    return f"{least}{usd(summary['cost_usd'])}"
