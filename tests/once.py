"""What takes long to make, and all test processes can share."""

import fcntl
import json
import os
import tempfile
from pathlib import Path

__all__ = ["made_once"]


def made_once(tmp_path_factory, name, make):
    """
    What ``make`` gives, which JSON must be able to hold, by whichever test process comes first.

    Args:
        tmp_path_factory: Of pytest.
        name: Under which it is shared.
        make: Given a folder of its own.

    """
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    path = place / f"{name}.json"
    with (place / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            folder = tempfile.mkdtemp(prefix=f"{name}-", dir=place)
            path.write_text(json.dumps(make(Path(folder))))
    return json.loads(path.read_text())
