"""
The search for the largest number of concurrent calls at which objectives hold; pure.

It grows until an objective breaks, then halves the gap between the largest number that held and
the smallest that broke. Each number is tried until a sequential test has decided; after one that
broke, a smaller number shows that the endpoint has recovered before the next is tried.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from harness.records import Session, Turn
from harness.sequential import ShareTest
from harness.share import Share

__all__ = ["Plan", "Search", "Step"]

RECOVERY = 2 / 3  # of the largest number that held: there a recovered endpoint shows it soon
ERROR, RECOVERY_ERROR = 0.05, 0.2  # there it is not measured, only looked at


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How to search; times in seconds."""

    start: int = 5  # callers of the first step
    most: int = 1000
    growth: float = 2.0  # each step over the one before, until one breaks
    precision: float = 0.05  # of the answer: how far apart what held and what broke may lie
    settle: float = 10.0  # after all callers are there, before turns count
    longest: float = 120.0  # of a step; then it goes by what is likelier
    patience: float = 120.0  # for an endpoint to recover
    reach: float = 90.0  # for callers to come or to leave; then the search is given up
    span: float = 2.0  # of turns that share their fate


class Step(msgspec.Struct, kw_only=True):
    """One number of callers, tried."""

    callers: int
    kind: str  # grow, halve or recover
    since: float | None = None  # seconds of the epoch from which on turns count; None: not yet
    until: float | None = None  # the end of the step
    counted: float | None = None  # turns begun by then were over when it ended
    holds: bool | None = None
    decided: bool = False  # by the test; else it went by what was likelier
    broke: list[str] = []  # objectives, the one with the most evidence first
    recovery_s: float | None = None  # from the order to call less until callers were well again


class _Trial:
    """
    One objective during one step.

    What breaks it counts as soon as it is seen. What holds it counts once all turns begun before
    have ended: slow turns are seen later than fast ones.
    """

    def __init__(self, share: Share, error: float) -> None:
        self.share = share
        self.seen = ShareTest(share.limit, error=error)
        self.complete = ShareTest(share.limit, error=error)
        self._waiting: list[tuple[float, bool, tuple[Any, ...]]] = []

    def add(self, at: float, bad: bool, *blocks: Any) -> None:
        self.seen.add(bad, *blocks)
        self._waiting.append((at, bad, blocks))

    def complete_until(self, at: float) -> None:
        """All turns that began before ``at`` are there."""
        for _, bad, blocks in (each for each in self._waiting if each[0] < at):
            self.complete.add(bad, *blocks)
        self._waiting = [each for each in self._waiting if each[0] >= at]

    @property
    def holds(self) -> bool | None:
        if self.seen.holds is False:
            return False
        return True if self.complete.holds else None


def _trials(shares: Sequence[Share], error: float) -> list[_Trial]:
    return [_Trial(share, error) for share in shares]


