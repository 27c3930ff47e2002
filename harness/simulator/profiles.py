"""Profiles: what an endpoint is like, as a TOML file of options and faults."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from harness.errors import CommandError
from harness.simulator.options import OPTIONS, parse_settings

__all__ = ["load_profile", "shipped_profiles"]

_FOLDER = Path(__file__).parent / "profiles"


def shipped_profiles() -> tuple[str, ...]:
    """Names of the profiles that come with the harness."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_profile(name: str) -> dict[str, str | list[str]]:
    """
    The options of a shipped profile or of a file, as text by name.

    Raises:
        CommandError: If there is no such profile, or it is none.

    """
    path = _FOLDER / f"{name}.toml" if name in shipped_profiles() else Path(name)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        shipped = ", ".join(shipped_profiles())
        reason = f"can't read the profile {name}: {error.strerror}; shipped are {shipped}"
        raise CommandError(reason) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(f"the profile {name} is no TOML: {error}") from None
    given = _options(raw, name)
    try:
        parse_settings(given)
    except CommandError as error:
        raise CommandError(f"in the profile {name}, {error}") from None
    return given


def _options(raw: dict[str, Any], name: str) -> dict[str, str | list[str]]:
    """What stands in a profile, as it would on the command line."""
    faults = raw.pop("faults", {})
    if not isinstance(faults, dict):
        raise CommandError(f"faults of the profile {name} are a table: [faults]")
    repeatable = {option.name: option.repeat for option in OPTIONS}
    given: dict[str, str | list[str]] = {}
    for key, value in raw.items():
        option = key.replace("-", "_")
        if option not in repeatable or option == "fault":
            raise CommandError(f"the profile {name} has an option that is none: {key}")
        if isinstance(value, list) and not repeatable[option]:
            raise CommandError(f"in the profile {name}, {key} has a list of values: give it one")
        values = [str(one) for one in (value if isinstance(value, list) else [value])]
        given[option] = values if repeatable[option] else values[0]
    given["fault"] = [f"{fault}={rate}" for fault, rate in faults.items()]
    return given
