"""Directories of one run as one: the master's, and what workers kept that it never got."""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from harness.errors import CommandError
from harness.report.lines import NOT_JSON, open_records
from harness.report.load import FILES
from harness.report.run_json import Description, read_description

__all__ = ["merged", "parts"]

SUFFIX = ".merged"


class _Identity(msgspec.Struct, frozen=True):
    """What makes two lines the same record, whichever file they are of."""

    worker: str = ""
    caller: int = 0
    call: int = 0
    session: str = ""
    turn: int = 0
    due_at: int = 0  # of a turn
    event: str = ""  # of a session
    started_at: int = 0
    at: int = 0  # of a session, or a second of health


_decoder = msgspec.json.Decoder(_Identity)


def parts(paths: Sequence[Path]) -> list[list[Path]]:
    """Directories, those of the same run together, in the order in which they were named."""
    found: dict[str, list[tuple[bool, Path]]] = {}
    for resolved, path in {path.resolve(): path for path in reversed(paths)}.items():
        meta = read_description(resolved / "run.json").facts
        found.setdefault(str(meta.get("run") or resolved), []).insert(0, ("merged" in meta, path))
    # What was merged before is made anew from its parts.
    return [
        [path for was_merged, path in group if not was_merged] or [path for _, path in group]
        for group in reversed(found.values())
    ]


def merged(paths: Sequence[Path]) -> Path:
    """
    The directory of a run; of several parts of it ``<run>.merged`` beside the master's, made anew.

    Each record is in it once. What ``run.json`` says is the master's, with what is known of the
    workers that kept something.

    Raises:
        CommandError: If it can't be written.

    """
    if len(paths) == 1:
        return paths[0]
    told = [read_description(path / "run.json") for path in paths]
    # The master's first: what it knows of the run, a worker doesn't.
    order = sorted(range(len(paths)), key=lambda n: told[n].facts.get("state") == "kept")
    sources = [paths[n] for n in order]
    into = sources[0].with_name(str(told[order[0]].facts.get("run") or sources[0].name) + SUFFIX)
    try:
        into.mkdir(exist_ok=True)
        for name in FILES:
            _join([path / name for path in sources], into / name)
        _copy_tapes(sources, into / "tapes")
        meta = msgspec.json.encode(_join_meta([told[n] for n in order]))
        (into / "run.json").write_bytes(msgspec.json.format(meta, indent=2) + b"\n")
    except OSError as error:
        raise CommandError(f"can't merge into {into}: {error}") from None
    return into


def _join(sources: Sequence[Path], into: Path) -> None:
    """The lines of all sources, those that are there already passed over."""
    seen: set[int] = set()
    with into.open("wb") as target, ExitStack() as stack:
        for path in sources:
            target.writelines(_new_lines(stack.enter_context(open_records(path)), seen))


def _new_lines(file: BinaryIO, seen: set[int]) -> Iterator[bytes]:
    for line in file:
        try:
            identity = hash(_decoder.decode(line))  # a number: of millions of turns there are many
        except NOT_JSON:
            identity = hash(line)  # damaged: to be counted by whoever reads it
        if identity not in seen:
            seen.add(identity)
            yield line if line.endswith(b"\n") else line + b"\n"


def _copy_tapes(sources: Sequence[Path], into: Path) -> None:
    for source in sources:
        for tape in sorted((source / "tapes").glob("*.jsonl")):
            into.mkdir(exist_ok=True)
            shutil.copyfile(tape, into / tape.name)


def _join_meta(told: Sequence[Description]) -> dict[str, Any]:
    """
    The first's, with the anchors and hosts of all.

    A worker is no longer lost, nor was it ever, if it kept everything to its last record. Of a run
    whose master was lost, every worker is that left nothing.
    """
    metas = [each.facts for each in told]
    first, *kept = metas
    anchors: dict[str, Any] = {}
    for meta in reversed(metas):
        anchors |= meta.get("anchors") or {}
    whole = {meta.get("worker") for meta in kept if meta.get("whole")}
    lost = first.get("lost_workers") or []
    if first.get("state") == "running":
        lost = sorted(anchors)
    lost = [worker for worker in lost if worker not in whole]
    return {
        **first,
        "anchors": anchors,
        "workers": _join_workers(metas),
        "lost_workers": lost,
        "roll": [entry for entry in first.get("roll") or [] if not _is_found(entry, whole)],
        "damage": [line for each in told for line in each.damage],
        "merged": [meta.get("worker") or "master" for meta in metas],
    }


def _join_workers(metas: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where each worker ran, as far as any part says."""
    rows = [row for meta in reversed(metas) for row in meta.get("workers") or []]
    named = {row["worker"]: row for row in rows}
    return [row for _, row in sorted(named.items())]


def _is_found(entry: Mapping[str, Any], whole: Collection[Any]) -> bool:
    """Whether an entry of the roll says that a worker's last records never came, and they did."""
    return entry["change"] == "lost" and entry["worker"] in whole
