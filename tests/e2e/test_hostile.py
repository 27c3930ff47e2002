"""Calls to hostile servers over real sockets: each session ends, is recorded and counted."""

import random
import re
import time

import ga
import gevent
import pytest
from caller import Caller
from hostile import mutated
from loop import join
from peers import goodbye, listening
from websockets.frames import BINARY, CONT, PING, TEXT, Frame

from harness.call import CallEnded
from harness.hub import hub_watch
from harness.records import Outcome, SessionOutcome

pytestmark = pytest.mark.e2e

SESSIONS = 40
MESSAGES = 400  # of one session, after it was configured
# Of an answer a caller soon despairs; the messages themselves are read to their end.
PATIENT = {
    f"timeout_{name}": "1s" for name in ("detection", "first_audio", "stall", "response")
} | {f"timeout_{name}": "40s" for name in ("connect", "session", "close")}


def as_frames(rng, message):
    """One message as servers may send it: whole, in fragments with a ping between, or binary."""
    match rng.randrange(8):
        case 0:
            at = rng.randrange(len(message) + 1)
            first = Frame(TEXT, message[:at], False).serialize(mask=False)
            last = Frame(CONT, message[at:], True).serialize(mask=False)
            return first + Frame(PING, b"still there?").serialize(mask=False) + last
        case 1:
            return Frame(BINARY, message).serialize(mask=False)
    return Frame(TEXT, message).serialize(mask=False)


def is_utf8(message):
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True


def say_goodbye(peer, code):
    """Close as one should: what is not read out, TCP would answer with a reset."""
    peer.send(goodbye(code, "enough"))
    peer.close_code()


ENDS = {
    "goodbye": lambda peer: say_goodbye(peer, 1000),
    "overloaded": lambda peer: say_goodbye(peer, 1013),
    "no goodbye": lambda peer: None,
    "reset": lambda peer: peer.reset(),
    "half a frame": lambda peer: peer.send(b"\x81\x7e\xff"),
    "no frame": lambda peer: peer.send(b"GET / HTTP/1.1\r\n\r\n"),
    "a mask": lambda peer: peer.send(Frame(TEXT, b"{}").serialize(mask=True)),
    "too much": lambda peer: peer.send(b"\x81\x7f" + b"\x00\x00\x00\x7f" * 2),
    "a bad code": lambda peer: peer.send(b"\x88\x02\x03\xed"),  # 1005 may not be sent
}


class Hostile:
    """Configures a session, floods it with damaged messages, and ends it in one way of many."""

    def __init__(self):
        self.sent, self.ends = {}, {}  # messages, and how it ended, by model

    def __call__(self, peer):
        sent = 2
        peer.upgrade()
        name = re.search(rb"model=(\w+)", peer.request)[1].decode()
        rng = random.Random(name)
        self.ends[name] = rng.choice(list(ENDS))
        peer.text(ga.created())
        peer.frame()
        peer.text(ga.updated())
        for message in mutated(name, MESSAGES):
            # Text that is none is the end of a session: once at most, and last.
            if is_utf8(message):
                peer.send(as_frames(rng, message))
                sent += 1
        self.sent[name] = sent
        time.sleep(0.02)
        ENDS[self.ends[name]](peer)


def converse(caller):
    try:
        with caller.call as call:
            for _ in range(5):
                call.send_text("Hello")
    except CallEnded:
        pass


def test_every_session_with_a_hostile_server_ends_and_is_counted():
    faults = hub_watch().internal_errors
    hostile = Hostile()
    callers = []
    with listening(hostile) as address:
        for first in range(0, SESSIONS, 8):
            names = [f"m{n}" for n in range(first, first + 8)]
            batch = [Caller(f"ws://{address}", model=name, **PATIENT) for name in names]
            callers += batch
            join([gevent.spawn(converse, one) for one in batch], 60)
    ended = [session for caller in callers for session in caller.sessions if session.event == "end"]

    assert len(ended) == SESSIONS == len(hostile.ends)
    assert hub_watch().internal_errors == faults
    assert SessionOutcome.INTERNAL not in {session.outcome for session in ended}
    assert all(turn.outcome is not None for caller in callers for turn in caller.turns)
    assert Outcome.INTERNAL not in {turn.outcome for caller in callers for turn in caller.turns}
    for session in ended:
        received, sent = session.messages_received, hostile.sent[session.model]
        if hostile.ends[session.model] in ("goodbye", "overloaded"):
            assert received == sent > MESSAGES // 2
    assert sum(sum(session.deviations.values()) for session in ended) > SESSIONS * 10
