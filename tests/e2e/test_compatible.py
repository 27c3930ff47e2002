"""Calls to servers with the quirks of real ones, over real sockets: what becomes of a turn."""

import ga
import pytest
from caller import Caller
from compatible import ANSWER_S, Compatible, silent
from peers import listening

from harness.records import Flag, Outcome, SessionOutcome

pytestmark = pytest.mark.e2e

RENAMED = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "conversation.item.added": "conversation.item.created",
}


class OnlyCreatedItems(Compatible):
    """Hugging Face speech-to-speech: the beta's name for an item, and no more of it."""

    def changed(self, event):
        if event["type"] == "conversation.item.done":
            return None
        return (
            event | {"type": RENAMED.get(event["type"], event["type"])}
            if (event["type"] == "conversation.item.added")
            else event
        )


class BetaNames(Compatible):
    def changed(self, event):
        return event | {"type": RENAMED.get(event["type"], event["type"])}


class CodeInType(Compatible):
    """An error that one can live with, its code where the type belongs."""

    def response_create(self, event):
        error = {"type": "input_audio_buffer_commit_empty", "code": None, "message": None}
        self.say(ga.message("error", error=error))
        self.answer()


class Nulls(Compatible):
    """Whatever is not needed is null."""

    def changed(self, event):
        kept = ("type", "response_id", "delta", "session", "response")
        event = {name: value if name in kept else None for name, value in event.items()}
        if event["type"] == "response.done":
            event["response"] = dict.fromkeys(event["response"]) | {
                "id": event["response"]["id"],
                "status": "completed",
            }
        return event


class NoIdentifiers(Compatible):
    """Neither events nor responses have ids."""

    def changed(self, event):
        for name in ("event_id", "response_id", "item_id"):
            event.pop(name, None)
        if "response" in event:
            event["response"].pop("id", None)
        return event


class NoRateLimits(Compatible):
    """Nor pieces of arguments."""

    tool = True

    def changed(self, event):
        passed = ("rate_limits.updated", "response.function_call_arguments.delta")
        return None if event["type"] in passed else event


class OnlyItemsOfCalls(Compatible):
    """A call is told of by its item alone."""

    tool = True

    def changed(self, event):
        return None if "function_call_arguments" in event["type"] else event


class TextOnly(Compatible):
    def speak(self, name):
        place = {"response_id": name, "item_id": "i", "output_index": 0, "content_index": 0}
        self.say(ga.item_added(name, "i"))
        self.say(ga.message("response.output_text.delta", **place, delta="At nine."))
        self.say(ga.message("response.output_text.done", **place, text="At nine."))


class Gateway(Compatible):
    """LiteLLM: it asks for an answer itself, once the caller's words are known."""

    def input_audio_buffer_commit(self, event):
        super().input_audio_buffer_commit(event)
        name = "conversation.item.input_audio_transcription.completed"
        self.say(ga.message(name, item_id="item_0", content_index=0, transcript="Yes.", usage={}))
        self.answer()

    def response_create(self, event):
        self.say(ga.error("conversation_already_has_active_response", event_id=None))


class GatewayTwice(Compatible):
    """It asks again, though it was asked: there are two answers, made at the same time."""

    def response_create(self, event):
        names = "resp_1", "resp_2"
        for name in names:
            self.say(ga.response_created(name))
        for self.responses, name in enumerate(names, 1):
            self.speak(name)
            self.say(ga.response_done(name))


class AlwaysDetects(Compatible):
    """Turn detection that can't be switched off: it hears, and answers, by itself."""

    session = ga.SESSION | {
        "audio": {
            "input": {"turn_detection": {"type": "server_vad"}},
            "output": ga.SESSION["audio"]["output"],
        }
    }

    def __init__(self):
        super().__init__()
        self.spoken = self.quiet = 0

    def input_audio_buffer_append(self, event):
        if silent(event):
            self.quiet += 1
        else:
            self.spoken, self.quiet = self.spoken + 1, 0
        if self.spoken and self.quiet == 10:
            self.spoken = 0
            self.say(ga.message("input_audio_buffer.speech_stopped", item_id="u", audio_end_ms=5))
            self.say(ga.committed())
            self.answer()


