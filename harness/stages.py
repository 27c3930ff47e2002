"""How many users a test has when: stages, each a straight line from one number to the next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

__all__ = ["AT_ONCE", "Stage", "Stages", "soak", "spike", "steady", "steps"]

AT_ONCE = 100.0
"""Users a second where a number is to be reached at once."""


class Stage(msgspec.Struct, frozen=True):
    """For ``seconds``, users go in a straight line from those of the stage before to ``users``."""

    seconds: float
    users: int


class Stages(msgspec.Struct, frozen=True):
    """A whole test, from no user on; it is over when the last stage is."""

    stages: tuple[Stage, ...]

    @property
    def duration(self) -> float:
        """Seconds; infinite if it goes on until it is stopped."""
        return math.fsum(stage.seconds for stage in self.stages)

    @property
    def peak(self) -> int:
        """The most users."""
        return max((stage.users for stage in self.stages), default=0)

    def users_at(self, seconds: float) -> float:
        """How many users there should be then; none when it is over."""
        for begin, before, stage in self._walk():
            if seconds < begin + stage.seconds:
                if stage.users == before:
                    return before
                return before + (stage.users - before) * (seconds - begin) / stage.seconds
        return 0.0

    def target_at(self, seconds: float) -> tuple[int, float] | None:
        """
        Where the users are bound for then, and how fast.

        The same within a stage, so that whoever carries it out has to be told only when it changes.

        Returns:
            Users, and users a second; ``None`` when it is over.

        """
        for begin, before, stage in self._walk():
            if seconds < begin + stage.seconds:
                change = abs(stage.users - before)
                return stage.users, change / stage.seconds if change else AT_ONCE
        return None

    def spans(self) -> Iterator[tuple[float, float]]:
        """From when until when each user is there, seconds; who came last goes first."""
        come: list[float] = []
        for begin, before, stage in self._walk():
            each = stage.seconds / max(1, abs(stage.users - before))
            for n in range(1, abs(stage.users - before) + 1):
                if stage.users > before:
                    come.append(begin + n * each)
                else:
                    yield come.pop(), begin + n * each
        yield from ((since, self.duration) for since in come)

    def lasting(self, seconds: float | None) -> Stages:
        """The same for so long: cut short, or with a longer last stage; ``None``: as it is."""
        if seconds is None or not self.stages:
            return self
        kept: list[Stage] = []
        for begin, _, stage in self._walk():
            end = begin + stage.seconds
            if end >= seconds:
                kept.append(Stage(seconds - begin, self._whole_users_at(seconds, stage)))
                return Stages(tuple(kept))
            kept.append(stage)
        return Stages((*kept, Stage(seconds - self.duration, kept[-1].users)))

    def _whole_users_at(self, seconds: float, stage: Stage) -> int:
        return round(self.users_at(seconds)) if seconds < self.duration else stage.users

    def _walk(self) -> Iterator[tuple[float, int, Stage]]:
        """When each stage begins, and with how many users."""
        begin, users = 0.0, 0
        for stage in self.stages:
            yield begin, users, stage
            begin += stage.seconds
            users = stage.users


def steady(users: int, *, rate: float) -> Stages:
    """
    Up to ``users`` and on until it is stopped.

    Args:
        users: How many.
        rate: Users a second who come.

    """
    return Stages((Stage(users / rate, users), Stage(math.inf, users)))


def steps(levels: Sequence[int], *, rate: float, seconds: float) -> Stages:
    """
    From level to level, each long enough to be judged by itself.

    Args:
        levels: Users of each.
        rate: Users a second who come or go.
        seconds: Of each level, the way to it included.

    Raises:
        ValueError: If the way to a level takes longer than that.

    """
    found: list[Stage] = []
    before = 0
    for level in levels:
        way = abs(level - before) / rate
        if way >= seconds:
            raise ValueError(
                f"from {before} to {level} users at {rate:g} a second takes {way:g} s, and a step "
                f"lasts {seconds:g} s: make it longer, or let them come faster (-r)"
            )
        found += [Stage(way, level), Stage(seconds - way, level)]
        before = level
    return Stages(tuple(found))


def spike(base: int, peak: int, *, rate: float, before: float, seconds: float) -> Stages:
    """
    All at once many more, and as suddenly gone: does it hold, and is all as before afterwards?

    Args:
        base: Users before and after.
        peak: Users of the spike, who come and go at once.
        rate: Users a second, up to the base.
        before: Seconds until the spike, the way to the base included; as many come after it.
        seconds: Of the spike.

    Raises:
        ValueError: If the way to the base takes longer than until the spike.

    """
    calm = steps((base,), rate=rate, seconds=before).stages
    sudden = [Stage(abs(peak - base) / AT_ONCE, peak), Stage(seconds, peak)]
    return Stages((*calm, *sudden, Stage(abs(peak - base) / AT_ONCE, base), Stage(before, base)))


def soak(users: int, *, rate: float, seconds: float) -> Stages:
    """
    Up, on for long, and down again: the same load at its end as at its beginning, to be compared.

    Args:
        users: How many.
        rate: Users a second who come, and who go.
        seconds: Of it all.

    Raises:
        ValueError: If they can't come and go within that.

    """
    way = users / rate
    if 2 * way >= seconds:
        raise ValueError(
            f"{users} users at {rate:g} a second need {way:g} s to come and as long to go, and it "
            f"lasts {seconds:g} s: make it longer (-t), or let them come faster (-r)"
        )
    return Stages((Stage(way, users), Stage(seconds - 2 * way, users), Stage(way, 0)))
