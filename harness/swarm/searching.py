"""A shape that looks for a capacity: as many callers as the search says, decided by the swarm."""

from __future__ import annotations

from time import time
from typing import Any, ClassVar

import msgspec
from locust import LoadTestShape
from locust.util.timespan import parse_timespan

from harness.capacity import Plan, Search
from harness.share import Share, share_of
from harness.slo import parse_slo

__all__ = ["CapacityShape"]

RAMP = 10.0  # seconds at most for all callers of a step to come


class CapacityShape(LoadTestShape):
    """
    Calls more and more until an objective breaks, then closes in on where it did.

    ``-u`` is the most that may ever call, ``-r`` how many begin in a second, ``-t`` the most that
    it may take, ``--slo`` what is to hold. The class's attributes are those of ``Plan``.
    """

    abstract = True
    use_common_options = True
    runner: Any

    objectives: ClassVar[str] = "ttfa:p95<0.8s; turns:failed<1%"
    """What is to hold unless ``--slo`` says so."""

    plan: ClassVar[Plan] = Plan()

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._search: Search | None = None
        self._shares: list[Share] = []
        self._recording: Any = None

    def check(self, slo: str) -> str:
        """
        The objectives of a search.

        Args:
            slo: As ``--slo`` says; empty: those of the class.

        Raises:
            ValueError: If one can't be understood, or says nothing of single turns.

        """
        text = slo or self.objectives
        for objective in parse_slo(text):
            if share_of(objective) is None:
                raise ValueError(
                    f"--slo: {objective.text!r} can't be searched by: write a percentile like "
                    "ttfa:p95<0.8s or a share like turns:failed<1%"
                )
        return text

    def reset_time(self) -> None:
        """A run begins: search anew."""
        super().reset_time()  # type: ignore[no-untyped-call]
        self._search = None

    def tick(self) -> tuple[int, float] | None:
        """How many are to call, and how many may begin in a second."""
        if self._search is None:
            self._begin()
        assert self._search is not None
        self._watch()
        wanted = self._search.tick(time(), self.runner.user_count)
        if wanted is None or self._is_over():
            if self._options.headless:  # its shape is over: Locust would wait for that once more
                self._options.run_time = None
            return None
        given = float(self._options.spawn_rate or 1)
        return wanted, max(given, abs(wanted - self.runner.user_count) / RAMP)

    @property
    def progress(self) -> str:
        """What the search is at, in a line."""
        search = self._search
        if search is None or not search.steps:
            return "capacity: begins"
        step = search.step
        found = f"holds at {search.holds}" if search.holds else "nothing holds yet"
        found += f", breaks at {search.breaks}" if search.breaks else ""
        doing = {"grow": "trying", "halve": "trying", "recover": "recovering at"}[step.kind]
        return f"capacity: {doing} {step.callers}, {search.judged} turns judged; {found}"

    @property
    def _options(self) -> Any:
        return self.runner.environment.parsed_options

    def _is_over(self) -> bool:
        """Whether ``-t`` has passed: a headless Locust leaves that to its shape."""
        limit = self._options.run_time
        seconds = parse_timespan(limit) if isinstance(limit, str) else limit
        return bool(seconds) and self.get_run_time() >= seconds  # type: ignore[no-untyped-call]

    def _begin(self) -> None:
        text = self.check(str(self._options.slo or ""))
        self._shares = [share for o in parse_slo(text) if (share := share_of(o)) is not None]
        most = int(self._options.num_users or 1)
        plan = self.plan if most <= 1 else msgspec.structs.replace(self.plan, most=most)
        self._search = Search(self._shares, plan, self._note)
        self._recording = None

    def _watch(self) -> None:
        """Follow the records of the run as soon as it has begun."""
        station = self.runner.environment.realtime
        search = self._search
        if station.recording is not None and self._recording is not station.recording:
            assert search is not None
            self._recording = station.recording
            station.audience.onlookers.add(lambda record, at: search.on_record(record, at, time()))
            self._note()

    def _note(self) -> None:
        """Write down what is known, so that it survives this process."""
        search = self._search
        if search is not None and self._recording is not None:
            self._recording.update(
                capacity={
                    "objectives": [share.objective.text for share in self._shares],
                    "holds": search.holds,
                    "breaks": search.breaks,
                    "ended": search.ended,
                    "steps": [msgspec.structs.asdict(step) for step in search.steps],
                }
            )
