"""Writing a run's report so that no reader ever finds half a file."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness.report.load import Run
from harness.report.page import render
from harness.report.plots import plots
from harness.report.summary import objectives_of

__all__ = ["write_page", "write_summary", "write_whole"]


def write_summary(run: Run, summary: Mapping[str, Any]) -> Path:
    """``summary.json`` of the run."""
    text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    return write_whole(run.path / "summary.json", text + b"\n")


def write_page(run: Run, summary: Mapping[str, Any]) -> Path:
    """``report.html`` of the run."""
    page = render(summary, plots(run, objectives_of(run)), run.meta)
    return write_whole(run.path / "report.html", page.encode())


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
