"""What happens to messages between a session and the wire, where faults are asked for."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from harness.simulator.outbound import Framing, Out, Outbox

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from harness.simulator.faults import Fault

__all__ = ["MessageFaults"]

_DELAY_NS = 300_000_000


class MessageFaults:
    """
    What one session has to send, as it is sent.

    Args:
        source: What the session has to send.
        faults: That strike messages.
        rng: Of this session alone.
        note: Told of each message that was struck.

    """

    def __init__(
        self,
        source: Outbox,
        faults: tuple[Fault, ...],
        rng: random.Random,
        note: Callable[[Fault, Out, int], None],
    ) -> None:
        self._source = source
        # What is cut off can't be corrupted any more.
        self._faults = sorted(faults, key=lambda fault: fault.name == "cut")
        self._rng = rng
        self._note = note
        self._ready: deque[Out] = deque()
        self._late: list[tuple[int, int, Out]] = []  # a heap
        self._order = itertools.count()

    @property
    def due(self) -> int | None:
        """When the next message is due, 0 for at once; ``None`` while nothing is to come."""
        if self._ready:
            return 0
        dues = [self._source.due, self._late[0][0] if self._late else None]
        return min((due for due in dues if due is not None), default=None)

    def take(self, at: int) -> Out | None:
        """The next message that is due by ``at``."""
        if self._ready:
            return self._ready.popleft()
        if self._late and self._late[0][0] <= at:
            return heapq.heappop(self._late)[2]
        while (out := self._source.take(at)) is not None:
            struck = self._struck(out, at)
            if struck is not None:
                return struck
        return None

    def _struck(self, out: Out, at: int) -> Out | None:
        """The message as it is sent now, if it is; the end of the connection is none."""
        if out.closing is not None:
            return out
        for fault in self._faults:
            if fault.detail not in ("*", out.type) or self._rng.random() >= fault.rate:
                continue
            self._note(fault, out, at)
            match fault.name:
                case "drop":
                    return None
                case "delay":
                    heapq.heappush(self._late, (at + _DELAY_NS, next(self._order), out))
                    return None
                case "duplicate":
                    self._ready.append(out._replace(stamps=()))
                case "cut":
                    end = self._rng.randrange(1, max(2, len(out.message)))
                    out = out._replace(message=out.message[:end])
                case "corrupt":
                    out = out._replace(message=_corrupted(out.message, self._rng))
                case "oversize":
                    out = out._replace(framing=Framing.ENDLESS)
                case "fragment":
                    out = out._replace(framing=Framing.FRAGMENTS)
        return out


def _corrupted(message: bytes, rng: random.Random) -> bytes:
    """With fields that are not what they should be."""
    fields = msgspec.json.decode(message)
    wrong: dict[str, object] = {
        key: rng.choice((0, [], {}, True, "\x00")) for key in fields if key != "type"
    }
    return msgspec.json.encode({"type": fields["type"], **wrong})
