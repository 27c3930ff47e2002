"""What lies between a caller and a simulated session: handshake, messages both ways, goodbyes."""

from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from harness.audio import AudioFormat
from harness.handshake import ConnectError, Handshake, Refused
from harness.simulator.access import Access, Admitted, Denied
from harness.simulator.door import Door
from harness.simulator.outbound import Framing
from harness.simulator.session import SimulatedSession
from harness.transport import Closed, TransportClosed

__all__ = ["Delivered", "Exchange", "Wire"]

MS = 1_000_000
READS_FOR = 50 * MS


@dataclass
class Delivered:
    """A message of the endpoint that the caller was given."""

    order: int
    came_at: int  # truly
    at: int  # by its stamp
    slack: int
    type: str
    message: bytes
    struck: bool = False  # by a fault of messages

    @cached_property
    def fields(self):
        return msgspec.json.decode(self.message)

    @property
    def response_id(self):
        response = self.fields.get("response") or {}
        return self.fields.get("response_id") or response.get("id")


@dataclass
class Exchange:
    """All connections of a world to one endpoint."""

    world: object
    endpoint: object
    wires: list = field(default_factory=list)

    def connect(self, url, *, headers=(), subprotocols=(), timeout, on_message, on_close, **_):
        world = self.world
        target = url.split("://", 1)[1].partition("/")[2]
        shown = dict(headers)
        if subprotocols:
            shown["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
        world.run(world.now + world.travel(), lambda: False)
        answer = Door(self.endpoint, Access(None)).answer(f"/{target}", shown, world.now)
        world.run(world.now + world.travel(), lambda: False)
        match answer:
            case Admitted():
                wire = Wire(world, self.endpoint, answer, on_message, on_close)
                self.wires.append(wire)
                return wire
            case Denied():
                handshake = Handshake(answer.status, {}, "")
                raise Refused(f"HTTP {answer.status}", handshake)
        world.run(world.now + round(timeout * 1e9), lambda: False)
        raise ConnectError("too late", step="upgrade", timed_out=True)


class Wire:
    """Stands in for a transport, and for the simulator's side of it."""

    def __init__(self, world, endpoint, admitted, on_message, on_close):
        self.world = world
        self.closed = None
        self.steps, self.upgraded_at = {"upgrade": 0.0}, world.now
        self.messages_sent = self.messages_received = self.bytes_sent = self.bytes_received = 0
        self.delivered = []  # to the caller
        self.written = []  # by the caller: instant, wire name, instant at which it was read
        self.lost = False  # a message too large to be read was on the way
        self._open = True
        self._on_message, self._on_close = on_message, on_close
        self._inbox = []
        self._latest_down = self._latest_up = world.now
        self._said_goodbye = False
        self._wakes_at = None
        self._session = SimulatedSession(
            endpoint, admitted.config, world.now, 1_800_000_000, beta=admitted.beta
        )
        self.session_id = self._session._shared.session_id
        self._read_every = self._session.read_every
        self._flush()

    # As a transport.

    def write(self, *messages):
        if not self._open:
            raise TransportClosed("gone")
        for message in messages:
            self.messages_sent += 1
            read_at = self._send_up(lambda message=message: self._read(message))
            name = msgspec.json.decode(message, type=dict[str, msgspec.Raw])["type"]
            self.written.append((self.world.now, msgspec.json.decode(name), read_at, message))
        return self.world.now

    def close(self, code=1000, timeout=5.0):
        self._say_goodbye(code)
        self.world.run(self.world.now + round(timeout * 1e9), lambda: self.closed is not None)
        if self.closed is None:
            self._end(Closed(code=1006, by_us=True, error="no close frame"))
        return self.closed

    def abort(self):
        if self.closed is None:
            self._open = False
            self._send_up(self._vanished)
            self._end(Closed(code=1006, by_us=True, error="aborted"))

    def _say_goodbye(self, code):
        if self._open:
            self._open = False
            self._send_up(lambda: self._read_goodbye(code))

    def _end(self, closed):
        if self.closed is None:
            self.closed, self._open = closed, False
            self._on_close(closed)

    def _send_up(self, act):
        at = max(self._latest_up, self.world.now + self.world.travel())
        if self._read_every is not None:
            every = round(self._read_every * 1e9)
            phase = (at - self.upgraded_at) % (every + READS_FOR)
            at += max(0, every - phase)
        self._latest_up = at
        self.world.at(at, act)
        return at

    # As the simulator's side of a connection.

    def _read(self, message):
        if self._session is not None:
            self._session.receive(message, self.world.now)
            self._flush()

    def _read_goodbye(self, code):
        self._end_session()
        if not self._said_goodbye:
            self._send_down(("close", code))

    def _vanished(self):
        self._end_session()

    def _end_session(self):
        if self._session is not None:
            self._session.end()
            self._session = None

    def _flush(self):
        session, now = self._session, self.world.now
        while session is not None and (out := session.take(now)) is not None:
            session.sent(out, now)
            self._send_down(("message", out))
        if session is None:
            return
        if session.closing is not None:
            code, _ = session.closing
            self._end_session()
            self._said_goodbye = True
            self._send_down(("close", code) if code != 1006 else ("lost", code))
        elif (due := session.due) is not None and (self._wakes_at is None or due < self._wakes_at):
            self._wakes_at = max(due, now)
            self.world.at(self._wakes_at, self._wake)

    def _wake(self):
        self._wakes_at = None
        self._flush()

    def _send_down(self, what):
        at = max(self._latest_down, self.world.now + self.world.travel())
        self._latest_down = at
        self._inbox.append((at, *what))
        self.world.in_hub(at, self._arrived)

    # In the caller's hub.

    def _arrived(self):
        """Read all that has come: messages share the stamp of the last."""
        came = [each for each in self._inbox if each[0] <= self.world.now]
        self._inbox = self._inbox[len(came) :]
        messages = [each for each in came if each[1] == "message"]
        self.messages_received += len(messages)
        for at, kind, what in came:
            if self.closed is not None:
                return
            if kind == "message":
                stamp = messages[-1][0]
                exact = what is messages[-1][2]
                self._hear(what, at, stamp, 0 if exact else stamp - self.world.polled_at)
            elif kind == "close":
                by_us = not self._open
                self._end(Closed(code=what, by_us=by_us, clean=True))
            else:
                self._end(Closed(code=1006, by_us=not self._open, error="connection lost"))

    def _hear(self, out, came_at, stamp, slack):
        slack = max(slack, 0)
        if out.framing is Framing.ENDLESS:
            self.lost = True
            self._send_up(self._vanished)
            self._end(Closed(code=1009, by_us=True, error="the peer violated the protocol"))
            return
        order = next(self.world.order)
        self.delivered.append(Delivered(order, came_at, stamp, slack, out.type, out.message))
        self._on_message(out.message, stamp, slack)


def duration_ns(delivered, format: AudioFormat):
    """Playing time of an audio delta as it was sent."""
    text = delivered.fields["delta"]
    size = len(text) * 3 // 4 - text.count("=", -2)
    return format.nanoseconds(size)
