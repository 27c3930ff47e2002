"""How long a thread was ready to run while others had the processor."""

import os
from contextlib import suppress

__all__ = ["RunDelay"]


class RunDelay:
    """Of the thread that made this, as the system counts it; a CPU limit's pauses are in it."""

    def __init__(self) -> None:
        self._file = -1
        with suppress(OSError):  # elsewhere than on Linux nobody tells
            self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def ns(self) -> int:
        """Since the thread began; 0 where it isn't known."""
        if self._file < 0:
            return 0
        _, waited, _ = os.pread(self._file, 64, 0).split()
        return int(waited)

    def close(self) -> None:
        """Give the descriptor back; idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