class Search:
    """
    Told what happens, says how many should call.

    Args:
        shares: What is to hold.
        plan: How to search.
        changed: Called when a step has begun or ended.

    Attributes:
        steps: Those tried, the last one running.
        holds: The largest number that held; 0: none did.
        breaks: The smallest that broke; ``None``: none did.
        ended: Why it is over: ``found``, ``most``, ``no recovery``, ``not reached``; empty: it is
            not.

    """

    def __init__(
        self,
        shares: Sequence[Share],
        plan: Plan,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.steps: list[Step] = []
        self.holds = 0
        self.breaks: int | None = None
        self.ended = ""
        self._shares = tuple(shares)
        self._plan = plan
        self._changed = changed
        self._trials: list[_Trial] = []
        self._ordered = 0.0
        self._slowest = 0.0  # seconds from a turn's begin until it was seen, in this step

    @property
    def step(self) -> Step:
        """The one that runs."""
        return self.steps[-1]

    @property
    def judged(self) -> int:
        """Turns that count in the step that runs."""
        return max((trial.seen.count for trial in self._trials), default=0)

    def on_record(self, record: Turn | Session, at: float, now: float) -> None:
        """
        A turn or a session has ended.

        Args:
            record: What is known of it.
            at: When it began, seconds of the epoch.
            now: Likewise.

        """
        since = self.steps[-1].since if self.steps else None
        if since is None or at < since:
            return
        self._slowest = max(self._slowest, now - at)
        call = (record.worker, record.caller, record.call)
        for trial in self._trials:
            for bad in trial.share.judge(record):
                trial.add(at, bad, call, int((at - since) / self._plan.span))

    def tick(self, now: float, callers: int) -> int | None:
        """
        How many should call now.

        Args:
            now: Seconds of the epoch.
            callers: How many do.

        Returns:
            ``None`` when the search is over.

        """
        if not self.steps:
            self._begin(min(self._plan.start, self._plan.most), "grow", now)
        elif not self.ended:
            self._go_on(now, callers)
        return None if self.ended else self.step.callers

    def _go_on(self, now: float, callers: int) -> None:
        step = self.step
        if step.since is None:
            if callers == step.callers:
                step.since = now + self._plan.settle
            elif now - self._ordered > self._plan.reach:
                self._end("not reached")
            return
        for trial in self._trials:
            trial.complete_until(now - self._slowest)
        found = [trial.holds for trial in self._trials]
        patient = step.kind == "recover" and now - self._ordered < self._plan.patience
        if False in found and patient:
            self._try_again(now)
        elif False in found or None not in found:
            self._conclude(now, holds=False not in found, decided=True)
        elif now - step.since > self._plan.longest:
            # Whatever is not decided is as likely the other way as the error of a test, or less.
            likelier = all(trial.seen.evidence < 0 for trial in self._trials)
            self._conclude(now, holds=likelier, decided=False)

    def _try_again(self, now: float) -> None:
        """What was seen so far was before the endpoint had recovered."""
        self.step.since, self._slowest = now, 0.0
        self._trials = _trials(self._shares, RECOVERY_ERROR)

    def _conclude(self, now: float, *, holds: bool, decided: bool) -> None:
        step = self.step
        step.until, step.holds, step.decided = now, holds, decided
        assert step.since is not None
        step.counted = max(now - self._slowest, (step.since + now) / 2)
        bad = [t for t in self._trials if (t.holds is False if decided else t.seen.evidence >= 0)]
        bad.sort(key=lambda trial: -trial.seen.evidence)
        step.broke = [] if holds else [trial.share.objective.text for trial in bad]
        if step.kind == "recover":
            step.recovery_s = now - self._ordered if holds else None
            if not holds:
                self._end("no recovery")
                return
        elif holds:
            self.holds = max(self.holds, step.callers)
        else:
            self.breaks = min(step.callers, self.breaks or step.callers)
        self._next(now)

    def _next(self, now: float) -> None:
        step, plan = self.step, self._plan
        if self.breaks is None:
            if step.callers >= plan.most:
                self._end("most")
                return
            self._begin(min(plan.most, math.ceil(step.callers * plan.growth)), "grow", now)
        elif self.breaks - self.holds <= max(1, plan.precision * self.holds):
            self._end("found")
        elif not step.holds:
            self._begin(max(1, round(self.holds * RECOVERY)), "recover", now)
        else:
            middle = round(math.sqrt(max(1, self.holds) * self.breaks))
            middle = min(max(middle, self.holds + 1), self.breaks - 1)
            self._begin(middle, "halve", now)

    def _begin(self, callers: int, kind: str, now: float) -> None:
        self._trials = _trials(self._shares, RECOVERY_ERROR if kind == "recover" else ERROR)
        self._ordered, self._slowest = now, 0.0
        self.steps.append(Step(callers=callers, kind=kind))
        self._changed()

    def _end(self, why: str) -> None:
        self.ended = why
        self._changed()
