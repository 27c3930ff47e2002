"""What a session has to send, and when: what is ready now, and scripts that go on later."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import TypeAlias

import msgspec

from harness.simulator.outbound import Out

__all__ = ["NEVER", "Agenda", "Entry", "Script"]

NEVER = 2**62
"""An instant that does not come, ns."""

Script: TypeAlias = Iterator[int | Out]
"""Messages in their order; an integer is the instant, in ns, before which the next is not due."""


class Entry(msgspec.Struct, eq=False):
    """A script that goes on at ``due``."""

    due: int
    script: Script


class Agenda:
    """Messages in the order in which they are due."""

    def __init__(self) -> None:
        self._ready: deque[Out] = deque()
        self._entries: list[Entry] = []
        self._next = NEVER  # when the first of the entries goes on: it is asked for at each frame

    @property
    def due(self) -> int | None:
        """When the next message is due, 0 for at once; ``None`` while nothing is to come."""
        if self._ready:
            return 0
        return None if self._next == NEVER else self._next

    def add(self, *messages: Out) -> None:
        """Messages to be sent at once."""
        self._ready.extend(messages)

    def follow(self, script: Script, at: int) -> Entry:
        """Begin a script; what it sends before its first wait is ready at once."""
        entry = Entry(at, script)
        self._entries.append(entry)
        self._go_on(entry)
        return entry

    def replace(self, entry: Entry, messages: Iterable[Out]) -> None:
        """Send ``messages`` in place of the rest of a script."""
        self._drop(entry)
        self._ready.extend(messages)

    def take(self, at: int) -> Out | None:
        """The next message that is due by ``at``."""
        while not self._ready:
            if self._next > at:
                return None
            self._go_on(min(self._entries, key=attrgetter("due")))
        return self._ready.popleft()

    def clear(self) -> None:
        """Forget everything."""
        self._ready.clear()
        self._entries.clear()
        self._next = NEVER

    def _go_on(self, entry: Entry) -> None:
        """Let a script send until it waits or ends."""
        for step in entry.script:
            if isinstance(step, int):
                entry.due = step
                self._look_ahead()
                return
            self._ready.append(step)
        self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        self._entries = [other for other in self._entries if other is not entry]
        self._look_ahead()

    def _look_ahead(self) -> None:
        self._next = min((entry.due for entry in self._entries), default=NEVER)
