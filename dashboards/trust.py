"""Whether the generator can be trusted, as one number: the verdict's rules that are told live."""

from dashboards.promql import Queries
from harness.verdict import RULES

__all__ = ["VERDICT_WORDS", "level", "limit"]

VERDICT_WORDS = {
    "0": ("VALID", "green"),
    "1": ("SUSPECT", "orange"),
    "2": ("INVALID", "red"),
}

_LIMITS = {rule.name: rule.limit for rule in RULES}


def limit(rule: str) -> float:
    """The limit of a rule of the verdict."""
    return _LIMITS[rule]


def level(queries: Queries) -> str:
    """0 is VALID, 1 SUSPECT, 2 INVALID: the worst of frame lateness, read lag and suspect turns."""
    frame = queries.quantile_so_far(0.99, "frame_lateness")
    read = queries.quantile_so_far(0.99, "read_lag")
    suspect = f"{queries.now('suspect_turns')} / {queries.now('turns')}"
    struck = (
        ("frame_lateness_invalid", f"2 * ({frame} > bool {limit('frame_lateness_invalid')})"),
        ("frame_lateness", f"({frame} > bool {limit('frame_lateness')})"),
        ("read_lag", f"({read} > bool {limit('read_lag')})"),
        ("suspect_turns", f"({suspect} > bool {limit('suspect_turns')})"),
    )
    # Told apart by a label, or a set union would keep only the first.
    named = (f'label_replace({expr}, "rule", "{name}", "", "")' for name, expr in struck)
    return f"max({' or '.join(named)})"
