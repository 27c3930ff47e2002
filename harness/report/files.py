"""Writing a run's report so that no reader ever finds half a file."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness.report.load import Run
from harness.report.page import render
from harness.report.plots import TITLES
from harness.report.theme import picture

__all__ = ["write_page", "write_pictures", "write_summary", "write_whole"]

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


def write_whole(path: Path, content: bytes) -> Path:
    """All of it or nothing: beside its place first, then moved there."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
