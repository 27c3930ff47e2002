"""The options of loads: how many callers come when. A locustfile offers those that it uses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from harness.durations import Distribution, parse_distribution
from harness.options import Option, parse_option
from harness.stages import Stages, soak, spike, steady, steps
from harness.values import longer_than, number

__all__ = ["LOAD_OPTIONS", "SHAPES", "Level", "Load", "parse_load", "planned"]

SHAPES = ("steady", "steps", "spike", "soak")
"""Loads whose number of users is known beforehand, by the locustfile that makes them."""

HOUR = 3600.0

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Level(msgspec.Struct, frozen=True):
    """A number of users, or a share of those asked for (``-u``)."""

    number: float
    share: bool = False

    def of(self, users: int) -> int:
        """How many it is of ``users``: a share is of whole users, one at least."""
        if not self.share:
            return int(self.number)
        return max(1, round(self.number * users)) if self.number else 0


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """When callers come, parsed."""

    steps: tuple[Level, ...] = tuple(Level(share, share=True) for share in (0.25, 0.5, 0.75, 1.0))
    step_time: float = 60.0  # seconds
    spike_base: Level = Level(0.2, share=True)
    spike_after: float = 60.0  # seconds
    spike_time: float = 30.0  # seconds
    arrivals: float = 1.0  # calls a second
    call_length: Distribution | None = None  # None: --turns say how long a call is
    every: float = 15.0  # seconds


def planned(shape: str, load: Load, *, users: int, rate: float, seconds: float | None) -> Stages:
    """
    How many users a shape has when.

    Args:
        shape: One of ``SHAPES``.
        load: The options.
        users: The most, ``-u``.
        rate: Users a second who come or go, ``-r``.
        seconds: How long it is to last, ``-t``, if that was said.

    Raises:
        ValueError: If that can't be.

    """
    match shape:
        case "steps":
            levels = [level.of(users) for level in load.steps]
            return steps(levels, rate=rate, seconds=load.step_time)
        case "spike":
            base = load.spike_base.of(users)
            return spike(base, users, rate=rate, before=load.spike_after, seconds=load.spike_time)
        case "soak":
            return soak(users, rate=rate, seconds=seconds or HOUR)
    return steady(users, rate=rate)


def _level(text: str) -> Level:
    written, percent, rest = text.strip().partition("%")
    try:
        value = float(written) if percent else int(written)
    except ValueError:
        value = -1
    if rest or not 0 <= value <= 1_000_000:
        raise ValueError(f"{text!r} is no number of callers: write it like 20, or 50% of -u")
    return Level(value / 100, share=True) if percent else Level(value)


def _levels(text: str) -> tuple[Level, ...]:
    return tuple(_level(part) for part in text.split(","))


def _rate(text: str) -> float:
    written, _, unit = text.partition("/")
    rate = number(written) / _UNITS.get(unit.strip(), math.inf)
    if not 0 < rate <= 1000:
        raise ValueError(f"{text!r} is no rate of calls: write it like 2/s, 30/min or 100/h")
    return rate


LOAD_OPTIONS = (
    Option(flag="--steps", default="25%,50%,75%,100%", parse=_levels, metavar="CALLERS", help="Callers of each step, as numbers or as shares of -u."),
    Option(flag="--step-time", default="60s", parse=longer_than(0), metavar="TIME", help="How long a step lasts, the way to it included; callers come and go at -r a second."),
    Option(flag="--spike-base", default="20%", parse=_level, metavar="CALLERS", help="Callers before and after the spike, as a number or a share of -u; the spike has -u."),
    Option(flag="--spike-after", default="60s", parse=longer_than(0), metavar="TIME", help="When the spike begins; it is followed by as much calm, or until -t."),
    Option(flag="--spike-time", default="30s", parse=longer_than(0), metavar="TIME", help="How long the spike lasts."),
    Option(flag="--arrivals", default="1/s", parse=_rate, metavar="RATE", help="Calls that fall due, in the mean, whether or not a caller is idle: 2/s, 30/min, 100/h."),
    Option(flag="--call-length", parse=parse_distribution, metavar="TIME|DISTRIBUTION", help="How long a caller stays on the line; default: for --turns."),
    Option(flag="--every", default="15s", parse=longer_than(0), metavar="TIME", help="Time between two instants at which all callers do the same, by the master's clock."),
)  # fmt: skip
"""All are fields of ``Load``."""


def parse_load(raw: Mapping[str, Any]) -> Load:
    """
    The load of raw option values, from Locust's parser, its web form or the environment.

    Args:
        raw: By option name, ``step_time``; what is missing takes its default.

    Raises:
        OptionError: If a value makes no sense.

    """
    given = {option.name: parse_option(option, raw.get(option.name)) for option in LOAD_OPTIONS}
    return Load(**{name: value for name, value in given.items() if value is not None})
