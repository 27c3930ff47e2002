"""A comparison as one HTML page that needs nothing else."""

from collections.abc import Mapping
from typing import Any

from harness.report.comparison import Comparison
from harness.report.templates import render_page

__all__ = ["headline", "render_comparison"]

LEVELS = {0: ("valid", "✓"), 1: ("invalid", "✕"), 2: ("suspect", "?")}  # colours, signs by code


def headline(comparison: Comparison) -> str:
    """The answer in one line."""
    if comparison.obstacles:
        return "They can't be compared"
    worse = [statement.metric for statement in comparison.regressions]
    if worse:
        rest = f" and {len(worse) - 2} more metrics" if len(worse) > 3 else ""
        shown = worse[:2] if rest else worse
        return f"Worse beyond {comparison.tolerance}: {', '.join(shown)}{rest}"
    found = {statement.finding for statement in comparison.statements}
    if found == {"no difference"}:
        return "No difference that these runs could show"
    return f"Nothing is worse beyond {comparison.tolerance}"


def render_comparison(comparison: Comparison, plots: Mapping[str, Mapping[str, Any]]) -> str:
    """The page; ``plots``: Vega-Lite specifications by name."""
    level, sign = LEVELS[comparison.exit_code]
    return render_page(
        "compare.html.j2",
        plots,
        c=comparison,
        headline=headline(comparison),
        level=level,
        sign=sign,
    )
