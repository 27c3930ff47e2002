"""What callers would have heard through another jitter buffer: the taped turns, folded again."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from harness.errors import CommandError
from harness.records import Turn
from harness.reel import read_tape
from harness.tape import Tape, replay

__all__ = ["print_refolded", "read_tapes"]


def read_tapes(run: Path) -> list[Tape]:
    """
    The tapes of a run.

    Raises:
        CommandError: If there are none, or one can't be read.

    """
    paths = sorted((run / "tapes").glob("*.jsonl"))
    if not paths:
        raise CommandError(f"{run} has no tapes to fold again: record some with --record N")
    tapes = []
    for path in paths:
        try:
            tapes.append(read_tape(path))
        except (ValueError, OSError) as error:
            raise CommandError(f"can't read the tape {path}: {error}") from None
    return tapes


def print_refolded(console: Console, tapes: list[Tape], buffer_s: float) -> None:
    """
    Print what was heard beside what another buffer would have given.

    Raises:
        CommandError: If what a tape holds can't have happened.

    """
    turns = [tape.turn for tape in tapes]
    again = [_replayed(tape, round(buffer_s * 1e9)) for tape in tapes]
    buffers = sorted({tape.buffer_ns for tape in tapes})
    table = Table(
        title=f"{len(tapes)} taped turns: the worst, and a sample",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    table.add_column("")
    table.add_column(
        "as heard, " + ", ".join(f"{ns / 1e6:g} ms" for ns in buffers), justify="right"
    )
    table.add_column(f"with {buffer_s * 1000:g} ms", justify="right")
    for (name, was), (_, would_be) in zip(_figures(turns), _figures(again), strict=True):
        table.add_row(name, was, would_be)
    console.print(table)


def _replayed(tape: Tape, buffer_ns: int) -> Turn:
    try:
        return replay(tape, buffer_ns=buffer_ns)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError) as error:
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        raise CommandError(f"can't fold the tape {tape.name} again: {what}") from None


def _figures(turns: list[Turn]) -> Iterable[tuple[str, str]]:
    audible = [s for turn in turns if (s := turn.metrics.get("ttfa_audible")) is not None]
    gaps = [gap for turn in turns for gap in turn.gaps]
    yield "ttfa_audible, median", _seconds(median(audible)) if audible else "–"
    yield "ttfa_audible, longest", _seconds(max(audible)) if audible else "–"
    yield "turns with gaps", str(sum(bool(turn.gaps) for turn in turns))
    yield "gaps", str(len(gaps))
    yield "gaps together", _seconds(sum(gaps))
    yield "longest gap", _seconds(max(gaps, default=0.0))
    yield "dead air", _seconds(sum(turn.metrics.get("dead_air") or 0.0 for turn in turns))


def _seconds(value: float) -> str:
    return f"{value:.3f} s"
