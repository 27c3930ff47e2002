"""How often a comparison raises a false alarm, and how often it finds what is there."""

import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec
from rich.table import Table

from harness.metrics import measure
from harness.records import Health, Outcome, Session, SessionOutcome, Turn, encode
from harness.report.differences import Difference, differences, side_of
from harness.report.load import Run, load_run
from harness.report.units import units_of

__all__ = ["LEAST_FOUND", "MOST_ALARMS", "Pair", "pairs", "pairs_table"]

CALLS, TURNS = 100, 5  # of each run: five hundred turns
SLOWER = 0.05  # seconds that are to be found
MOST_ALARMS, LEAST_FOUND = 0.03, 0.99
MS = 1_000_000
S = 1_000_000_000


class Pair(msgspec.Struct, frozen=True):
    """One seed: whether two runs that are alike were told apart, and two that are not."""

    seed: int
    alarm: bool
    found: bool


def pairs(seeds: int, *, processes: int = 2) -> Iterator[Pair]:
    """Of each seed a run, another like it, and one that is slower; in any order of seeds."""
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(_pair, range(seeds))


def _pair(seed: int) -> Pair:
    with tempfile.TemporaryDirectory(prefix="pairs-") as name:
        folder = Path(name)
        base = _talked(folder / "base", f"{seed}/base")
        alike = _talked(folder / "alike", f"{seed}/alike")
        slower = _talked(folder / "slower", f"{seed}/slower", more=SLOWER)
    return Pair(
        seed,
        alarm=any(one.proven for one in _compared(base, alike)),
        found=any(one.metric == "ttfa" and one.low > 0 for one in _compared(base, slower)),
    )


def _compared(base: Run, candidate: Run) -> list[Difference]:
    return differences(*(side_of(run, units_of(run, blocks=False)) for run in (base, candidate)))


def _talked(path: Path, seed: str, *, more: float = 0.0) -> Run:
    """Calls whose turns are alike: each has its own pace, and each turn varies about it."""
    rng = random.Random(seed)
    turns, sessions = [], []
    for caller in range(CALLS):
        pace, began = rng.gauss(-0.9, 0.12), caller * S
        for number in range(TURNS):
            end = began + (5 * number + 2) * S
            ttfa = round((rng.lognormvariate(pace, 0.16) + more) * S)
            turns.append(_turn(caller, number, end, ttfa))
        sessions += [
            Session(event=event, at=at, caller=caller, started_at=began, **extra)
            for event, at, extra in (
                ("start", began, {}),
                ("end", began + 30 * S, {"outcome": SessionOutcome.ENDED}),
            )
        ]
    return _written(path, turns, sessions)


def _turn(caller: int, number: int, end: int, ttfa: int) -> Turn:
    marks = {
        "speech_end": end,
        "commit": end + MS,
        "detected": end + MS,
        "created": end + ttfa // 2,
        "first_text": end + ttfa * 9 // 10,
        "first_audio": end + ttfa,
        "first_audible": end + ttfa + 100 * MS,
        "done": end + ttfa + S,
        "playback_end": end + ttfa + 2 * S,
    }
    turn = Turn(
        caller=caller,
        turn=number,
        outcome=Outcome.COMPLETED,
        due_at=end - 2 * S,
        written_at=end - 2 * S,
        marks={**marks},
        limits_s=10.0,
        answer_limits_s=10.0,
        audio_heard_s=2.0,
    )
    measure(turn)
    return turn


def _written(path: Path, turns: list[Turn], sessions: list[Session]) -> Run:
    path.mkdir()
    for name, records in (
        ("turns", turns),
        ("sessions", sessions),
        ("health", [Health(at=S)]),
    ):
        path.joinpath(f"{name}.jsonl").write_bytes(b"".join(map(encode, records)))
    anchors = {"local": {"monotonic_ns": 0, "time_ns": 0}}
    path.joinpath("run.json").write_bytes(msgspec.json.encode({"anchors": anchors}))
    return load_run(path)


def pairs_table(results: list[Pair]) -> Table:
    """Both rates, and what they are to be."""
    n = len(results)
    alarms, found = sum(p.alarm for p in results) / n, sum(p.found for p in results) / n
    table = Table(title=f"comparisons of {CALLS * TURNS} turns each, {n} seeds")
    for name in ("", "rate", "to be", "reached"):
        table.add_column(name, justify="right")
    table.add_row("false alarms", f"{alarms:.1%}", f"≤ {MOST_ALARMS:.0%}",
                  "✓" if alarms <= MOST_ALARMS else "✕")  # fmt: skip
    table.add_row(f"{SLOWER * 1e3:.0f} ms found", f"{found:.1%}", f"≥ {LEAST_FOUND:.0%}",
                  "✓" if found >= LEAST_FOUND else "✕")  # fmt: skip
    return table
