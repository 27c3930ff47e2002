"""The search for a capacity against simulated endpoints whose knee is known."""

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from bench.knee import Crowd, knee
from harness.corpus import load_corpus
from harness.durations import parse_distribution
from harness.simulator.process import SimulatorProcess
from harness.utterances import Utterance
from harness.workload import Workload

__all__ = ["FULL", "QUICK", "Found", "Setting", "found_table", "search_all"]

ROOT = Path(__file__).parent.parent
UTTERANCES = ROOT / "harness" / "data" / "utterances"
TOLERANCE = 0.1
LONGEST = 1500.0  # seconds of one search

LOCUSTFILE = """
import sys

sys.path.insert(0, {folder!r})
from capacity import Caller

from harness.swarm import CapacityShape, Plan

class Search(CapacityShape):
    plan = Plan({plan})
"""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint of so many places, those who call it, and how they are searched; seconds."""

    places: int
    first: float = 0.3  # from the begin of an answer's making to its first audio
    answer: float = 2.1  # of audio, made four times as fast as it is played
    limit: float = 0.8  # of TTFA, which a share of turns may exceed
    may: float = 0.05
    says: str = "menu"
    listens: bool = True  # else a caller goes on when the answer is there
    pause: str = "lognormal(400ms, 0.3)"
    turns: int = 4
    workers: int = 2
    plan: str  # as the arguments of ``Plan``

    @property
    def making(self) -> float:
        """From the first audio until the answer is made."""
        return (self.answer - 0.1) / 4

    def crowd(self) -> Crowd:
        """The same in virtual time."""
        rng, workload = random.Random(1), Workload()
        says = _said(self.says)
        heard = workload.jitter_buffer + self.answer if self.listens else self.making
        pause = parse_distribution(self.pause)
        return Crowd(
            self.places,
            first=lambda: self.first,
            making=lambda: self.making,
            between=lambda: heard + pause.sample(rng) + says.voice_end,
        )

    @property
    def knee(self) -> int:
        """The number of calls that is to be found."""
        return knee(self.crowd, self.limit, self.may, 400)


FULL = Setting(places=8, plan="start=5, settle=6, span=1")
QUICK = Setting(
    places=8,
    first=0.2,
    answer=0.9,
    limit=0.4,
    may=0.1,
    says="yes-please",
    listens=False,
    pause="50ms",
    turns=2,
    plan="start=20, settle=1, span=0.25, longest=20, precision=1",
)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One search and the truth."""

    seed: int
    true: int
    calls: int
    low: int
    high: int | None
    text: str
    verdict: str
    steps: int
    seconds: float

    @property
    def right(self) -> bool:
        """Whether it is within a tenth."""
        return abs(self.calls - self.true) <= TOLERANCE * self.true


def _said(name: str) -> Utterance:
    return next(each for each in load_corpus(None).utterances if each.name == name)


def search_all(setting: Setting, seeds: int) -> Iterator[Found]:
    """A search for each of ``seeds`` seeds, each against an endpoint of its own."""
    for seed in range(1, seeds + 1):
        with tempfile.TemporaryDirectory(prefix="capacity-") as name:
            yield _search(setting, seed, Path(name))


def _search(setting: Setting, seed: int, folder: Path) -> Found:
    simulator = (
        *("--capacity", str(setting.places), "--ttfa", f"{setting.first}s", "--seed", str(seed)),
        *("--answer", f"{setting.answer}s", "--answer-audio", "tone"),
    )
    core = sorted(os.sched_getaffinity(0))[-1]
    with SimulatorProcess(simulator, folder / "truth.jsonl", core=core) as endpoint:
        summary = _locust(setting, seed, folder, endpoint.url)
    found = summary["capacity"]
    return Found(
        seed=seed,
        true=setting.knee,
        **{key: found[key] for key in ("calls", "low", "high", "text")},
        verdict=summary["verdict"],
        steps=len(found["steps"]),
        seconds=summary["duration_s"],
    )


def _locust(setting: Setting, seed: int, folder: Path, url: str) -> dict[str, Any]:
    corpus = folder / "say"
    corpus.mkdir()
    shutil.copy(UTTERANCES / f"{setting.says}.flac", corpus)
    locustfile = folder / "search.py"
    locustfile.write_text(
        LOCUSTFILE.format(folder=str(ROOT / "locustfiles"), plan=setting.plan), encoding="utf-8"
    )
    command = [
        *(Path(sys.executable).with_name("locust"), "-f", locustfile, "--headless"),
        *("--host", url, "-u", "400", "-r", "20", "--corpus", corpus, "--seed", str(seed)),
        *("--slo", f"ttfa:p{100 * (1 - setting.may):g}<{setting.limit}s", "--pause", setting.pause),
        *("--turns", str(setting.turns), "--listen", "playback" if setting.listens else "done"),
        *_swarm(setting.workers),
    ]
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    path = folder / "runs" / "latest" / "summary.json"
    if not path.is_file():
        raise RuntimeError(f"the search left no report: {done.stderr[-2000:]}")
    summary: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return summary


def _swarm(workers: int) -> tuple[str, ...]:
    """Forked workers, on a port on which no other master listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    return ("--processes", str(workers), "--master-bind-port", port, "--master-port", port)


def found_table(results: list[Found]) -> Table:
    """What was found beside what is true."""
    table = Table(title="capacity", caption="right: within 10 % of what is true")
    for name in ("seed", "true", "found", "95 % CI", "steps", "minutes", "run", "right"):
        table.add_column(name, justify="right")
    for one in results:
        table.add_row(
            *(str(one.seed), str(one.true), str(one.calls), f"{one.low}–{one.high}"),
            *(str(one.steps), f"{one.seconds / 60:.1f}", one.verdict, "✓" if one.right else "✕"),
        )
    return table
