"""Locust's load shapes over the schedules of ``stages.py``: a locustfile subclasses one of them."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from locust import LoadTestShape, events
from locust.util.timespan import parse_timespan

from harness.loads import Load, parse_load, planned
from harness.stages import AT_ONCE, Stages, steady
from harness.swarm.cli_options import offer

__all__ = ["AtOnce", "PlannedShape", "Soak", "Spike", "Steady", "Steps"]


class PlannedShape(LoadTestShape):
    """
    A test whose number of users is known beforehand: ``plan`` says how many there are when.

    ``-u`` is the most, ``-r`` how many come or go in a second, ``-t`` when it is over; without
    ``-t`` the plan says so.

    Attributes:
        options: By name, the options that this load asks for beside those of every test, and their
            defaults; ``None`` leaves an option's own.

    """

    abstract = True
    use_common_options = True
    options: ClassVar[Mapping[str, str | None]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not cls.abstract:
            options, listeners = cls.options, cast("Any", events.init_command_line_parser)
            listeners.add_listener(lambda parser, **_: offer(parser, options))

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._plan: Stages | None = None

    @abstractmethod
    def stages(self, load: Load, *, users: int, rate: float, seconds: float | None) -> Stages:
        """How many users there are when; all as in ``loads.planned``."""

    def plan(self, values: Mapping[str, Any]) -> Stages:
        """
        The whole test as the options, or a form posted over them, ask for it.

        Raises:
            ValueError: If it can't be; one line that says why.

        """
        seconds = _seconds(values.get("run_time"))
        users = values.get("user_count") or values.get("num_users") or 1  # posted, or given
        rate = float(values.get("spawn_rate") or 1)
        stages = self.stages(parse_load(values), users=int(users), rate=rate, seconds=seconds)
        return stages.lasting(seconds)

    def reset_time(self) -> None:
        """A test starts."""
        super().reset_time()  # type: ignore[no-untyped-call]
        self._plan = None

    def tick(self) -> tuple[int, float] | None:
        """Where the users are bound for, and how fast; ``None`` when it is over."""
        if self._plan is None:
            assert self.runner is not None
            self._plan = self.plan(vars(self.runner.environment.parsed_options))
        seconds: float = self.get_run_time()  # type: ignore[no-untyped-call]
        return self._plan.target_at(seconds)


class _Named(PlannedShape):
    """One of ``loads.SHAPES``, which ``realtime-harness plan`` knows too."""

    abstract = True
    name: ClassVar[str]

    def stages(self, load: Load, *, users: int, rate: float, seconds: float | None) -> Stages:
        """How many users there are when."""
        return planned(self.name, load, users=users, rate=rate, seconds=seconds)


class Steady(_Named):
    """Up to ``-u`` users, and on until ``-t``."""

    abstract = True
    name = "steady"


class AtOnce(PlannedShape):
    """All ``-u`` users at once, and on until ``-t``: what they do has a schedule of its own."""

    abstract = True

    def stages(self, load: Load, *, users: int, rate: float, seconds: float | None) -> Stages:
        """How many users there are when."""
        return steady(users, rate=AT_ONCE)


class Steps(_Named):
    """From step to step, ``--steps`` of ``--step-time`` each."""

    abstract = True
    name = "steps"
    options: ClassVar[Mapping[str, str | None]] = {"steps": None, "step_time": None}


class Spike(_Named):
    """``--spike-base`` users, then for ``--spike-time`` ``-u`` of them, then as before."""

    abstract = True
    name = "spike"
    options: ClassVar[Mapping[str, str | None]] = {
        "spike_base": None,
        "spike_after": None,
        "spike_time": None,
    }


class Soak(_Named):
    """Up to ``-u`` users, on for long, and down again within ``-t``: an hour, if it is missing."""

    abstract = True
    name = "soak"


def _seconds(run_time: Any) -> float | None:
    return float(parse_timespan(str(run_time))) if run_time else None
