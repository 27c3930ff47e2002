"""Hostile servers, met by the whole way of a message: all is counted, nothing grows or hangs."""

import contextlib
import gc
import random
import sys
from itertools import islice

import ga
import pytest
from hostile import mutated, rename
from partner import Partner

from harness.adapter import NotConnected, RealtimeAdapter
from harness.audio import PCM16, AudioChunk
from harness.connection import Connection
from harness.limits import Limits
from harness.metrics import measure
from harness.realtime.deviations import DEVIATION_KINDS
from harness.realtime.endpoint import parse_endpoint
from harness.realtime.errors import LocalProtocolError, ServerError
from harness.realtime.events import ServerEvent
from harness.records import Identity, Kind, Outcome, Phase, encode
from harness.turn import TurnRecorder
from harness.workload import Workload

MESSAGES = 100_000
MS = 1_000_000


def answers():
    """Whole answers and function calls of a few responses, to be damaged and shuffled."""
    place = {"item_id": "item_c", "output_index": 0, "call_id": "c1"}
    for n in range(4):
        name = f"resp_{n}"
        call = {"type": "function_call", "call_id": f"c{n}", "name": "book"}
        yield from ga.answer(name, f"item_{n}")
        yield ga.item_added(name, "item_c", **call)
        kind = "response.function_call_arguments"
        yield ga.message(f"{kind}.delta", response_id=name, **place, delta='{"a":')
        yield ga.message(f"{kind}.done", response_id=name, **place, name="book", arguments="{}")
        yield ga.item_done(name, "item_c", **call, arguments="{}")
        yield ga.response_done(name, status="failed", status_details={"reason": "content_filter"})
        yield ga.error("rate_limit_exceeded")
        yield ga.message("response.text.delta", response_id=name, delta="hello")
    yield ga.message("input_audio_buffer.speech_stopped", item_id="u", audio_end_ms=5)
    yield ga.message("input_audio_buffer.timeout_triggered", item_id="u")
    yield ga.committed()


def blocks():
    """Blocks of memory that objects hold; counted by the allocator as it goes, at no cost."""
    gc.collect()
    return sys.getallocatedblocks()


class Victim:
    """A connection and its recorder, on a clock of their own, and a caller that never gives up."""

    def __init__(self, monkeypatch, seed, vad):
        self.partner = Partner(monkeypatch)
        self.rng = random.Random(seed)
        self.recorder = TurnRecorder(
            identity=Identity(), limits=Limits(), buffer=100 * MS, format=PCM16, vad=vad
        )
        self.received = self.events = 0
        self.connection = Connection(
            parse_endpoint("ws://127.0.0.1:9"), Workload(), listener=self.listen
        )
        self.connection.connect()
        self.now = 10_000 * MS
        self.turns = self.responses = 0
        self.outcomes = set()

    def listen(self, event, at, uncertainty):
        self.received += 1
        self.events += isinstance(event, ServerEvent)
        return self.recorder.receive(event, at, uncertainty)

    def hear(self, message):
        self.now += self.rng.randrange(40 * MS)
        self.connection._on_message(message, self.now, self.rng.choice((0, 0, 5 * MS)))

    def act(self):
        """What a caller does between messages."""
        recorder, now = self.recorder, self.now
        recorder.advance(now)
        for request in recorder.requests:
            recorder.tool_answered(request.turn, request.call_id, now, "ok", valid=True)
            recorder.requested(request.turn, now)
        recorder.requests.clear()
        if self.rng.random() < 0.3:
            recorder.talk_over(now)
        if len(recorder.open_turns) < 3:
            turn = recorder.begin(Kind.SPEECH, due=now, at=now)
            recorder.spoken(turn, now, 1.0)
            recorder.committed(turn, now, "commit")
            recorder.requested(turn, now, "ask")
        self.take()

    def take(self):
        for turn in self.recorder.finished:
            measure(turn)
            assert encode(turn).endswith(b"}\n")
            self.turns += 1
            self.responses += len(turn.response_ids)
            self.outcomes.add(turn.outcome)
        self.recorder.finished.clear()


@pytest.fixture(params=[False, True], ids=["push to talk", "open microphone"])
def victim(request, monkeypatch):
    return Victim(monkeypatch, 1, request.param)


