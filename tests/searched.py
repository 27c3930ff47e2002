"""A search for a capacity in virtual time: callers of a queue do as it says, second by second."""

import heapq
import random
from itertools import groupby

import msgspec
from rundirs import EPOCH, S, answered, second, session, write_run

from bench.knee import Crowd
from harness.share import share_of
from harness.slo import parse_slo

__all__ = ["STARTED", "World", "crowd", "searched", "shares"]

STARTED = EPOCH / S  # seconds of the epoch


def shares(text="ttfa:p95<0.8s"):
    return [share_of(each) for each in parse_slo(text)]


def crowd(places, seed=1):
    """Answers made in 0.8 s, of which 0.3 to the first audio; about 5 s from there to the next."""
    rng = random.Random(seed)
    return Crowd(
        places,
        first=lambda: 0.3,
        making=lambda: 0.5,
        between=lambda: 4 + rng.lognormvariate(0, 0.3),
    )


class World:
    """``come``: whether callers do as they are told."""

    def __init__(self, people, search, *, come=True):
        self.people, self.search, self.come = people, search, come
        self.turns = []
        self._running = []  # a heap: when it ends, and the turn

    def run(self, most=7200):
        """How many seconds it took."""
        callers = 0
        for now in range(most):
            wanted = self.search.tick(STARTED + now, callers)
            if wanted is None:
                return now
            if wanted != callers and self.come:
                self.people.call(wanted)
                callers = wanted
            for turn in self.people.until(now + 1.0):
                heapq.heappush(self._running, (turn.ended, turn.asked, turn.caller, turn.ttfa))
            while self._running and self._running[0][0] < now + 1:
                self._end(*heapq.heappop(self._running)[1:], now + 1)
        raise AssertionError("it never ends")

    def _end(self, asked, caller, ttfa, now):
        call = int(asked / 25)
        record = answered(asked - 2, ttfa, caller=caller, call=call, turn=int(asked % 25))
        self.turns.append(record)
        self.search.on_record(record, STARTED + asked - 2, STARTED + now)


def searched(path, search, people, objectives):
    """The run directory of a search, and how many seconds it took."""
    world = World(people, search)
    seconds = world.run()
    calls = sorted((t.caller, t.call, t.written_at, t.turn) for t in world.turns)
    sessions = []
    for (caller, call), turns in groupby(calls, key=lambda each: each[:2]):
        begun = [(at - 5_000 * S) / S for _, _, at, _ in turns]
        sessions += session(begun[0], begun[-1] + 6, caller=caller, call=call, turns=len(begun))
    capacity = {
        "objectives": objectives,
        "holds": search.holds,
        "breaks": search.breaks,
        "ended": search.ended,
        "steps": [msgspec.structs.asdict(step) for step in search.steps],
    }
    health = [second(t) for t in range(1, seconds, 5)]
    return write_run(path, world.turns, sessions, health, meta={"capacity": capacity})
