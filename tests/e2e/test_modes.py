"""Callers of every kind at one endpoint at once: what they record is what the endpoint did."""

import json
import random

import gevent
import pytest
from caller import Caller
from endpoint import running_simulator
from judge import CLIENT, judged
from loop import join

from harness.records import Flag, Outcome, SessionOutcome
from harness.transport import Transport

pytestmark = pytest.mark.e2e

CALLERS = 20
TURNS = 4
WITHIN = 90.0  # seconds, on a busy machine
OWN = {Flag.SUSPECT, Flag.FILLER, Flag.INTERRUPTED, Flag.CENSORED}  # what good turns may be
MODES = {
    "turn_detection": ("none", "none", "server_vad", "semantic_vad"),
    "listen": ("done", "playback"),
    "audio_format": ("pcm16", "pcmu", "pcma"),
    "frame_ms": ("20", "40", "100"),
    "pause": ("0ms", "10ms", "300ms"),
    "jitter_buffer": ("0ms", "100ms"),
    "speaks_first": ("", "yes"),
    "transcription": ("", "whisper-1"),
    "barge_in_rate": ("0", "0.6"),
    "tool_rate": ("0", "0.5"),
    "tool_latency": ("0s", "100ms", "lognormal(200ms, 0.5)"),
    "dialect": ("openai", "beta"),
}


def converse(caller, rng):
    """Say things in every way."""
    with caller.call as call:
        for _ in range(TURNS):
            listen = rng.choice((None, None, rng.random()))
            if rng.random() < 0.25:
                call.send_text("Hello.", listen=listen)
            else:
                call.say("Yes, please.", listen=listen)


@pytest.fixture(
    scope="module",
    params=[("--speed", "0"), ("--speed", "1", "--jitter", "uniform(0ms, 60ms)")],
    ids=["at once", "at playing speed"],
)
def day(request):
    """The callers after their calls, the endpoint's responses by id, and all that was sent."""
    sent = []

    def write(transport, *messages):
        sent.extend(messages)
        return written(transport, *messages)

    written = Transport.write
    answers = ("--ttfa", "uniform(0ms, 200ms)", "--answer", "uniform(200ms, 1500ms)")
    tools = ("--tool-rate", "0.3", "--tool-calls", "3", "--filler-rate", "0.5")
    rng = random.Random(1)
    with (
        pytest.MonkeyPatch.context() as patch,
        running_simulator(*answers, *tools, *request.param) as simulator,
    ):
        patch.setattr(Transport, "write", write)
        callers = [
            Caller(simulator.url, seed=seed, **{key: rng.choice(of) for key, of in MODES.items()})
            for seed in range(CALLERS)
        ]
        calls = [gevent.spawn(converse, one, random.Random(n)) for n, one in enumerate(callers)]
        join(calls, WITHIN)
        simulator.stop()
        return callers, {line["response_id"]: line for line in simulator.truth()}, sent


def test_every_session_ends_well(day):
    callers, _, _ = day

    for caller in callers:
        assert caller.ended.outcome is SessionOutcome.ENDED
        assert caller.ended.deviations == {}
        # Who talks over an answer may find, a moment later, that it was over.
        assert caller.ended.errors.keys() <= {"response_cancel_not_active"}


def test_every_turn_is_answered_or_talked_over(day):
    callers, _, _ = day
    turns = [turn for caller in callers for turn in caller.turns]

    assert len(turns) >= CALLERS * TURNS
    assert {turn.outcome for turn in turns} == {Outcome.COMPLETED, Outcome.CANCELLED}
    assert set().union(*(turn.flags for turn in turns)) <= OWN


def test_both_sides_tell_of_the_same_responses_once(day):
    callers, truth, _ = day
    heard = [name for one in callers for turn in one.turns for name in turn.response_ids]

    assert len(heard) == len(set(heard))
    assert set(heard) == set(truth)


def test_what_was_heard_is_what_was_sent_and_never_before(day):
    callers, truth, _ = day
    completed = [turn for one in callers for turn in one.turns if turn.outcome is Outcome.COMPLETED]

    for turn in completed:
        lines = [truth[name] for name in turn.response_ids]
        sent = sum(line["audio_s"] for line in lines)
        assert turn.audio_received_s == pytest.approx(sent, abs=0.002)
        assert sum(line["tool_calls"] for line in lines) == len(turn.tools)
        first = min(line["first_out"] for line in lines if line["first_out"])
        assert turn.marks["first_audio"] >= first


def test_all_that_was_sent_is_what_the_types_of_the_api_say(day):
    _, _, sent = day
    events = [json.loads(message) for message in set(sent)]
    of_today = [event for event in events if "modalities" not in event.get("session", ())]

    names = {judged(event, CLIENT).type for event in of_today}
    assert names - {"response.cancel"} == {  # of answers that are whole at once, none is cancelled
        "session.update",
        "response.create",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "conversation.item.create",
        "conversation.item.truncate",
    }
