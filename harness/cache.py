"""The user's cache: what takes long to make, and is the same each time."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["cache_folder", "kept", "write_whole"]


def cache_folder(name: str) -> Path:
    """The folder ``name`` of the user's cache; it may not exist yet."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "realtime-harness" / name


def kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """What ``path`` holds; made and, if that can be done, written there if it does not exist."""
    with suppress(OSError):
        return path.read_bytes()
    content = make()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return content


def write_whole(path: Path, content: bytes) -> Path:
    """All of it or nothing: beside its place first, then moved there."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        error.filename = str(path)  # that of the file beside it says nothing to people
        raise
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