class SixteenKilohertz(Compatible):
    rate = 16_000
    session = ga.SESSION | {
        "audio": {
            **ga.SESSION["audio"],
            "output": {"format": {"type": "audio/pcm", "rate": 16_000}},
        }
    }


class Taciturn(Compatible):
    """It says nothing of the session, nor of items."""

    def changed(self, event):
        if event["type"].startswith("conversation."):
            return None
        return event | {"session": {}} if "session" in event else event


class OneDelta(Compatible):
    """A whole utterance at once, in a message of megabytes."""

    def speak(self, name):
        pcm = b"\x10\x27" * round(self.rate * ANSWER_S)
        self.say(
            ga.item_added(name, "i"),
            ga.transcript_delta("At nine.", name, "i"),
            ga.audio_delta(pcm, name, "i", padding="x" * 3_000_000),
        )


class Unknown(Compatible):
    """Events of a time to come, and things that are no events."""

    def speak(self, name):
        for garbage in (b"", b"[]", b"null", b'{"type": "response.of_the_future"}', b"\xff"):
            self.peer.text(garbage)
        super().speak(name)


def said_to(server, **options):
    with listening(server) as address:
        caller = Caller(f"ws://{address}", tool_latency="0s", **options)
        with caller.call as call:
            call.say("Yes, please.")
    assert caller.ended.outcome is SessionOutcome.ENDED
    (turn,) = caller.turns
    return turn, caller.ended


@pytest.mark.parametrize(
    ("quirk", "deviations"),
    [
        (Compatible, set()),
        (OnlyCreatedItems, {"beta_name"}),
        (BetaNames, {"beta_name"}),
        (CodeInType, set()),
        (Nulls, {"missing_field"}),
        (NoIdentifiers, {"missing_field"}),
        (NoRateLimits, set()),
        (OnlyItemsOfCalls, set()),
        (Gateway, set()),
        (GatewayTwice, {"second_answer"}),
        (AlwaysDetects, {"config_ignored"}),
        (SixteenKilohertz, {"config_ignored"}),
        (Taciturn, set()),
        (OneDelta, set()),
        (Unknown, {"malformed", "unknown_event"}),
    ],
)
def test_a_call_is_answered_and_measured_whatever_the_server_is_like(quirk, deviations):
    server = quirk()
    turn, session = said_to(server, tool_choice="auto" if server.tool else None)

    assert turn.outcome is Outcome.COMPLETED
    answers = 2 if quirk is GatewayTwice else 1
    assert turn.audio_received_s == pytest.approx(answers * ANSWER_S, abs=0.001)
    assert turn.ttfa > 0
    assert set(session.deviations) == deviations
    assert (Flag.SECOND_ANSWER in turn.flags) is (quirk is GatewayTwice)
    assert len(turn.tools) == int(quirk in (NoRateLimits, OnlyItemsOfCalls))
    if turn.tools:
        assert (turn.tools[0].name, turn.tools[0].outcome) == ("look_up", "ok")
    if quirk is not Nulls:
        assert turn.transcript == " ".join(["At nine."] * answers)


def test_an_answer_in_text_has_a_time_to_first_text_and_no_time_to_first_audio():
    turn, session = said_to(TextOnly())

    assert turn.outcome is Outcome.COMPLETED
    assert Flag.TEXT_ONLY in turn.flags
    assert turn.ttfa is None
    assert turn.unanswered
    assert turn.metrics["ttft"] > 0
    assert turn.transcript == "At nine."
    assert session.errors == {}


@pytest.mark.parametrize(
    ("quirk", "errors"),
    [
        (CodeInType, {"input_audio_buffer_commit_empty": 1}),
        (Gateway, {"conversation_already_has_active_response": 1}),
    ],
)
def test_errors_on_good_turns_are_counted_by_code(quirk, errors):
    turn, session = said_to(quirk())

    assert turn.code is None
    assert session.errors == errors


def test_whoever_always_detects_turns_is_kept_hearing_and_never_asked():
    server = AlwaysDetects()
    turn, _ = said_to(server)

    assert "response.create" not in server.seen
    assert turn.metrics["ttfa_commit"] is None
    assert turn.metrics["ttfa_detected"] is not None
