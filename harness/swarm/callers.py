"""
Caller numbers, unique in a swarm: from them comes all randomness of a caller.

The lowest free number is always handed out next, so that a crowd of N has the numbers 1 to N
however many processes carry it, and the same seed gives the same crowd.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Protocol

import gevent
from gevent.event import AsyncResult

__all__ = ["CallerNumbers", "LocalNumbers", "Numbers", "RemoteNumbers"]


class Numbers(Protocol):
    """Where the users of a process have their numbers from."""

    def take(self) -> int:
        """A number for a user that begins; may wait for it."""
        ...

    def give_back(self, number: int) -> None:
        """The number of a user that is gone."""
        ...


class CallerNumbers:
    """All numbers of a run, and who holds them."""

    def __init__(self) -> None:
        self._next = 1
        self._free: list[int] = []  # a heap
        self._held: defaultdict[str, set[int]] = defaultdict(set)

    def take(self, owner: str, n: int = 1) -> list[int]:
        """The ``n`` lowest free numbers, now held by ``owner``."""
        taken = [self._lowest() for _ in range(n)]
        self._held[owner].update(taken)
        return taken

    def give_back(self, owner: str, numbers: Iterable[int]) -> None:
        """Free numbers that ``owner`` holds; others are passed over."""
        for number in self._held[owner] & set(numbers):
            self._held[owner].discard(number)
            heapq.heappush(self._free, number)

    def lose(self, owner: str) -> None:
        """Free all numbers of an owner that is gone."""
        self.give_back(owner, tuple(self._held[owner]))

    def _lowest(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._next += 1
        return self._next - 1


class LocalNumbers:
    """Numbers of a run in one process."""

    def __init__(self) -> None:
        self._all = CallerNumbers()

    def take(self) -> int:
        """The lowest free number."""
        return self._all.take("local")[0]

    def give_back(self, number: int) -> None:
        """Free a number."""
        self._all.give_back("local", [number])


class RemoteNumbers:
    """
    Numbers that the master hands out.

    Args:
        ask: Sends the master how many numbers are wanted.
        give_back: Sends the master numbers that are free again.

    """

    def __init__(self, ask: Callable[[int], None], give_back: Callable[[list[int]], None]) -> None:
        self._ask = ask
        self._give_back = give_back
        self._waiting: list[AsyncResult[int]] = []
        self._wanted = 0

    def take(self) -> int:
        """A number, as soon as the master has sent it."""
        result: AsyncResult[int] = AsyncResult()
        self._waiting.append(result)
        self._wanted += 1
        if self._wanted == 1:
            gevent.spawn(self._ask_for_all)  # one message for all users that begin now
        try:
            number = result.get()
        except BaseException:  # the user was stopped while it waited
            if result.value is not None:
                self.give_back(result.value)
            else:
                self._waiting.remove(result)  # its number is spare when it arrives
            raise
        assert number is not None
        return number

    def arrived(self, numbers: Iterable[int]) -> None:
        """Hand on the numbers that the master sent."""
        spare = []
        for number in numbers:
            if self._waiting:
                self._waiting.pop(0).set(number)
            else:
                spare.append(number)
        if spare:
            self._give_back(spare)

    def give_back(self, number: int) -> None:
        """Free a number."""
        self._give_back([number])

    def _ask_for_all(self) -> None:
        wanted, self._wanted = self._wanted, 0
        self._ask(wanted)
