"""Who is woken when."""

import asyncio
import time

from harness.simulator.schedule import Schedule

MS = 1_000_000


class Sleeper:
    def __init__(self, woken):
        self.woken = woken

    def wake(self):
        self.woken.append((self, time.monotonic_ns()))


def test_sleepers_are_woken_in_their_order_and_never_too_soon():
    woken = []
    first, second, third = sleepers = [Sleeper(woken) for _ in range(3)]

    async def sleep():
        schedule, now = Schedule(sleepers), time.monotonic_ns()
        dues = {third: now + 30 * MS, first: now, second: now + 15 * MS}
        for sleeper, due in dues.items():
            schedule.add(sleeper, due)
        while len(woken) < 3:
            await asyncio.sleep(0.001)
        return dues

    dues = asyncio.run(sleep())

    assert [sleeper for sleeper, _ in woken] == [first, second, third]
    assert all(at >= dues[sleeper] for sleeper, at in woken)


def test_whoever_has_gone_is_forgotten():
    present, woken = set(), []
    stays = Sleeper(woken)

    async def sleep():
        schedule, now = Schedule(present), time.monotonic_ns()
        present.add(stays)
        schedule.add(stays, now + 5 * MS)
        for _ in range(5000):
            schedule.add(Sleeper(woken), now + 1 * MS)
        while not woken or woken[-1][0] is not stays:
            await asyncio.sleep(0.001)

    asyncio.run(sleep())

    assert len(woken) < 2000


def test_who_asks_for_the_same_hour_again_and_again_is_tidied_up_after_seldom():
    tidied = []

    class Counting(Schedule):
        def _tidy(self):
            super()._tidy()
            tidied.append(len(self._entries))

    async def ask():
        sleepers = [Sleeper([]) for _ in range(10)]
        schedule, hour = Counting(sleepers), time.monotonic_ns() + 3_600_000 * MS
        for n in range(20_000):
            schedule.add(sleepers[n % 10], hour + n)
        schedule.stop()

    asyncio.run(ask())

    assert set(tidied) == {10}
    assert len(tidied) < 20


def test_nobody_is_woken_after_the_end():
    woken = []

    async def sleep():
        sleeper = Sleeper(woken)
        schedule = Schedule([sleeper])
        schedule.add(sleeper, time.monotonic_ns() + MS)
        schedule.stop()
        await asyncio.sleep(0.005)

    asyncio.run(sleep())

    assert woken == []
