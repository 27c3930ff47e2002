"""Where and when something was measured, in a line."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["machine"]


def machine() -> str:
    """The date, the processor, and what runs on it."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of {_processor()}, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    names = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine()).strip()
