"""
Caller numbers, unique in a swarm: from them comes all randomness of a caller.

Each of C classes of users counts its callers in steps of C from a start of its own, the lowest
free number first. So the same crowd has the same numbers however many processes carry it, and in
whatever order they ask.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import gevent
from gevent.event import AsyncResult

__all__ = ["CallerNumbers", "LocalNumbers", "Numbers", "RemoteNumbers"]


class Numbers(Protocol):
    """Where the users of a process have their numbers from."""

    def take(self, kind: str) -> int:
        """A number for a user of a class, who begins; may wait for it."""
        ...

    def holds(self, number: int) -> bool:
        """Whether a number that was taken here is still ours."""
        ...

    def give_back(self, number: int) -> None:
        """The number of a user that is gone."""
        ...


class CallerNumbers:
    """
    All numbers of a run, and who holds them.

    Args:
        kinds: Names of the classes of users.

    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = sorted(kinds)
        self._next = {kind: n for n, kind in enumerate(self._kinds, 1)}
        self._free: defaultdict[str, list[int]] = defaultdict(list)  # heaps
        self._held: defaultdict[str, set[int]] = defaultdict(set)

    def take(self, owner: str, kind: str, n: int = 1) -> list[int]:
        """The ``n`` lowest free numbers of a class, now held by ``owner``."""
        taken = [self._lowest(kind) for _ in range(n)]
        self._held[owner].update(taken)
        return taken

    def give_back(self, owner: str, numbers: Iterable[int]) -> None:
        """Free numbers that ``owner`` holds; others are passed over."""
        for number in self._held[owner] & set(numbers):
            self._held[owner].discard(number)
            kind = self._kinds[(number - 1) % len(self._kinds)]
            heapq.heappush(self._free[kind], number)

    def lose(self, owner: str) -> None:
        """Free all numbers of an owner that is gone."""
        self.give_back(owner, tuple(self._held[owner]))

    def _lowest(self, kind: str) -> int:
        if self._free[kind]:
            return heapq.heappop(self._free[kind])
        number = self._next[kind]
        self._next[kind] += len(self._kinds)
        return number


class LocalNumbers:
    """
    Numbers of a run in one process.

    Args:
        kinds: Names of the classes of users.

    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self._all = CallerNumbers(kinds)

    def take(self, kind: str) -> int:
        """The lowest free number of a class."""
        return self._all.take("local", kind)[0]

    def holds(self, number: int) -> bool:
        """Nobody else is there to have it."""
        return True

    def give_back(self, number: int) -> None:
        """Free a number."""
        self._all.give_back("local", [number])


class RemoteNumbers:
    """
    Numbers that the master hands out.

    Args:
        ask: Sends the master how many numbers are wanted, by class.
        give_back: Sends the master numbers that are free again.

    """

    def __init__(
        self, ask: Callable[[dict[str, int]], None], give_back: Callable[[list[int]], None]
    ) -> None:
        self._ask = ask
        self._give_back = give_back
        self._waiting: defaultdict[str, list[AsyncResult[int]]] = defaultdict(list)
        self._wanted: defaultdict[str, int] = defaultdict(int)
        self._held: set[int] = set()

    def take(self, kind: str) -> int:
        """A number, as soon as the master has sent it."""
        result: AsyncResult[int] = AsyncResult()
        self._waiting[kind].append(result)
        if not self._wanted:
            gevent.spawn(self._ask_for_all)  # one message for all users that begin now
        self._wanted[kind] += 1
        try:
            number = result.get()
        except BaseException:  # the user was stopped while it waited
            if result.value is not None:
                self.give_back(result.value)
            else:
                self._waiting[kind].remove(result)  # its number is spare when it arrives
            raise
        assert number is not None
        return number

    def holds(self, number: int) -> bool:
        """Whether the master has not taken it away."""
        return number in self._held

    def arrived(self, numbers: Mapping[str, Iterable[int]]) -> None:
        """Hand on the numbers that the master sent, by class."""
        spare = []
        for kind, each in numbers.items():
            for number in each:
                if self._waiting[kind]:
                    self._held.add(number)
                    self._waiting[kind].pop(0).set(number)
                else:
                    spare.append(number)
        if spare:
            self._give_back(spare)

    def revoked(self) -> bool:
        """The master took this worker for dead: all numbers may have gone to others; if any."""
        some = bool(self._held)
        self._held.clear()
        return some

    def give_back(self, number: int) -> None:
        """Free a number."""
        self._held.discard(number)
        self._give_back([number])

    def _ask_for_all(self) -> None:
        wanted, self._wanted = self._wanted, defaultdict(int)
        self._ask(dict(wanted))
