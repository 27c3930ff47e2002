"""What the report of a long run takes: records of a large swarm, made up, and read again."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from time import monotonic

import msgspec
from rich.table import Table

from bench.swarm.records import CALL_TURNS, TURN_EVERY, health, sessions, turns
from harness.records import Session, Turn, encode

__all__ = ["ReportCost", "report_cost", "report_table", "write_run"]

WORKERS, EACH = 100, 500
NS = 1_000_000_000


class ReportCost(msgspec.Struct, frozen=True):
    """What one report took."""

    turns: int
    gigabytes: float  # of records
    seconds: float
    memory_gb: float  # the most at once


def report_cost(number: int, workers: int = WORKERS, each: int = EACH) -> ReportCost:
    """Write ``number`` turns or a few more, and measure the report of them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        run = Path(name)
        written = write_run(run, number, workers, each)
        size = sum(path.stat().st_size for path in run.iterdir())
        begin = monotonic()
        report = [sys.executable, "-m", "harness", "report", "--quiet", name]
        with subprocess.Popen(report, stdin=subprocess.DEVNULL) as child:
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode or not (run / "report.html").is_file():
            raise RuntimeError("no report was made")
        return ReportCost(written, size / 1e9, monotonic() - begin, used.ru_maxrss * 1024 / 1e9)


def write_run(run: Path, number: int, workers: int = WORKERS, each: int = EACH) -> int:
    """
    Records of a swarm in which every session has a turn every eight seconds.

    Args:
        run: The directory.
        number: Turns at least: every session has as many.
        workers: Of the swarm.
        each: Sessions of each.

    Returns:
        How many turns there are.

    """
    names = [f"host-{worker}" for worker in range(workers)]
    anchors = {name: {"monotonic_ns": 0, "time_ns": 1_790_000_000 * NS} for name in names}
    meta = {"schema": 1, "run": run.name, "state": "ended", "anchors": anchors}
    (run / "run.json").write_text(json.dumps(meta))
    rounds = -(-number // (workers * each))
    with (
        (run / "turns.jsonl").open("wb") as turn_file,
        (run / "sessions.jsonl").open("wb") as session_file,
        (run / "health.jsonl").open("wb") as health_file,
    ):
        random = Random(1)
        said = [*turns(workers * each, run=run.name, worker="", random=random)]
        for turn in said:
            turn.caller = round(turn.due_at / 42_000_000)
            turn.worker = names[turn.caller // each]
        for k in range(rounds):
            turn_file.writelines(_turns(said, k))
            if k % CALL_TURNS == 0:
                session_file.writelines(_sessions(names, each, k, random))
            for name in names:
                for line in health(round(TURN_EVERY), run=run.name, worker=name, random=random):
                    line.at += round(k * TURN_EVERY) * NS
                    health_file.write(encode(line))
    return rounds * workers * each


def _turns(said: Sequence[Turn], k: int) -> Iterator[bytes]:
    """The ``k``-th turn of every session: the same as the first, at its time."""
    for turn in said:
        spread = round(TURN_EVERY * NS * turn.caller / len(said))
        shift = NS + round(k * TURN_EVERY * NS) + spread - turn.due_at
        yield encode(
            msgspec.structs.replace(
                turn,
                call=k // CALL_TURNS,
                turn=k % CALL_TURNS,
                session_age_s=k % CALL_TURNS * TURN_EVERY,
                due_at=turn.due_at + shift,
                written_at=turn.due_at + shift,
                marks={name: at and at + shift for name, at in turn.marks.items()},
            )
        )


def _sessions(names: Sequence[str], each: int, k: int, random: Random) -> Iterator[bytes]:
    """The sessions of every caller that begin with its ``k``-th turn."""
    number = len(names) * each
    for session in sessions(number, run="", worker="", random=random):
        _place(session, names[session.caller // each], k, number)
        yield encode(session)


def _place(session: Session, worker: str, k: int, number: int) -> None:
    begin = NS + round(k * TURN_EVERY * NS) + round(TURN_EVERY * NS * session.caller / number)
    session.worker, session.call = worker, k // CALL_TURNS
    session.at += begin - session.started_at
    session.started_at = begin


def report_table(costs: Sequence[ReportCost]) -> Table:
    """A row a size; what an hour of 6250 turns a second would take, from the two largest."""
    table = Table(title="The report of a long run")
    for name in ("turns", "records", "seconds", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in [*costs, *_hour(costs)]:
        table.add_row(
            f"{one.turns:,}" if one in costs else f"{one.turns:,} (extrapolated)",
            f"{one.gigabytes:.1f} GB",
            f"{one.seconds:.0f}",
            f"{one.memory_gb:.2f} GB",
        )
    return table


def _hour(costs: Sequence[ReportCost]) -> Iterator[ReportCost]:
    if len(costs) < 2:
        return
    small, large = costs[-2:]
    whole = 6250 * 3600
    further = (whole - large.turns) / (large.turns - small.turns)
    yield ReportCost(
        whole,
        large.gigabytes + (large.gigabytes - small.gigabytes) * further,
        large.seconds + (large.seconds - small.seconds) * further,
        large.memory_gb + (large.memory_gb - small.memory_gb) * further,
    )
