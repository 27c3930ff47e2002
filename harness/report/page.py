"""The report as one HTML page that needs nothing else: no network, no file beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.metrics import (
    LISTENING_METRICS,
    METRICS,
    RUN_FIGURES,
    SEGMENTS,
    TURN_FIGURES,
    TURN_METRICS,
)
from harness.report import words
from harness.report.templates import render_markdown, render_page
from harness.verdict import Level, failures

__all__ = ["render", "render_summary"]

SIGNS = {Level.VALID: "✓", Level.SUSPECT: "!", Level.INVALID: "✕"}
MEANING = {
    Level.VALID: "The generator kept time: these figures are the endpoint's.",
    Level.SUSPECT: "The generator was late at times: read these figures with care.",
    Level.INVALID: "The generator did not do what it should have: don't trust these figures.",
}
SHOWN_FIGURES = ("p50", "p90", "p95", "p99", "max", "mean")
SHOWN_OPTIONS = 200  # characters of one value; instructions are long


def render(
    summary: Mapping[str, Any],
    plots: Mapping[str, Mapping[str, Any]],
    meta: Mapping[str, Any],
) -> str:
    """
    The page.

    Args:
        summary: As in ``summary.json``.
        plots: Vega-Lite specifications by name.
        meta: As in ``run.json``.

    """
    level = Level(summary["verdict"])
    failed_turns, failed_sessions = failures(summary)
    return render_page(
        "page.html.j2",
        plots,
        s=summary,
        sign=SIGNS[level],
        meaning=MEANING[level],
        tiles=_tiles(summary),
        latencies=_latencies(summary),
        figures=_figures(summary["figures"]),
        origins={m.name: m.origin for m in METRICS if m.origin},
        segments=_rows(SEGMENTS, summary["segments"]),
        connect=_rows(dict.fromkeys(summary["connect"], ""), summary["connect"]),
        tables=_tallies(summary),
        run_figures=RUN_FIGURES,
        failed_turns=failed_turns,
        failed_sessions=failed_sessions,
        options=_options(meta.get("options")),
        about={**_flat(meta.get("versions")), **_flat(meta.get("machine"))},
    )


def render_summary(summary: Mapping[str, Any]) -> str:
    """The summary as Markdown, for a pull request."""
    failed_turns, failed_sessions = failures(summary)
    return render_markdown(
        "report.md.j2",
        s=summary,
        sign=SIGNS[Level(summary["verdict"])],
        latencies=_latencies(summary),
        tables=_tallies(summary),
        failed_turns=failed_turns,
        failed_sessions=failed_sessions,
    )


def _tiles(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The headline: what a caller waited, how much was asked, what went wrong."""
    ttfa, turns = summary["metrics"]["ttfa"], summary["turns"]
    failed, _ = failures(summary)
    waits = [
        _tile(
            f"TTFA {p}",
            words.percentile(ttfa[p]),
            note=words.why(ttfa[p]),
            ci=words.interval(ttfa["ci"].get(p)) or _too_few(ttfa[p]),
        )
        for p in ("p50", "p95", "p99")
    ]
    return [
        *waits,
        _tile("turns", words.count(turns)),
        _tile("failed turns", words.share(failed, turns), note=f"{failed} turns"),
        _tile("sessions", words.count(summary["sessions"])),
        _tile("most at once", words.count(summary["max_concurrency"])),
        *([] if summary["cost_usd"] is None else [_cost(summary)]),
    ]


def _too_few(value: Any) -> str:
    return "too few turns" if words.percentile(value) == words.MISSING else ""


def _cost(summary: Mapping[str, Any]) -> dict[str, str]:
    """What the run cost, or would have cost if its host weren't free."""
    cost = words.cost(summary)
    if not summary["spending"]["free"]:
        return _tile("cost", cost)
    note = "what a vendor would take for it: calls to this host cost nothing"
    return _tile("list price", cost, note=note, ci="free here")


def _tile(name: str, value: str, *, note: str = "", ci: str = "") -> dict[str, str]:
    return {"name": name, "value": value, "note": note, "ci": ci}


def _latencies(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each metric that some turn has."""
    return [
        {"name": m.name, "help": m.help, "origin": m.origin, **summary["metrics"][m.name]}
        for m in (*TURN_METRICS, *LISTENING_METRICS)
        if summary["metrics"][m.name]["count"]
    ]


def _figures(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each other figure that some turn has, in its own unit."""
    return [
        {
            "name": m.name,
            "help": m.help,
            "origin": m.origin,
            "cells": [words.figure(figures[m.name][name], m.unit) for name in SHOWN_FIGURES],
            "count": figures[m.name]["count"],
        }
        for m in TURN_FIGURES
        if m.name in figures
    ]


def _rows(origins: Mapping[str, str], figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "help": "", "origin": origin, **figures[name]}
        for name, origin in origins.items()
        if name in figures
    ]


def _tallies(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Small tables of how often what happened; empty ones are left out."""
    named: Sequence[tuple[str, str, int]] = (
        ("outcomes", "Outcomes of turns", summary["turns"]),
        ("session_outcomes", "Outcomes of sessions", summary["sessions"]),
        ("errors", "Errors by code", 0),
        ("timeouts", "Timeouts by phase", 0),
        ("deviations", "Deviations from the protocol", 0),
        ("close_codes", "Close codes", 0),
        ("flags", "Flags of turns", summary["turns"]),
        ("kinds", "Kinds of turns", summary["turns"]),
    )
    return [
        {"title": title, "counts": summary[key], "whole": whole}
        for key, title, whole in named
        if summary[key]
    ]


def _options(options: object) -> dict[str, str]:
    """The run's options, as they were given; long ones are cut."""
    flat = _flat(options)
    return {k: v if len(v) <= SHOWN_OPTIONS else v[:SHOWN_OPTIONS] + " …" for k, v in flat.items()}


def _flat(raw: object) -> dict[str, str]:
    if not isinstance(raw, Mapping):
        return {}
    return {str(k): str(v) for k, v in raw.items() if v not in (None, "", [], {})}
