"""How far a session has come, and what is legal then: three tables."""

from enum import Enum

from harness.realtime import client_events as client
from harness.realtime import events as ev
from harness.realtime.decode import PASSED

__all__ = ["CLOSED", "CLOSING", "EXPECTED", "NEXT", "OPENED", "SENDABLE", "State"]


class State(Enum):
    """How far a session has come."""

    CONNECTING = "connecting"  # dialling, upgrade under way
    OPENED = "opened"  # upgraded: the endpoint may still refuse
    CREATED = "created"  # session.created received
    READY = "ready"  # session.updated received
    CLOSING = "closing"  # close sent: the endpoint may still talk
    CLOSED = "closed"

    __hash__ = object.__hash__  # a state is looked up for each event, and Enum's own is in Python


OPENED, CLOSING, CLOSED = "opened", "closing", "closed"
"""What a transport states."""

NEXT: dict[State, dict[str | type[ev.ServerEvent], State]] = {
    State.CONNECTING: {
        OPENED: State.OPENED,
        CLOSING: State.CLOSING,
        CLOSED: State.CLOSED,
    },
    State.OPENED: {
        ev.SessionCreated: State.CREATED,
        ev.SessionUpdated: State.READY,  # of a server without session.created
        CLOSING: State.CLOSING,
        CLOSED: State.CLOSED,
    },
    State.CREATED: {
        ev.SessionUpdated: State.READY,
        CLOSING: State.CLOSING,
        CLOSED: State.CLOSED,
    },
    State.READY: {CLOSING: State.CLOSING, CLOSED: State.CLOSED},
    State.CLOSING: {CLOSING: State.CLOSING, CLOSED: State.CLOSED},
    State.CLOSED: {CLOSING: State.CLOSED, CLOSED: State.CLOSED},
}
"""Which state follows, by event received or fact of the transport; any other event changes none."""

_ALL_SENT = frozenset(client.ClientEvent.__subclasses__())
_ALL_RECEIVED = frozenset(ev.ACTED_ON.values()) | frozenset(PASSED.values())

SENDABLE: dict[State, frozenset[type[client.ClientEvent]]] = {
    State.CONNECTING: frozenset(),
    State.OPENED: frozenset({client.UpdateSession}),  # some servers create a session only then
    State.CREATED: _ALL_SENT,
    State.READY: _ALL_SENT,
    State.CLOSING: frozenset(),
    State.CLOSED: frozenset(),
}
"""What may be sent in a state; anything else raises ``LocalProtocolError``."""

EXPECTED: dict[State, frozenset[type[ev.ServerEvent]]] = {
    State.CONNECTING: frozenset(),
    State.OPENED: frozenset({ev.SessionCreated, ev.Error}),
    State.CREATED: _ALL_RECEIVED - {ev.SessionCreated},
    State.READY: _ALL_RECEIVED - {ev.SessionCreated},
    State.CLOSING: _ALL_RECEIVED,
    State.CLOSED: frozenset(),
}
"""What a server may send in a state; anything else counts as ``unexpected``."""
