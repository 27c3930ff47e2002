"""What one event costs the harness: in memory, and between it and a loopback socket."""

import base64
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from time import perf_counter_ns
from types import SimpleNamespace
from typing import Any

import msgspec
from websockets.client import ClientProtocol
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from bench.workload import FORMAT, FRAME_MS, FRAME_NS, UTTERANCE, speech
from harness.connection import Connection
from harness.limits import Limits
from harness.link import Link
from harness.pacer import Microphone, pacer
from harness.realtime.endpoint import parse_endpoint
from harness.records import Identity, Kind
from harness.transport import Transport
from harness.turn import TurnRecorder
from harness.workload import Workload

__all__ = ["EventCost", "event_costs"]

BATCHES = 15
ROUNDS = 2000  # in a batch
PLACE = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
LIMITS = Limits(detection=1, first_audio=1, stall=1, response=1, tool=1, patience=None)


class EventCost(msgspec.Struct, frozen=True):
    """What one event costs."""

    name: str
    message_bytes: int
    ns: float  # the best batch's mean


class Caller:
    """A caller in the midst of an answer, with no endpoint but a socket."""

    def __init__(self, link: Link) -> None:
        self.recorder = TurnRecorder(
            identity=Identity(), limits=LIMITS, buffer=100_000_000, format=FORMAT
        )
        endpoint = parse_endpoint("ws://127.0.0.1", model="")
        self.connection = Connection(endpoint, Workload(), listener=self.recorder.receive)
        self.hear = self.connection._on_message
        self.transport = self.connection.transport = _transport(link, self.hear)
        self._begin()

    def _begin(self) -> None:
        self.connection.session.opened()
        turn = self.recorder.begin(Kind.SPEECH, due=0, at=0)
        self.recorder.spoken(turn, 1, 1.0)
        self.recorder.committed(turn, 1)
        for event in (
            {"type": "session.created", "session": {"id": "sess_1"}},
            {"type": "session.updated", "session": {"id": "sess_1"}},
            {"type": "response.created", "response": {"id": "resp_1"}},
            {"type": "response.output_item.added", **PLACE, "item": {"id": "item_1"}},
        ):
            self.hear(msgspec.json.encode({"event_id": event["type"], **event}), 2, 0)
        for delta in _deltas(FRAME_MS / 1000):
            self.hear(delta, 3, 0)


def event_costs() -> list[EventCost]:
    """All of them, measured here and now; other work on this core shows."""
    with _connection() as (ours, theirs):
        caller = Caller(Link(ours))
        short, long = _deltas(FRAME_MS / 1000), _deltas(7440 / FORMAT.bytes_per_second)
        words = _messages("response.output_audio_transcript.delta", delta=" evening")
        frames = speech(UTTERANCE).frames
        microphone = Microphone(
            *(caller.connection.write, FRAME_NS, pacer().wrote, frames[:50]),
            failed=caller.connection.fail,
        )
        heard = [
            _heard("audio delta of 20 ms: decode, fold", caller, short),
            _heard("audio delta of 10 kB: decode, fold", caller, long),
            _heard("transcript delta: decode, fold", caller, words),
        ]
        theirs.settimeout(1)
        read = _received(caller, theirs, short)
        written = _written(microphone, theirs, len(frames[0]))
        return [*heard, read, written, _written_to_nobody(caller, microphone, len(frames[0]))]


def _heard(name: str, caller: Caller, messages: tuple[bytes, ...]) -> EventCost:
    supply, at, hear = cycle(messages), 10, caller.hear

    def batch() -> int:
        begin = perf_counter_ns()
        for _ in range(ROUNDS):
            hear(next(supply), at, 0)
        return perf_counter_ns() - begin

    return EventCost(name, len(messages[0]), _best(batch))


def _received(caller: Caller, peer: socket.socket, messages: tuple[bytes, ...]) -> EventCost:
    supply, readable = cycle(_frame(message) for message in messages), caller.transport._read

    def batch() -> int:
        spent = 0
        for _ in range(ROUNDS):
            peer.send(next(supply))
            begin = perf_counter_ns()
            readable()
            spent += perf_counter_ns() - begin
        return spent

    name = "the same, read from a socket"
    return EventCost(name, len(messages[0]), _best(batch))


def _written(microphone: Microphone, peer: socket.socket, size: int) -> EventCost:
    def batch() -> int:
        spent = 0
        for _ in range(ROUNDS):
            begin = perf_counter_ns()
            microphone.send(begin)
            spent += perf_counter_ns() - begin
            peer.recv(1 << 16)
        return spent

    return EventCost("frame of 20 ms: written to a socket", size, _best(batch))


def _written_to_nobody(caller: Caller, microphone: Microphone, size: int) -> EventCost:
    caller.transport._link._send = len

    def batch() -> int:
        begin = perf_counter_ns()
        for _ in range(ROUNDS):
            microphone.send(begin)
        return perf_counter_ns() - begin

    return EventCost("the same without the kernel", size, _best(batch))


def _best(batch: Callable[[], int]) -> float:
    return min(batch() for _ in range(BATCHES)) / ROUNDS


def _deltas(seconds: float) -> tuple[bytes, ...]:
    audio = base64.b64encode(b"\1\20" * round(seconds * FORMAT.rate)).decode()
    return _messages("response.output_audio.delta", delta=audio)


def _messages(type: str, **fields: Any) -> tuple[bytes, ...]:
    """Two of a kind, which differ in their event id, as a server's do."""
    return tuple(
        msgspec.json.encode({"type": type, **PLACE, "event_id": f"event_sim_{n}", **fields})
        for n in range(1000, 1002)
    )


def _frame(message: bytes) -> bytes:
    """As a server sends it."""
    return b"\x81\x7e" + len(message).to_bytes(2) + message


@contextmanager
def _connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as ours,
    ):
        theirs, _ = server.accept()
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours.setblocking(False)
        with theirs:
            yield ours, theirs


def _transport(link: Link, on_message: Callable[[bytes, int, int], None]) -> Transport:
    """As after a handshake."""
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1"), state=OPEN, max_size=None)
    opening: Any = SimpleNamespace(protocol=protocol, rest=b"")
    dial: Any = SimpleNamespace(steps={}, upgraded_at=0)
    return Transport(
        link,
        opening,
        dial,
        on_message=on_message,
        on_close=lambda closed: None,
        high_water=1 << 22,
        ping_interval=20.0,
        ping_timeout=20.0,
    )