def test_a_hundred_thousand_hostile_messages_are_all_counted_and_none_is_fatal(victim):
    messages = mutated(2, MESSAGES // 2, list(answers()))
    kept = []
    for _ in range(10):
        for n, message in enumerate(islice(messages, MESSAGES // 20)):
            victim.hear(message)
            if n % 20 == 0:
                victim.act()
        kept.append(blocks())
    session = victim.connection.session

    assert victim.received == MESSAGES // 2 + 2  # and those that configured the session
    odd = session.deviations["malformed"] + session.deviations["unknown_event"]
    assert victim.received - victim.events == odd > 0
    assert set(session.deviations) <= set(DEVIATION_KINDS)
    assert max(kept[4:]) - kept[4] < 2_000
    assert len(session.active) <= 64
    assert len(victim.connection.errors) <= 65

    victim.recorder.end(Outcome.CUT, None, victim.now)
    victim.take()
    assert victim.turns == victim.recorder.turns > 100
    assert victim.responses == victim.recorder.responses
    assert {Outcome.COMPLETED, Outcome.FAILED, Outcome.CANCELLED} <= victim.outcomes


def test_names_that_are_never_heard_again_are_not_kept(victim):
    messages, kept = list(answers()), []
    for n in range(8_000):
        victim.hear(rename(messages[n % len(messages)], f"new_{n}"))
        victim.hear(ga.error(f"code_{n}"))
        victim.hear(ga.message(f"event.of.the.future.{n}"))
        if n % 20 == 0:
            victim.act()
        if n % 800 == 0:
            victim.recorder.end(Outcome.CUT, None, victim.now)
            victim.take()
            kept.append(blocks())

    assert max(kept[5:]) < max(kept[1:5]) + 1_000
    assert victim.received == 3 * 8_000 + 2


def test_after_all_that_a_good_answer_is_one(victim):
    for message in mutated(3, 5_000, list(answers())):
        victim.hear(message)
    victim.recorder.end(Outcome.CUT, None, victim.now)
    victim.take()

    turn = victim.recorder.begin(Kind.TEXT, due=victim.now, at=victim.now)
    victim.recorder.requested(turn, victim.now, "ask")
    for message in ga.answer("resp_new", "item_new"):
        victim.hear(message)
    victim.recorder.advance(victim.now + 60_000 * MS)

    assert turn.outcome is Outcome.COMPLETED
    assert turn.audio_received_s == pytest.approx(3 * 480 / 24_000)


def test_a_server_that_answers_without_end_is_given_up(victim):
    turn = victim.recorder.begin(Kind.TEXT, due=victim.now, at=victim.now)
    victim.recorder.requested(turn, victim.now, "ask")
    for n in range(20_000):
        for message in (
            ga.response_created(f"r{n}"),
            ga.audio_delta(response=f"r{n}"),
            ga.response_done(f"r{n - 1}"),
        ):
            victim.hear(message)
        victim.recorder.advance(victim.now)
        if turn.outcome is not None:
            break

    assert (turn.outcome, turn.phase) == (Outcome.TIMEOUT, Phase.RESPONSE)
    lasted = (turn.marks["last_delta"] - turn.marks["created"]) / 1e9
    assert lasted == pytest.approx(120, abs=1)


def test_the_verbs_raise_nothing_but_what_they_document(monkeypatch):
    partner = Partner(monkeypatch)
    rng = random.Random(5)
    adapter = RealtimeAdapter("ws://127.0.0.1:9")
    adapter.connect()
    verbs = [
        lambda: adapter.send_audio(AudioChunk.silent(0.2)),
        lambda: adapter.send_text("Hello"),
        lambda: adapter.recv_audio(0),
        lambda: adapter.recv_audio(0),
        adapter.interrupt,
        adapter.notify_agent_turn,
        lambda: adapter.send_tool_output("c1", "{}"),
    ]
    documented = (TimeoutError, ServerError, NotConnected, LocalProtocolError)
    for n, message in enumerate(mutated(4, 30_000, list(answers()))):
        partner.say(message)
        if n % 3 == 0:
            with contextlib.suppress(*documented):
                rng.choice(verbs)()
            assert len(adapter.tool_calls) <= 128
        partner.sent.clear()

    adapter.interrupt()
    adapter.disconnect()
    adapter.connect()
    adapter.send_text("Hello")
    partner.say(*ga.answer("resp_new"))
    assert adapter.recv_answer(5).duration_seconds == pytest.approx(0.06)
