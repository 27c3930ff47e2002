"""A run's tables for other tools: each as CSV and as Parquet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from harness.report.load import Run

__all__ = ["write_tables"]


def write_tables(directory: Path, run: Run, summary: Mapping[str, Any]) -> list[str]:
    """
    Write turns, sessions, tools, metrics, workers, a search's steps; none that has no row.

    Durations are seconds, ``t`` seconds since the run began.

    Args:
        directory: Made if it is missing.
        run: As loaded.
        summary: As in ``summary.json``.

    Returns:
        The names of the files.

    """
    directory.mkdir(parents=True, exist_ok=True)
    tables = {
        "turns": run.turns,
        "sessions": _flat(run.sessions),
        "tools": run.tools,
        "metrics": pd.DataFrame(_metric_rows(summary["metrics"])),
        "workers": _flat(pd.DataFrame(summary["workers"])),
        "capacity": _flat(pd.DataFrame((summary["capacity"] or {}).get("steps", []))),
    }
    written = []
    for name, frame in tables.items():
        if len(frame):
            table = pa.Table.from_pandas(frame, preserve_index=False)
            pyarrow.parquet.write_table(table, directory / f"{name}.parquet")
            pyarrow.csv.write_csv(table, directory / f"{name}.csv")
            written += [f"{name}.csv", f"{name}.parquet"]
    return written


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """What is no plain value, as JSON."""
    flat = frame.copy()
    for name in flat.columns:
        if any(isinstance(value, dict | list) for value in flat[name]):
            flat[name] = [msgspec.json.encode(value).decode() for value in flat[name]]
    return flat


def _metric_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a metric: percentiles and their ends, ``…_above`` where they reach the unanswered."""
    rows = []
    for name, figures in metrics.items():
        row: dict[str, Any] = {"metric": name}
        for key, value in figures.items():
            if key == "ci":
                for percentile, (low, high) in value.items():
                    row |= _value(f"{percentile}_low", low) | _value(f"{percentile}_high", high)
            else:
                row |= _value(key, value)
        rows.append(row)
    return rows


def _value(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {name: value}
    return {name: None, f"{name}_above": value.get("above")}
