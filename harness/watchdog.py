"""
Who keeps the event loop from going round: a thread of the system looks when it is overdue.

A greenlet can't: it does not run while the loop is blocked.
"""

from __future__ import annotations

import gc
import sys
import sysconfig
from _thread import LockType
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns
from types import FrameType

import msgspec
from gevent.monkey import get_original

from harness.hub import HubWatch
from harness.run_delay import RunDelay

__all__ = ["BLOCKED_NS", "COLLECTING", "STARVED", "Collections", "Watchdog"]

BLOCKED_NS = 100_000_000
"""The loop busy for so long between two polls: worth knowing who it was."""

COLLECTING = "garbage collection"
STARVED = "no processor: other processes had it"

DEPTH, CALLED_BY = 4, " ← "

LOOK_AGAIN_S = 0.005  # until a block that was noticed is over

_PACKAGE = str(Path(__file__).parent)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})

# Of the system, whatever Locust has patched.
_new_lock: Callable[[], LockType] = get_original("_thread", "allocate_lock")
_start_thread = get_original("_thread", "start_new_thread")
_thread_id: Callable[[], int] = get_original("_thread", "get_ident")


class Collections:
    """
    The pauses of Python's garbage collector in this process.

    Attributes:
        spent_ns: In all of them together, the one that lasts left out.

    """

    def __init__(self) -> None:
        self.spent_ns = 0
        self._longest_ns = self._began = 0

    def start(self) -> None:
        """Begin to count."""
        gc.callbacks.append(self._on_phase)

    def stop(self) -> None:
        """Count no longer; idempotent."""
        with suppress(ValueError):
            gc.callbacks.remove(self._on_phase)

    def take_longest(self) -> int:
        """Nanoseconds of the longest pause since this was asked last."""
        longest, self._longest_ns = self._longest_ns, 0
        return longest

    def _on_phase(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = monotonic_ns()
        elif self._began:
            spent = monotonic_ns() - self._began
            self.spent_ns += spent
            self._longest_ns = max(self._longest_ns, spent)


class Blame(msgspec.Struct, frozen=True, order=True):
    """How long the loop was blocked (ns), and by whom."""

    blocked_ns: int
    culprit: str


class Watchdog:
    """
    Watches the event loop of the thread that makes this.

    Args:
        watch: Of the loop.
        collections: Told apart from code that keeps the processor, as is ``delay``.
        delay: Of the loop's thread.

    """

    def __init__(self, watch: HubWatch, collections: Collections, delay: RunDelay) -> None:
        self._watch = watch
        self._collections = collections
        self._delay = delay
        self._thread = _thread_id()
        self._told_to_stop, self._stopped = _new_lock(), _new_lock()
        self._worst: Blame | None = None

    def start(self) -> None:
        """Begin to watch; once."""
        self._told_to_stop.acquire()
        self._stopped.acquire()
        _start_thread(self._run, ())

    def stop(self) -> None:
        """Watch no longer; the thread has ended when this returns, which is at once."""
        self._told_to_stop.release()
        self._stopped.acquire()

    def take(self) -> str:
        """Who blocked the loop for longest since this was asked last; empty if nobody did."""
        worst, self._worst = self._worst, None
        return worst.culprit if worst else ""

    def _run(self) -> None:
        wait = BLOCKED_NS
        try:
            before = self._excuses()
            while not self._told_to_stop.acquire(timeout=wait / 1e9):
                since = self._watch.busy_since
                overdue = 0 if since is None else monotonic_ns() - since
                if since is not None and overdue >= BLOCKED_NS:
                    self._blame(since, before)
                    overdue = 0
                before, wait = self._excuses(), BLOCKED_NS - overdue
        finally:
            self._stopped.release()

    def _excuses(self) -> tuple[int, int]:
        """Nanoseconds lost so far to what is no code's fault: collecting, and having to wait."""
        return self._collections.spent_ns, self._delay.ns()

    def _blame(self, since: int, before: tuple[int, int]) -> None:
        """Note who blocks the loop, once it is known for how long."""
        culprit = _whereabouts(sys._current_frames().get(self._thread))
        while self._watch.busy_since == since:
            if self._told_to_stop.acquire(timeout=LOOK_AGAIN_S):
                self._told_to_stop.release()
                break
        blocked = monotonic_ns() - since
        collecting, starving = (b - a for a, b in zip(before, self._excuses(), strict=True))
        if collecting > blocked / 2:
            culprit = COLLECTING
        elif starving > blocked / 2:
            culprit = STARVED
        blame = Blame(blocked, culprit)
        self._worst = max(self._worst or blame, blame)


def _whereabouts(frame: FrameType | None) -> str:
    """Where a thread is, and by whom it was called: of our code and the user's, if it is in any."""
    stack: list[FrameType] = []
    innermost = frame
    while frame is not None and len(stack) < DEPTH:
        if _is_ours(frame):
            stack.append(frame)
        frame = frame.f_back
    if not stack and innermost is not None:
        stack = [innermost]
    return CALLED_BY.join(map(_place, stack))


def _place(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    return f"{path.parent.name}/{path.name}:{frame.f_lineno} {frame.f_code.co_name}"


def _is_ours(frame: FrameType) -> bool:
    """Whether it is no library's: this package's, wherever it is installed, or the user's."""
    path = frame.f_code.co_filename
    return path.startswith(_PACKAGE) or not path.startswith((*_LIBRARIES, "<"))
