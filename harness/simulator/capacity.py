"""How much an endpoint does at a time: responses beyond that wait, first come, first served."""

import heapq

import msgspec

__all__ = ["Capacity", "Slot"]


class Slot(msgspec.Struct, frozen=True):
    """When a response is made, from when to when, ns."""

    start: int
    end: int


class Capacity:
    """
    ``places`` responses can be made at a time; 0 is any number.

    As it is known beforehand how long a response takes to be made, so is when the next can begin:
    the latency under any load follows from the arrivals alone.
    """

    def __init__(self, places: int) -> None:
        self._free_at = [0] * places  # a heap

    def book(self, at: int, duration: int) -> Slot:
        """A place for a response asked for ``at``."""
        if not self._free_at:
            return Slot(at, at + duration)
        start = max(at, self._free_at[0])
        slot = Slot(start, start + duration)
        heapq.heapreplace(self._free_at, slot.end)
        return slot

    def release(self, slot: Slot) -> None:
        """Give back the place of a response that ends early; what was promised since is kept."""
        if slot.end in self._free_at:
            self._free_at.remove(slot.end)
            heapq.heappush(self._free_at, slot.start)
