"""Writing a run's report so that no reader ever finds half a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness.cache import write_whole
from harness.report.load import Run
from harness.report.page import render
from harness.report.plots import TITLES
from harness.report.theme import picture

__all__ = ["write_page", "write_pictures", "write_summary"]

Plots = Mapping[str, Mapping[str, Any]]
"""Vega-Lite specifications by name."""


def write_summary(run: Run, summary: Mapping[str, Any]) -> Path:
    """``summary.json`` of the run."""
    text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    return write_whole(run.path / "summary.json", text + b"\n")


def write_page(run: Run, summary: Mapping[str, Any], drawn: Plots) -> Path:
    """``report.html`` of the run."""
    page = render(summary, drawn, run.meta)
    return write_whole(run.path / "report.html", page.encode())


def write_pictures(directory: Path, drawn: Plots) -> None:
    """Each plot as PNG."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, plot in drawn.items():
        write_whole(directory / f"{name}.png", picture(plot, TITLES[name]))
