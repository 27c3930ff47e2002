"""An endpoint's totals as a page for people."""

from __future__ import annotations

from html import escape
from string import Template
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["totals_page"]

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="2">
<title>Simulated realtime endpoint</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; padding-top: 1em; }
td { border-top: 1px solid #8884; padding: .15em 0; }
td + td { text-align: right; font-variant-numeric: tabular-nums; }
</style>
</head>
<body>
<h1>Simulated realtime endpoint</h1>
<p>What it did since it started, anew every two seconds. The same for programs:
<a href="/totals">/totals</a> as JSON, <a href="/metrics">/metrics</a> for Prometheus.</p>
$tables
</body>
</html>
""")


def totals_page(report: Mapping[str, Any]) -> str:
    """
    The page in HTML.

    Args:
        report: As ``Totals.report`` tells it.

    """
    late = report["first_delta_lateness_s"]
    tables = [
        _table("Calls", _calls(report)),
        _table("Responses by how they ended", report["statuses"].items()),
        _table("Faults that struck", report["faults"].items()),
        _table(
            "Its own lateness with first audio",
            [(name, f"{late[name] * 1000:.2f} ms") for name in ("p50", "p99", "max")],
        ),
    ]
    return _PAGE.substitute(tables="\n".join(filter(None, tables)))


def _calls(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Sessions", f"{report['sessions']:,}"),
        ("Sessions open now", f"{report['open_sessions']:,}"),
        ("Sessions refused", f"{report['refused']:,}"),
        ("Turns", f"{report['turns']:,}"),
        ("Responses", f"{report['responses']:,}"),
        ("Tool calls", f"{report['tool_calls']:,}"),
        ("Audio heard", f"{report['audio_in_s']:,.1f} s"),
        ("Audio said", f"{report['audio_out_s']:,.1f} s"),
        ("Tokens read", f"{report['input_tokens']:,}"),
        ("Tokens made", f"{report['output_tokens']:,}"),
        ("Errors sent", f"{report['errors']:,}"),
    ]


def _table(caption: str, rows: Iterable[tuple[str, object]]) -> str:
    """A table of names and values; nothing, if it has no rows."""
    lines = [
        f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>" for name, value in rows
    ]
    if not lines:
        return ""
    return "\n".join(("<table>", f"<caption>{escape(caption)}</caption>", *lines, "</table>"))
