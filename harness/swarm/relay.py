"""
Records and counts on their way from workers to the master, in Locust's own messages.

A worker encodes each record once; the master appends the bytes as they are and confirms them. What
is not confirmed is sent again, and in the end kept by the worker. Counts are cumulative: of each
worker the newest are kept, and added up when somebody asks.
"""

import os
import socket
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from time import monotonic
from typing import Any

import msgspec

from harness.records import Health, Session, Turn, encode
from harness.sinks.rundir import is_tape
from harness.sinks.tally import Tally, merge

__all__ = ["KEY", "Collector", "Parcel", "Shipper"]

KEY = "realtime"
"""Where a parcel lies in Locust's report to the master."""

FILES = ("turns.jsonl", "sessions.jsonl", "health.jsonl")

PATIENCE = 4.0  # seconds until what was not confirmed is sent again


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
    A worker's side: a sink that keeps encoded records until the master has them.

    Args:
        run: The run's name.
        worker: This process's.
        tally: What is counted here.
        anchor: This host's clock, as far as it is known.

    """

    def __init__(
        self, run: str, worker: str, tally: Tally, anchor: Callable[[], dict[str, int]]
    ) -> None:
        self._run = run
        self._worker = worker
        self._tally = tally
        self._anchor = anchor
        self._number = 0
        self._lines: defaultdict[str, list[bytes]] = defaultdict(list)
        self._sent: dict[int, Parcel] = {}  # not confirmed, by number
        self._sent_at: dict[int, float] = {}
        self._final = False

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
        self._final = final
        lines, self._lines = self._lines, defaultdict(list)
        parcel = Parcel(
            run=self._run,
            worker=self._worker,
            number=self._number,
            host=socket.gethostname(),
            pid=os.getpid(),
            anchor=self._anchor(),
            lines={name: b"".join(kept) for name, kept in lines.items()},
            tally=self._tally.encode(),
            final=final,
            leaving=leaving,
        )
        return self._send(parcel)

    def confirm(self, number: int) -> None:
        """The master has a parcel on its disk."""
        self._sent.pop(number, None)
        self._sent_at.pop(number, None)

    def overdue(self) -> list[dict[str, Any]]:
        """Parcels that should have been confirmed by now, to be sent again."""
        before = monotonic() - PATIENCE
        return [self._send(self._sent[n]) for n, at in self._sent_at.items() if at < before]

    @property
    def delivered(self) -> bool:
        """Whether the master has everything, to the last record."""
        return self._final and not self._sent

    @property
    def kept(self) -> dict[str, bytes]:
        """By file, what the master has not confirmed."""
        found: defaultdict[str, bytes] = defaultdict(bytes)
        for parcel in self._sent.values():
            for name, lines in parcel.lines.items():
                found[name] += lines
        for name, unpacked in self._lines.items():
            found[name] += b"".join(unpacked)
        return dict(found)

    def _send(self, parcel: Parcel) -> dict[str, Any]:
        self._sent[parcel.number] = parcel
        self._sent_at[parcel.number] = monotonic()
        return dict(msgspec.structs.asdict(parcel))


class Collector:
    """
    The master's side of one run: appends lines, keeps each worker's newest counts.

    Args:
        run: The run's name; parcels of another are passed over.
        append: Takes the name of a file and whole lines; tells whether they are on the disk.

    """

    def __init__(self, run: str, append: Callable[[str, bytes], bool]) -> None:
        self.run = run
        self._append = append
        self._newest: dict[str, Parcel] = {}  # by client id
        self._taken: defaultdict[str, set[int]] = defaultdict(set)  # numbers, by client id

    def receive(self, client_id: str, raw: Mapping[str, Any]) -> bool:
        """Take what a worker sent, once; whether the worker may forget it."""
        parcel = msgspec.convert(raw, Parcel)
        if parcel.run != self.run:
            return False
        taken = self._taken[client_id]
        if parcel.number in taken:
            return True
        if not all(self._append_lines(name, lines) for name, lines in parcel.lines.items()):
            return False
        taken.add(parcel.number)
        newest = self._newest.get(client_id)
        if newest is None or parcel.number > newest.number:
            parcel.lines = {}
            self._newest[client_id] = parcel
        return True

    def _append_lines(self, name: str, lines: bytes) -> bool:
        return self._append(name, lines) if name in FILES or is_tape(name) else True

    def tally(self, live: Collection[str]) -> Tally:
        """What all workers counted; of those not in ``live`` without what is open now."""
        decoded = {client: Tally.decode(parcel.tally) for client, parcel in self._newest.items()}
        return merge(
            (tally for client, tally in decoded.items() if client in live),
            (tally for client, tally in decoded.items() if client not in live),
        )

    def awaited(self, live: Collection[str]) -> set[str]:
        """Those in ``live`` that took part and of whom a parcel is still to come."""
        return {client for client in self._newest if client in live and not self._is_whole(client)}

    def _is_whole(self, client: str) -> bool:
        newest = self._newest[client]
        return newest.final and len(self._taken[client]) == newest.number

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
        """Client ids of workers that took part and of whom not every parcel came."""
        return [client for client in self._newest if not self._is_whole(client)]

    @property
    def workers(self) -> list[dict[str, Any]]:
        """Where each worker ran, for ``run.json``."""
        return [
            {"worker": parcel.worker, "host": parcel.host, "pid": parcel.pid}
            for parcel in sorted(self._newest.values(), key=lambda parcel: parcel.worker)
        ]
