"""
What people write as the value of an option, parsed.

What makes no sense raises ``ValueError``: one line that says what is wrong with it.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.durations import parse_duration

__all__ = [
    "argument",
    "existing_file",
    "existing_folder",
    "longer_than",
    "number",
    "parse_share",
    "whole",
    "yes",
]

_Value = TypeVar("_Value")


def argument(parse: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """``parse`` as argparse takes it: of another error than its own it shows no message."""

    def parsed(text: str) -> _Value:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def whole(low: int, high: int) -> Callable[[str], int]:
    """Parses a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {text!r}")
        return value

    return parse


def number(text: str) -> float:
    """A number, not a number if it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def parse_share(text: str) -> float:
    """The share of ``0.02`` or ``2%``."""
    written, percent, rest = text.strip().partition("%")
    value = number(written) / (100 if percent else 1)
    if rest or not 0 <= value <= 1:
        raise ValueError(f"{text!r} is no share: write it like 0.02 or 2%")
    return value


def longer_than(least: float) -> Callable[[str], float]:
    """Parses a duration of more than ``least`` seconds."""

    def parse(text: str) -> float:
        value = parse_duration(text)
        if value <= least:
            raise ValueError(f"must be longer than {least:g} s")
        return value

    return parse


def yes(text: str) -> bool:
    """Whether a switch is on; an empty text is off."""
    if text.lower() in ("", "0", "no", "false", "off"):
        return False
    if text.lower() in ("1", "yes", "true", "on"):
        return True
    raise ValueError(f"must be yes or no, not {text!r}")


def existing_folder(text: str) -> Path:
    """A folder that is there."""
    if not os.path.isdir(text):  # noqa: PTH112 - Path's raises where a name is too long
        raise ValueError(f"there is no folder {text}")
    return Path(text)


def existing_file(text: str) -> Path:
    """A file that is there."""
    if not os.path.isfile(text):  # noqa: PTH113 - Path's raises where a name is too long
        raise ValueError(f"there is no file {text}")
    return Path(text)
