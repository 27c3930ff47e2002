"""``run.json`` as the report reads it: each fact by itself, and what can't be understood named."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from harness.capacity import Step
from harness.errors import CommandError
from harness.records import SCHEMA, Count, Instant, Quantity
from harness.report.lines import NOT_JSON, open_records
from harness.slo import Objective, parse_slo

__all__ = ["Description", "read_description", "read_objectives"]


class Description(NamedTuple):
    """
    What a run says of itself.

    Attributes:
        facts: By name; what is not known here stands as it was written.
        damage: What can't be understood and was passed over, a sentence each.

    """

    facts: dict[str, Any]
    damage: list[str]


class _Anchor(msgspec.Struct):
    monotonic_ns: Instant
    time_ns: Instant
    offset_ns: Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)] | None = None
    bound_ns: Instant | None = None


class _Change(msgspec.Struct):
    t: Quantity
    worker: str
    change: str


class _Machine(msgspec.Struct):
    host: str = ""


class _Worker(msgspec.Struct):
    worker: str
    host: str


class _Schedule(msgspec.Struct):
    rate: Quantity | None = None
    due: Count = 0
    blocked: Count = 0


class _Budget(msgspec.Struct):
    limit_usd: Quantity
    spent_usd: Quantity
    reached: bool = False


class _Search(msgspec.Struct):
    objectives: list[str] = []
    holds: Count = 0
    breaks: Count | None = None
    ended: str = ""
    steps: list[Step] = []


_Name = Annotated[str, msgspec.Meta(pattern=r"\A[^/\x00-\x1f]+\Z", max_length=200)]
"""What a directory can be called."""

_KNOWN: Mapping[str, Any] = {
    "run": _Name,
    "worker": str,
    "state": Literal["running", "kept", "ended"],
    "target": str,
    "started_at": str,
    "preflight": str,
    "ended_early": str,
    "paid": bool,
    "whole": bool,
    "options": dict[str, Any],
    "versions": dict[str, Any],
    "machine": _Machine,  # the master's
    "workers": list[_Worker],
    "lost_workers": list[str],
    "roll": list[_Change],
    "users_max": Count,
    "over_target_s": Quantity,
    "ramp_delay_s": Quantity,
    "arrivals": _Schedule,
    "budget": _Budget,
    "capacity": _Search,
    "damage": list[str],  # of the parts that were merged
}
"""What the report goes by, and of which type; each may be ``null``."""


def read_description(path: Path) -> Description:
    """
    ``run.json`` at ``path``, as far as it can be understood.

    Raises:
        CommandError: If it can't be read, or a later version wrote it.

    """
    with open_records(path) as file:
        text = file.read()
    if not text and not path.exists():
        return Description({}, ["run.json is missing"])
    try:
        raw = msgspec.json.decode(text, type=dict[str, Any])
    except NOT_JSON as error:
        return Description({}, [f"run.json is damaged: {error}"])
    _check_schema(path, raw.get("schema"))
    damage: list[str] = []
    anchors = _understood(raw.pop("anchors", None), dict[str, Any], "anchors", damage) or {}
    facts = {
        name: _understood(value, _KNOWN.get(name, Any), name, damage) for name, value in raw.items()
    }
    facts["anchors"] = {
        worker: anchor
        for worker, anchor in anchors.items()
        if _understood(anchor, _Anchor, f"the anchor of {worker}", damage)
    }
    return Description(facts, damage + (facts.pop("damage", None) or []))


def read_objectives(run: Path, texts: Sequence[object]) -> tuple[Objective, ...]:
    """
    The objectives that ``run.json`` of the run directory ``run`` holds.

    Raises:
        CommandError: If one can't be understood.

    """
    try:
        return parse_slo(";".join(map(str, texts)))
    except ValueError as error:
        raise CommandError(f"in {run / 'run.json'}, {error}") from None


def _check_schema(path: Path, schema: object) -> None:
    if isinstance(schema, int) and schema > SCHEMA:
        raise CommandError(
            f"{path} was written by a later realtime-harness (schema {schema}; this one knows "
            f"{SCHEMA}): read it with that one"
        )


def _understood(value: Any, kind: Any, name: str, damage: list[str]) -> Any:
    """A value of that kind, defaults filled in; ``None``, and why is told, if it is none."""
    if value is None:
        return None
    try:
        known = msgspec.to_builtins(msgspec.convert(value, kind))
    except msgspec.ValidationError as error:
        damage.append(f"run.json is damaged, {name}: {error}")
        return None
    return _completed(value, known)


def _completed(value: Any, known: Any) -> Any:
    """What is known of a value, and what else was written there."""
    if isinstance(value, dict):
        return {**value, **known}
    if isinstance(value, list):
        return [_completed(*each) for each in zip(value, known, strict=True)]
    return known
