"""What a worker could not ship: a directory of its own, to be merged with the master's."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.sinks.rundir import RunDirectory

__all__ = ["keep"]


def keep(parent: Path, facts: Mapping[str, Any], lines: Mapping[str, bytes]) -> Path:
    """
    Write ``<parent>/<run>.<worker>/``, or that in the system's temporary folder.

    Args:
        parent: Where runs go; the master's, that there may be none of here.
        facts: What ``run.json`` says: ``run``, ``worker``, ``anchors`` and whatever else is known.
        lines: By file, as a parcel carries them.

    Returns:
        The directory.

    Raises:
        OSError: If it can be written nowhere.

    """
    name = f"{facts['run']}.{facts['worker']}"
    try:
        return _write(parent.absolute() / name, facts, lines)
    except OSError:
        return _write(Path(tempfile.gettempdir()) / name, facts, lines)


def _write(path: Path, facts: Mapping[str, Any], lines: Mapping[str, bytes]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    directory = RunDirectory(path, {"schema": 1, "state": "kept", **facts})
    for name, content in lines.items():
        directory.append(name, content)
    directory.close()
    return path
