"""Log lines that every session would repeat are said once a process."""

import logging

__all__ = ["Once"]

MOST = 1000  # lines remembered


class Once(logging.Filter):
    """Lets a line pass the first time it is said; one filter serves a logger."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it has not been said yet."""
        line = record.getMessage()
        if line in self._said or len(self._said) >= MOST:
            return False
        self._said.add(line)
        return True
