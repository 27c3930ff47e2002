"""Which tools of MCP servers callers had to do without, since the endpoint did not import them."""

from collections import Counter, defaultdict
from typing import Any

from harness.report import words
from harness.report.columns import spelled
from harness.report.load import Run

__all__ = ["missing_tools"]

HOW = {
    "failed": "their import failed",
    "late": "it was not done before they spoke",
    "ignored": "the endpoint said nothing of it",
    "empty": "the server has none",
}


def missing_tools(run: Run) -> list[dict[str, Any]]:
    """A finding for each server whose tools some sessions lacked: how many of them, and why."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for outcomes, n in spelled(run.sessions["imports"]):
        for server, how in outcomes.items():
            found[server][how] += n
    return [_finding(server, hows) for server, hows in found.items() if set(hows) - {"ok"}]


def _finding(server: str, hows: Counter[str]) -> dict[str, Any]:
    lacking = {how: n for how, n in hows.most_common() if how != "ok"}
    why = ", ".join(f"{HOW.get(how, how)} ({words.count(n)})" for how, n in lacking.items())
    sessions = f"{words.count(sum(lacking.values()))} of {words.count(hows.total())} sessions"
    return {
        "what": "tools",
        "server": server,
        "outcomes": dict(hows.most_common()),
        "text": f"Callers had no tools of MCP server {server} in {sessions}: {why}",
    }
