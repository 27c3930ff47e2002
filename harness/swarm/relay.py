"""
Records and counts on their way from workers to the master, in Locust's own messages.

A worker encodes each record once; the master appends the bytes as they are. Counts are cumulative:
of each worker the newest are kept, and added up when somebody asks.
"""

import os
import socket
from collections.abc import Callable, Collection, Mapping
from time import monotonic, monotonic_ns, time_ns
from typing import Any

import msgspec

from harness.records import Health, Session, Turn, encode
from harness.sinks.rundir import is_tape
from harness.sinks.tally import Tally, merge

__all__ = ["KEY", "Collector", "Parcel", "Shipper", "clock_anchor"]

KEY = "realtime"
"""Where a parcel lies in Locust's report to the master."""

FILES = ("turns.jsonl", "sessions.jsonl", "health.jsonl")


def clock_anchor() -> dict[str, int]:
    """One instant on the monotonic clock and on the wall clock, in ns."""
    return {"monotonic_ns": monotonic_ns(), "time_ns": time_ns()}


class Parcel(msgspec.Struct, kw_only=True):
    """What a worker sends at once; ``number`` counts its parcels of a run from 1."""

    run: str
    worker: str
    number: int
    host: str
    pid: int
    anchor: dict[str, int]
    lines: dict[str, bytes]  # by file: those that ended since the parcel before
    tally: bytes  # since the run began
    final: bool = False  # all users have ended; no other follows
    leaving: bool = False  # this worker quits by itself


class Shipper:
    """
    A worker's side: a sink that keeps encoded records until they are sent.

    Args:
        run: The run's name.
        worker: This process's.
        tally: What is counted here.

    """

    def __init__(self, run: str, worker: str, tally: Tally) -> None:
        self._run = run
        self._worker = worker
        self._tally = tally
        self._number = 0
        self._anchor = clock_anchor()
        self._lines: dict[str, list[bytes]] = {name: [] for name in FILES}

    def on_turn(self, turn: Turn) -> None:
        """Keep a finished turn."""
        self._lines["turns.jsonl"].append(encode(turn))

    def on_session(self, session: Session) -> None:
        """Keep a session that starts, or one that ended."""
        self._lines["sessions.jsonl"].append(encode(session))

    def on_health(self, health: Health) -> None:
        """Keep a second of this process."""
        self._lines["health.jsonl"].append(encode(health))

    def on_file(self, name: str, content: bytes) -> None:
        """Keep a whole file: a tape."""
        self._lines[name] = [content]

    def pack(self, *, final: bool = False, leaving: bool = False) -> dict[str, Any]:
        """What has ended since it was packed last, as a message can carry it."""
        self._number += 1
        lines = {name: b"".join(kept) for name, kept in self._lines.items() if kept}
        self._lines = {name: [] for name in FILES}
        parcel = Parcel(
            run=self._run,
            worker=self._worker,
            number=self._number,
            host=socket.gethostname(),
            pid=os.getpid(),
            anchor=self._anchor,
            lines=lines,
            tally=self._tally.encode(),
            final=final,
            leaving=leaving,
        )
        return dict(msgspec.structs.asdict(parcel))


class Collector:
    """
    The master's side of one run: appends lines, keeps each worker's newest counts.

    Args:
        run: The run's name; parcels of another are passed over.
        append: Takes the name of a file and whole lines.

    """

    def __init__(self, run: str, append: Callable[[str, bytes], None]) -> None:
        self._run = run
        self._append = append
        self._newest: dict[str, Parcel] = {}  # by client id
        self._heard: dict[str, float] = {}
        self._missed = 0

    def receive(self, client_id: str, raw: Mapping[str, Any]) -> None:
        """Take what a worker sent; what came already is passed over."""
        parcel = msgspec.convert(raw, Parcel)
        before = self._newest.get(client_id)
        number = before.number if before else 0
        if parcel.run != self._run or parcel.number <= number:
            return
        self._missed += parcel.number - number - 1
        self._newest[client_id] = parcel
        self._heard[client_id] = monotonic()
        for name, lines in parcel.lines.items():
            if name in FILES or is_tape(name):
                self._append(name, lines)
        parcel.lines = {}

    def tally(self, live: Collection[str]) -> Tally:
        """What all workers counted; of those not in ``live`` without what is open now."""
        decoded = {client: Tally.decode(parcel.tally) for client, parcel in self._newest.items()}
        return merge(
            (tally for client, tally in decoded.items() if client in live),
            (tally for client, tally in decoded.items() if client not in live),
        )

    def awaited(self, live: Collection[str]) -> set[str]:
        """Those in ``live`` that took part and whose last parcel is still to come."""
        return {c for c, parcel in self._newest.items() if c in live and not parcel.final}

    @property
    def anchors(self) -> dict[str, dict[str, int]]:
        """The clock anchor of each worker, by name."""
        return {parcel.worker: parcel.anchor for parcel in self._newest.values()}

    @property
    def leaving(self) -> set[str]:
        """Client ids of workers that quit by themselves."""
        return {client for client, parcel in self._newest.items() if parcel.leaving}

    @property
    def lost(self) -> list[str]:
        """Workers whose last parcel never came."""
        return sorted(p.worker for p in self._newest.values() if not p.final)

    @property
    def workers(self) -> list[dict[str, Any]]:
        """Where each worker ran and how it ended, for ``run.json``."""
        return [
            {
                "worker": parcel.worker,
                "host": parcel.host,
                "pid": parcel.pid,
                "silent_s": None if parcel.final else monotonic() - self._heard[client],
            }
            for client, parcel in sorted(self._newest.items(), key=lambda pair: pair[1].worker)
        ]
