"""
The verbs of an adapter, each behaviour by itself.

``holds`` names the rows of ``behaviours`` that a test holds.
"""

import base64
import json
import logging
import tracemalloc

import ga
import gevent
import numpy as np
import pytest
from behaviours import OWED
from partner import Partner

from harness.adapter import NotConnected, RealtimeAdapter, Role, SessionFailed
from harness.audio import PCMU, AudioChunk
from harness.realtime.endpoint import parse_endpoint
from harness.realtime.errors import LocalProtocolError, ServerError
from harness.realtime.session import MAX_APPEND_BYTES
from harness.records import Phase, SessionOutcome
from harness.samples import encode_audio
from harness.workload import Timeouts, Workload

HELD: dict[str, list[str]] = {}
HOST = "ws://127.0.0.1:9"
SECOND = AudioChunk(b"\1\2" * 24_000)


def holds(*rows):
    def note(test):
        for row in rows:
            HELD.setdefault(str(row), []).append(test.__name__)
        return test

    return note


@pytest.fixture
def partner(monkeypatch):
    for name in ("OPENAI_REALTIME_API_KEY", "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return Partner(monkeypatch)


@pytest.fixture
def adapter(partner):
    with RealtimeAdapter(HOST) as made:
        yield made


def hear(adapter, timeout=5.0):
    """The pieces of the answer."""
    return list(iter(lambda: adapter.recv_audio(timeout).data, b""))


def call_done(call_id="c1", name="book", arguments="{}", **fields):
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0}
    body = {"call_id": call_id, "name": name, "arguments": arguments} | fields
    return ga.message("response.function_call_arguments.done", **place, **body)


def call_delta(delta, call_id="c1"):
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0}
    return ga.message(
        "response.function_call_arguments.delta", **place, call_id=call_id, delta=delta
    )


def call_item(name, call_id="c1", added=True, **fields):
    make = ga.item_added if added else ga.item_done
    return make(type="function_call", call_id=call_id, name=name, **fields)


# How it is made.


@holds(1, 5, "D12")
def test_what_it_is_made_with_is_what_it_sends_and_shows(partner, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    tool = {"type": "function", "name": "book", "parameters": {"type": "object"}}
    adapter = RealtimeAdapter(
        HOST,
        model="m",
        voice="marin",
        instructions="Be brief.",
        tools=[tool],
        api_key="sk-explicit",
        role="user",
        speaks_first=True,
    )
    with adapter:
        pass

    session = partner.sent[0]["session"]
    assert session["instructions"] == "Be brief."
    assert session["tools"] == [tool]
    assert session["audio"]["output"]["voice"] == "marin"
    assert adapter.role is Role.USER
    assert adapter.workload.speaks_first
    assert partner.dials[0]["headers"] == (("Authorization", "Bearer sk-explicit"),)
    shown = repr(adapter)
    assert all(part in shown for part in ("'m'", "'marin'", "'user'", "'***'"))
    assert "sk-" not in shown


@holds(2)
@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({"OPENAI_API_KEY": "sk-b"}, (("Authorization", "Bearer sk-b"),)),
        (
            {"OPENAI_API_KEY": "sk-b", "OPENAI_REALTIME_API_KEY": "sk-a"},
            (("Authorization", "Bearer sk-a"),),
        ),
        ({}, ()),
    ],
)
def test_the_key_comes_from_the_environment_if_none_is_given(
    partner, monkeypatch, environment, sent
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with RealtimeAdapter(HOST):
        pass

    assert partner.dials[0]["headers"] == sent


def test_a_vendor_is_not_dialled_without_a_key(partner):
    with pytest.raises(ValueError, match="takes no one without a key"):
        RealtimeAdapter("wss://api.openai.com")


def test_a_key_that_may_not_be_sent_is_told_of(partner, caplog):
    with caplog.at_level(logging.WARNING, logger="harness.adapter"):
        RealtimeAdapter("ws://10.0.0.1", api_key="sk-secret")

    assert "only over TLS" in caplog.text
    assert "sk-secret" not in caplog.text


@holds("D13")
@pytest.mark.parametrize(
    ("host", "model", "url"),
    [
        ("ws://127.0.0.1:9", "a/b c", "ws://127.0.0.1:9/v1/realtime?model=a%2Fb%20c"),
        ("127.0.0.1:9/base", "m", "ws://127.0.0.1:9/base/realtime?model=m"),
    ],
)
def test_any_host_can_be_dialled_and_the_model_is_quoted(partner, host, model, url):
    with RealtimeAdapter(host, model=model):
        pass

    assert partner.dials[0]["url"] == url


def test_it_takes_an_endpoint_and_a_workload_as_a_call_does(partner):
    endpoint = parse_endpoint(HOST, model="m", api_key="sk-endpoint")
    with RealtimeAdapter(endpoint, Workload(voice="ash", turn_detection="server_vad")):
        pass

    audio = partner.sent[0]["session"]["audio"]
    assert audio["input"]["turn_detection"] == {"type": "server_vad"}
    assert audio["output"]["voice"] == "ash"
    assert partner.dials[0]["headers"] == (("Authorization", "Bearer sk-endpoint"),)


@holds(6)
def test_its_capabilities_are_those_of_the_class_and_fixed():
    capabilities = RealtimeAdapter.capabilities

    assert capabilities.streaming_transcripts
    assert capabilities.native_vad
    assert capabilities.interruption
    assert not capabilities.dtmf
    assert capabilities.input_formats == capabilities.output_formats == ("pcm16/24000",)
    with pytest.raises(AttributeError):
        capabilities.dtmf = True


@holds(10)
def test_the_session_is_configured_whole_and_no_more(partner):
    with RealtimeAdapter(HOST):
        pass

    pcm = {"type": "audio/pcm", "rate": 24000}
    assert partner.sent[0]["session"] == {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": pcm,
                "turn_detection": None,
                "transcription": {"model": "gpt-4o-transcribe"},
            },
            "output": {"format": pcm, "voice": "alloy"},
        },
    }


# Its life.


@holds(12, 13, 14, 15)
@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("send_audio", [SECOND]),
        ("send_text", ["Hello"]),
        ("send_tool_output", ["c1", "{}"]),
        ("interrupt", []),
        ("recv_audio", []),
    ],
)
def test_verbs_need_a_session(partner, verb, arguments):
    adapter = RealtimeAdapter(HOST)
    with pytest.raises(RuntimeError, match=f"{verb}: not connected"):
        getattr(adapter, verb)(*arguments)

    with adapter:
        assert adapter.connected
    adapter.disconnect()
    assert not adapter.connected
    assert not adapter.agent_hung_up
    with pytest.raises(NotConnected):
        getattr(adapter, verb)(*arguments)


def test_a_refusal_after_the_upgrade_is_told_with_its_code(partner):
    partner.greeting = [ga.error("invalid_api_key", message="Wrong key sk-secret\nTry again.")]
    with pytest.raises(SessionFailed) as refusal:
        RealtimeAdapter(HOST, api_key="sk-secret").connect()

    assert refusal.value.outcome is SessionOutcome.REFUSED
    assert refusal.value.code == "invalid_api_key"
    assert str(refusal.value) == "invalid_api_key: Wrong key *** Try again."


def test_a_close_before_the_session_is_told_with_its_code(partner):
    partner.greeting = []
    adapter = RealtimeAdapter(HOST)
    gevent.spawn_later(0.01, lambda: partner.hang_up(1008, "too many sessions"))
    with pytest.raises(SessionFailed, match=r"1008 before session\.created: too many") as refusal:
        adapter.connect()

    assert refusal.value.code == "close_1008"


@pytest.mark.parametrize(
    ("greeting", "answers", "awaited"),
    [([], {}, "session.created"), ([ga.created()], {}, "session.updated")],
)
def test_a_session_that_does_not_come_is_a_timeout(partner, greeting, answers, awaited):
    partner.greeting, partner.answers = greeting, answers
    with pytest.raises(SessionFailed, match=f"no {awaited} within") as failure:
        RealtimeAdapter(HOST, Workload(timeouts=Timeouts(session=0.05))).connect()

    assert (failure.value.outcome, failure.value.phase) == (SessionOutcome.TIMEOUT, Phase.SESSION)
    assert failure.value.code == awaited
    assert partner.closed is not None


def test_a_server_may_create_the_session_when_it_is_configured(partner):
    partner.greeting = []
    partner.answers["session.update"] = lambda _: [ga.created(), ga.updated()]
    with RealtimeAdapter(HOST, Workload(timeouts=Timeouts(session=5))) as adapter:
        assert adapter.connected

    assert set(adapter.steps) >= {"updated"}


@holds(11, 48, "D4")
def test_nothing_of_a_session_is_left_in_the_next(partner, adapter):
    adapter.send_text("Hello")
    partner.say(ga.response_created(), ga.transcript_delta("Hi"), call_done(), ga.error())
    adapter.send_audio(SECOND)
    adapter.notify_agent_turn()
    adapter.disconnect()

    adapter.connect()

    assert adapter.tool_calls == []
    assert adapter.streaming_transcript == ""
    assert adapter.errors == {}
    assert not adapter.session.active
    with pytest.raises(TimeoutError):
        adapter.recv_audio(0.01)
    assert partner.names[-1] != "input_audio_buffer.commit"
    assert partner.names.count("response.create") == 1


# Saying.


@holds(16, 17)
def test_audio_is_appended_whole_and_committed_once_when_it_is_time_to_listen(partner, adapter):
    for _ in range(3):
        adapter.send_audio(SECOND)
    assert partner.names == ["input_audio_buffer.append"] * 3
    assert base64.b64decode(partner.sent[-1]["audio"]) == SECOND.data

    partner.answers["response.create"] = lambda _: ga.answer()
    assert len(hear(adapter)) == 3
    assert adapter.recv_audio().data == b""
    assert partner.names[3:] == ["input_audio_buffer.commit", "response.create"]


@holds("D16")
def test_audio_too_long_for_one_append_is_split(partner, adapter):
    adapter.send_audio(AudioChunk(b"\1\2" * (MAX_APPEND_BYTES // 2 + 5)))

    sizes = [len(base64.b64decode(event["audio"])) for event in partner.sent[1:]]
    assert sizes == [MAX_APPEND_BYTES, 10]


@holds("D16")
def test_audio_too_short_to_be_committed_is_refused_before_it_is_sent(partner, adapter):
    adapter.send_audio(AudioChunk.silent(0.05))
    with pytest.raises(LocalProtocolError, match="50 ms of audio, at least 100 ms"):
        adapter.recv_audio()

    assert "input_audio_buffer.commit" not in partner.names


@holds(18)
def test_a_chunk_is_pcm16_at_24_khz():
    assert AudioChunk.silent(0.5).data == bytes(24_000)
    assert AudioChunk(bytes(24_000)).duration_seconds == pytest.approx(0.5)
    with pytest.raises(ValueError, match="two bytes a sample"):
        AudioChunk(b"\0")


@holds(19)
def test_a_text_is_an_item_and_a_question_and_is_not_logged(partner, adapter, caplog):
    with caplog.at_level(logging.DEBUG):
        adapter.send_text("My number is 4711")

    assert partner.names == ["conversation.item.create", "response.create"]
    assert partner.sent[1]["item"] == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "My number is 4711"}],
    }
    assert "4711" not in caplog.text
    assert "17 characters" in caplog.text


@holds(19, 25)
def test_a_question_waits_for_the_response_that_is_active_and_only_one_does(partner, adapter):
    partner.say(ga.response_created("resp_0"))
    adapter.send_text("One")
    adapter.send_text("Two")
    assert partner.names == ["conversation.item.create"] * 2

    partner.say(ga.response_done("resp_0"))
    assert partner.names[2:] == ["response.create"]


@holds(25, "D7")
def test_after_an_interrupt_audio_is_committed_at_once_and_asked_about_when_the_rest_is_done(
    partner, adapter
):
    adapter.send_text("Hello")
    partner.say(ga.response_created(), ga.audio_delta(b"\1\1"))
    adapter.interrupt()
    adapter.send_audio(SECOND)
    listener = gevent.spawn(hear, adapter)
    gevent.idle()
    assert partner.names[2:] == [
        "response.cancel",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
    ]

    partner.say(ga.audio_delta(b"\2\2"), ga.response_done(status="cancelled"))
    assert partner.names[-1] == "response.create"
    partner.say(*ga.answer("resp_2", deltas=1))
    assert listener.get(timeout=5) == [b"\1\2" * 480]


@holds(20, 23)
def test_who_plays_the_user_takes_no_agent_turns(partner):
    with RealtimeAdapter(HOST, role=Role.USER) as adapter:
        adapter.notify_agent_turn()
        with pytest.raises(TimeoutError):
            adapter.recv_audio(0.01)
        assert partner.names == []
        adapter.send_text("I'd like a table.")
        assert partner.names == ["conversation.item.create", "response.create"]


def test_an_interrupt_is_a_cancel_and_nothing_else(partner, adapter):
    adapter.send_text("Hello")
    partner.say(ga.response_created())
    adapter.interrupt()

    assert partner.names[2:] == ["response.cancel"]


def test_an_answer_interrupted_before_it_was_created_is_never_heard(partner, adapter):
    adapter.send_text("Hello")
    adapter.interrupt()
    assert partner.names[2:] == ["response.cancel"]
    adapter.send_text("Again")
    partner.say(*ga.answer("resp_1", deltas=2), *ga.answer("resp_2", deltas=1))

    assert len(hear(adapter)) == 1


def test_an_interrupted_question_that_was_refused_takes_no_later_answer_with_it(partner, adapter):
    adapter.send_text("Hello")
    asked = partner.last("response.create")["event_id"]
    adapter.interrupt()
    partner.say(ga.error("server_error", event_id=asked))
    adapter.send_text("Again")
    partner.say(*ga.answer("resp_2", deltas=1))

    assert len(hear(adapter)) == 1


# Who speaks.


@holds(22)
def test_the_agent_speaks_first_by_a_bare_question_asked_once(partner):
    partner.answers["response.create"] = lambda _: ga.answer()
    with RealtimeAdapter(HOST, speaks_first=True) as adapter:
        assert len(hear(adapter)) == 3
        assert adapter.recv_audio().data == b""

    assert partner.names == ["response.create"]
    assert set(partner.sent[-1]) == {"type", "event_id"}


@holds(23)
def test_the_agent_takes_a_turn_when_told_to_once(partner, adapter):
    partner.answers["response.create"] = lambda _: ga.answer()
    adapter.notify_agent_turn()
    assert len(hear(adapter)) == 3
    adapter.recv_audio()

    assert partner.names == ["response.create"]


@holds(24)
def test_audio_of_the_caller_takes_the_agents_turn_with_it(partner):
    partner.answers["response.create"] = lambda _: ga.answer()
    with RealtimeAdapter(HOST, speaks_first=True) as adapter:
        adapter.send_audio(SECOND)
        hear(adapter)
        adapter.recv_audio()

    assert partner.names.count("response.create") == 1


@holds(26)
def test_listening_again_with_nothing_said_is_silence_at_once_but_not_before_a_first_answer(
    partner, adapter
):
    with pytest.raises(TimeoutError):
        adapter.recv_audio(0.01)
    partner.say(*ga.answer(deltas=1))

    assert len(hear(adapter)) == 1
    assert adapter.recv_audio(0).data == b""


# Hearing.


@holds(27, "D17")
def test_audio_is_handed_on_as_it_comes_and_odd_bytes_wait_for_their_other_half(partner, adapter):
    adapter.send_text("Hello")
    partner.say(ga.response_created(), ga.item_added())
    partner.say(ga.audio_delta(b"\1\2\3"))
    assert adapter.recv_audio().data == b"\1\2"
    partner.say(ga.audio_delta(b"\4"), ga.audio_delta(b"\5"))
    assert adapter.recv_audio().data == b"\3\4"
    partner.say(ga.audio_delta(b"\6"), ga.response_done())
    assert adapter.recv_audio().data == b"\5\6"
    assert adapter.recv_audio().data == b""


@holds(28)
def test_beta_names_are_understood_with_one_warning_each(partner, adapter, caplog):
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    adapter.send_text("Hello")
    partner.say(ga.response_created(), ga.item_added())
    with caplog.at_level(logging.WARNING, logger="harness.realtime"):
        for _ in range(2):
            partner.say(
                ga.message("response.audio.delta", **place, delta="AQI="),
                ga.message("response.audio_transcript.delta", **place, delta="Hi"),
                ga.message("response.audio_transcript.done", **place, transcript="Hi!"),
            )
        partner.say(ga.message("response.cancelled"))

    assert hear(adapter) == [b"\1\2"] * 2
    assert adapter.last_agent_transcript == "Hi! Hi!"
    assert len(caplog.records) == 4
    assert len({record.args for record in caplog.records}) == 4


@holds(7, 29, 48, "D11")
def test_the_answers_words_are_known_as_they_come_and_whole_at_its_end(partner, adapter):
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    adapter.send_text("Hello")
    partner.say(ga.response_created(), ga.item_added(), ga.transcript_delta("At ni"))
    assert adapter.streaming_transcript == "At ni"
    assert adapter.last_agent_transcript is None
    partner.say(ga.message("response.output_audio_transcript.done", **place, transcript="At nine."))
    assert adapter.last_agent_transcript == adapter.streaming_transcript == "At nine."
    partner.say(ga.audio_delta(b"\1\2"), ga.transcript_delta("Bye."), ga.response_done())

    heard = adapter.recv_answer()
    assert (heard.data, heard.transcript) == (b"\1\2", "At nine. Bye.")
    adapter.send_text("Again")
    assert adapter.last_agent_transcript is None


@holds(7, 30)
def test_what_the_endpoint_understood_last_is_kept(partner, adapter):
    name = "conversation.item.input_audio_transcription.completed"
    partner.say(ga.message(name, item_id="i", transcript="A table.", usage={}))
    adapter.send_text("Hello")
    partner.say(ga.message(name.replace("completed", "failed"), item_id="i", error={}))

    assert adapter.last_user_transcript == "A table."


@holds(31, "D1")
def test_an_answer_ends_with_its_response_done_at_once(partner, adapter):
    partner.answers["response.create"] = lambda _: ga.answer()
    adapter.send_text("Hello")
    assert adapter.last_response is None
    with gevent.Timeout(20):  # a turn that ended by silence would need longer
        assert len(hear(adapter, timeout=60)) == 3

    assert adapter.last_response.status == "completed"
    assert not adapter.session.active


@holds("D2")
def test_a_pause_in_the_delivery_ends_nothing_and_moves_nothing_to_the_next_turn(partner, adapter):
    adapter.send_text("Hello")
    partner.say(ga.response_created(), ga.audio_delta(b"\1\1"))
    assert adapter.recv_audio().data == b"\1\1"
    with pytest.raises(TimeoutError):
        adapter.recv_audio(0.05)
    partner.say(ga.audio_delta(b"\2\2"), ga.response_done())
    assert hear(adapter) == [b"\2\2"]
    adapter.send_text("Again")
    partner.say(ga.audio_delta(b"\3\3"), *ga.answer("resp_2", deltas=1))
    assert hear(adapter) == [b"\1\2" * 480]


def test_who_gave_up_waiting_can_say_something_else(partner, adapter):
    adapter.send_audio(SECOND)
    with pytest.raises(TimeoutError):
        adapter.recv_audio(0.01)
    adapter.send_audio(SECOND)
    partner.answers["response.create"] = lambda _: ga.answer(deltas=1)

    assert len(hear(adapter)) == 1
    assert partner.names[-2:] == ["input_audio_buffer.commit", "response.create"]


@holds("D3")
def test_a_failed_response_raises_what_the_server_said_after_what_was_heard(partner, adapter):
    error = {"type": "server_error", "code": "overloaded", "message": "Busy."}
    failed = {"status": "failed", "status_details": {"type": "failed", "error": error}}
    adapter.send_text("Hello")
    partner.say(ga.response_created(), ga.audio_delta(b"\1\1"), ga.response_done(**failed))

    assert adapter.recv_audio().data == b"\1\1"
    with pytest.raises(ServerError, match="overloaded: Busy") as failure:
        adapter.recv_audio()
    assert (failure.value.type, failure.value.code) == ("server_error", "overloaded")
    assert adapter.recv_audio(0).data == b""


@holds("D3")
@pytest.mark.parametrize("status", ["incomplete", "cancelled"])
def test_an_answer_cut_short_is_one_as_far_as_it_goes(partner, adapter, status):
    details = {"type": status, "reason": "max_output_tokens"}
    adapter.send_text("Hello")
    partner.say(
        ga.response_created(),
        ga.audio_delta(b"\1\1"),
        ga.response_done(status=status, status_details=details),
    )

    assert hear(adapter) == [b"\1\1"]
    assert adapter.last_response.status == status
    assert adapter.last_response.status_details.reason == "max_output_tokens"


def test_an_error_that_refuses_the_question_raises_with_all_it_says(partner, adapter):
    adapter.send_text("Hello")
    asked = partner.last("response.create")["event_id"]
    partner.say(ga.error("invalid_value", event_id=asked, param="response.input"))

    with pytest.raises(ServerError) as failure:
        adapter.recv_audio()
    error = failure.value
    assert (error.code, error.param, error.event_id) == ("invalid_value", "response.input", asked)
    assert error.type == "invalid_request_error"
    assert adapter.errors == {"invalid_value": 1}


@holds("D6")
@pytest.mark.parametrize(
    "code", ["response_cancel_not_active", "conversation_already_has_active_response", "whatever"]
)
def test_errors_that_one_can_live_with_are_counted_and_end_nothing(partner, adapter, code):
    adapter.send_text("Hello")
    partner.say(ga.error(code), *ga.answer())

    assert len(hear(adapter)) == 3
    assert adapter.errors == {code: 1}
    assert adapter.last_error.code == code


@pytest.mark.parametrize("code", ["insufficient_quota", "rate_limit_exceeded"])
def test_errors_after_which_no_answer_can_come_raise_though_they_name_no_event(
    partner, adapter, code
):
    adapter.send_text("Hello")
    partner.say(ga.error(code))

    with pytest.raises(ServerError, match=code):
        adapter.recv_audio()


@holds("D6")
def test_interrupting_when_nothing_is_active_sends_nothing(partner, adapter):
    adapter.send_text("Hello")
    partner.say(*ga.answer())
    adapter.interrupt()

    assert "response.cancel" not in partner.names
    assert adapter.recv_audio(0).data == b""


@holds(34, "D9")
@pytest.mark.parametrize(
    "message",
    [
        b"no json",
        b"\xff\xfe",
        b"[1, 2]",
        b"null",
        b"{}",
        b'{"type": "of.the.future"}',
        b'{"type": "error", "error": "just text"}',
        b'{"type": "error", "error": {"message": null}}',
        b'{"type": "response.output_audio.delta", "response_id": "resp_1", "delta": null}',
        b'{"type": "response.output_audio.delta", "response_id": "resp_1", "delta": "?"}',
        b'{"type": "response.created", "response": null}',
        b'{"type": "response.done", "response": []}',
    ],
)
def test_a_malformed_message_in_an_answer_is_passed_over(partner, adapter, message):
    adapter.send_text("Hello")
    *most, last = ga.answer()
    partner.say(*most, message, last)

    assert hear(adapter)[:3] == [b"\1\2" * 480] * 3


@holds(35)
def test_nothing_in_time_is_a_timeout_that_says_how_long_and_what_was_wrong(partner, adapter):
    adapter.send_text("Hello")
    partner.say(ga.error("server_error"))

    with pytest.raises(
        TimeoutError, match=r"no audio within 0\.01 s; the last .* server_error: No"
    ):
        adapter.recv_audio(0.01)


@holds("D5")
def test_a_live_microphone_can_be_sent_while_an_answer_is_received(partner):
    partner.session = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    with RealtimeAdapter(HOST, Workload(turn_detection="server_vad")) as adapter:
        for _ in range(5):
            adapter.send_audio(AudioChunk.silent(0.02))
        partner.say(ga.response_created(), ga.item_added())
        for n in range(30):
            adapter.send_audio(AudioChunk.silent(0.02))
            partner.say(ga.audio_delta(bytes([n, n])))
            assert adapter.recv_audio().data == bytes([n, n])
        partner.say(ga.response_done())
        assert adapter.recv_audio().data == b""
        adapter.send_audio(SECOND)
        with pytest.raises(TimeoutError):
            adapter.recv_audio(0.01)  # for the answer to that
        partner.say(*ga.answer("resp_2"))
        assert len(hear(adapter)) == 3

    assert set(partner.names) == {"input_audio_buffer.append"}


def test_an_endpoint_told_not_to_answer_unasked_is_asked_once_it_has_heard(partner):
    vad = {"type": "server_vad", "create_response": False}
    partner.session = {"audio": {"input": {"turn_detection": vad}}}
    with RealtimeAdapter(HOST, Workload(turn_detection="server_vad")) as adapter:
        adapter.send_audio(SECOND)
        with pytest.raises(TimeoutError):
            adapter.recv_audio(0.01)
        assert "response.create" not in partner.names
        partner.answers["response.create"] = lambda _: ga.answer()
        partner.say(ga.message("input_audio_buffer.speech_stopped", item_id="u", audio_end_ms=5))

        assert len(hear(adapter)) == 3
    assert partner.names == ["input_audio_buffer.append", "response.create"]


@holds("D5")
def test_push_to_talk_what_is_said_during_an_answer_is_committed_after_it(partner, adapter):
    adapter.send_audio(SECOND)
    listener = gevent.spawn(hear, adapter)
    gevent.idle()
    partner.say(ga.response_created(), ga.item_added())
    for _ in range(10):
        adapter.send_audio(SECOND)
        partner.say(ga.audio_delta(b"\1\2"))
        gevent.idle()
    partner.say(ga.response_done())
    assert len(b"".join(listener.get(timeout=5))) == 20
    assert partner.names.count("input_audio_buffer.commit") == 1

    partner.answers["response.create"] = lambda _: ga.answer("resp_2")
    assert len(hear(adapter)) == 3
    assert partner.names.count("input_audio_buffer.commit") == 2


@holds("D8")
def test_what_was_received_before_the_server_went_away_is_not_lost(partner, adapter):
    adapter.send_text("Hello")
    partner.say(ga.response_created(), ga.audio_delta(b"\1\1"), ga.audio_delta(b"\2\2"))
    partner.hang_up(1011)

    assert adapter.recv_audio().data == b"\1\1"
    assert adapter.recv_audio().data == b"\2\2"
    with pytest.raises(NotConnected, match="close code 1011"):
        adapter.recv_audio()
    assert adapter.agent_hung_up


@holds("D10")
def test_a_delta_of_many_megabytes_is_one_chunk(partner, adapter):
    whole = b"\1\2" * 2_000_000
    adapter.send_text("Hello")
    partner.say(ga.response_created(), ga.audio_delta(whole), ga.response_done())

    assert hear(adapter) == [whole]


def test_a_text_only_answer_is_heard_as_words(partner, adapter):
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    adapter.send_text("Hello")
    partner.say(
        ga.response_created(),
        ga.message("response.output_text.delta", **place, delta="At nine."),
        ga.response_done(),
    )

    heard = adapter.recv_answer()
    assert (heard.data, heard.transcript) == (b"", "At nine.")


def test_a_response_that_was_never_created_is_heard_all_the_same(partner, adapter):
    adapter.send_text("Hello")
    partner.say(*ga.answer()[1:])

    assert len(hear(adapter)) == 3


@pytest.mark.parametrize(
    "wire", [{"type": "audio/pcmu"}, {"type": "audio/pcm", "rate": 16000}], ids=["pcmu", "16 kHz"]
)
def test_an_answer_in_another_format_is_heard_at_24_khz(partner, wire):
    partner.session = {"audio": {"output": {"format": wire}}}
    seconds = np.arange(24_000) / 24_000
    tone = (8000 * np.sin(2 * np.pi * 440 * seconds)).astype("<i2")
    with RealtimeAdapter(HOST) as adapter:
        coded = encode_audio(tone, adapter.session.output_format)
        adapter.send_text("Hello")
        partner.say(ga.response_created())
        for at in range(0, len(coded), 333):  # half samples too
            partner.say(ga.audio_delta(coded[at : at + 333]))
        partner.say(ga.response_done())
        heard = np.frombuffer(adapter.recv_answer().data, dtype="<i2")

    assert len(heard) == pytest.approx(24_000, abs=3)
    inside = slice(2_400, 21_600)
    error = heard[inside].astype(int) - tone[inside]
    assert np.abs(error).max() < 400


def test_what_is_said_goes_out_in_the_format_the_server_takes(partner):
    partner.session = {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}
    with RealtimeAdapter(HOST) as adapter:
        adapter.send_audio(AudioChunk.silent(0.5))

    assert base64.b64decode(partner.sent[-1]["audio"]) == PCMU.silence(4_000)


# Function calls.


def called(adapter):
    return [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in adapter.tool_calls
    ]


@holds(36)
def test_a_function_call_is_put_together_from_its_parts(partner, adapter):
    adapter.send_text("Book a table.")
    partner.say(
        ga.response_created(),
        call_item("book"),
        call_delta('{"people"'),
        call_delta(": 2}"),
        call_done(arguments='{"people": 2}', name=None),
    )
    assert adapter.tool_calls == [
        {
            "id": "c1",
            "type": "function",
            "function": {"name": "book", "arguments": '{"people": 2}'},
        }
    ]


@holds(42)
def test_an_answer_that_only_calls_a_function_is_over_when_it_is_done(partner, adapter):
    adapter.send_text("Book a table.")
    partner.say(ga.response_created(), call_item("book"), call_done(), ga.response_done())

    assert adapter.recv_audio(5).data == b""
    assert called(adapter) == [("c1", "book", "{}")]
    adapter.send_text("And a taxi.")
    assert adapter.tool_calls == []


@holds(38, 39)
@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ([call_done(), call_done()], ("c1", "book", "{}")),
        ([call_done(name=None), call_item("book", added=False)], ("c1", "book", "{}")),
        ([call_done(name=None)], ("c1", "", "{}")),
        ([call_done(arguments=None)], ("c1", "book", "{}")),
        ([call_done(arguments="")], ("c1", "book", "{}")),
        ([call_delta('{"a": 1}'), call_done(arguments=None)], ("c1", "book", '{"a": 1}')),
        ([call_done(arguments="not json")], ("c1", "book", "not json")),
        ([call_done(arguments='{"a":1}'), call_done(arguments="{}")], ("c1", "book", '{"a":1}')),
        ([call_done(arguments="{}"), call_done(arguments='{"a":1}')], ("c1", "book", '{"a":1}')),
        (
            [call_done(arguments='{"a":1}'), call_done(arguments="[1,2,3]")],
            ("c1", "book", '{"a":1}'),
        ),
        (
            [call_item("book", added=False, arguments='{"a":1}')],
            ("c1", "book", '{"a":1}'),
        ),
        (
            [call_done(), call_item("other", added=False, arguments='{"a":1}')],
            ("c1", "book", '{"a":1}'),
        ),
    ],
)
def test_a_call_told_of_twice_is_one_and_the_better_part_of_both(partner, adapter, told, shown):
    adapter.send_text("Book a table.")
    partner.say(ga.response_created(), *told)

    assert called(adapter) == [shown]


@holds(39)
def test_a_call_without_an_id_is_no_call(partner, adapter):
    adapter.send_text("Book a table.")
    partner.say(ga.response_created(), call_done(call_id=None), call_item("book", call_id=None))
    partner.say(call_item("half", call_id="c9"))  # never completed

    assert adapter.tool_calls == []


@holds(37, 40)
def test_an_answer_is_one_message_and_its_calls_another(partner, adapter):
    adapter.send_text("Book a table.")
    partner.say(ga.response_created(), ga.transcript_delta("Sure."))
    partner.say(ga.response_done(output=[]))
    assert adapter.last_messages == [{"role": "assistant", "content": "Sure."}]

    adapter.send_text("And two taxis.")
    partner.say(ga.response_created("resp_2"))
    items = [
        {"type": "function_call", "call_id": f"c{n}", "name": "taxi", "arguments": "{}"}
        for n in (2, 1)
    ]
    partner.say(ga.response_done("resp_2", output=items))
    said, calls = adapter.last_messages
    assert said == {"role": "assistant", "content": None}
    assert (calls["role"], calls["content"]) == ("assistant", None)
    assert [call["id"] for call in calls["tool_calls"]] == ["c2", "c1"]


@holds(41)
def test_a_call_is_answered_only_when_the_script_does(partner, adapter):
    adapter.send_text("Book a table.")
    partner.say(ga.response_created(), call_done(), ga.response_done())
    adapter.recv_audio()
    assert partner.names == ["conversation.item.create", "response.create"]

    adapter.send_tool_output("c1", '{"booked": true}')
    assert partner.names[2:] == ["conversation.item.create", "response.create"]
    assert partner.last("conversation.item.create")["item"] == {
        "type": "function_call_output",
        "call_id": "c1",
        "output": '{"booked": true}',
    }


# All of it.


def test_answers_that_nobody_listens_to_are_not_kept(partner, adapter):
    adapter.send_text("Hello")
    adapter.interrupt()
    answer = [json.loads(message) for message in ga.answer(deltas=20)]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            adapter.send_text("Again")
            partner.say(*(json.dumps(event).encode() for event in answer))
        partner.sent.clear()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert grown < 500_000


def test_every_row_is_held_by_a_test():
    assert set(OWED) == set(HELD)


def test_an_answer_goes_on_when_the_endpoint_has_run_a_tool_itself(partner, adapter):
    adapter.send_text("Hello")
    *made, done = ga.mcp_call()
    filler = ga.audio_delta(b"\1\1", item="item_0")
    partner.say(made[0], ga.item_added(item="item_0"), filler, *made[1:], done)
    listener = gevent.spawn(hear, adapter)
    gevent.idle()
    assert partner.names.count("response.create") == 1

    partner.say(ga.mcp_ended())
    assert partner.names.count("response.create") == 2
    partner.say(*ga.answer("resp_2", deltas=1))
    assert listener.get(timeout=5) == [b"\1\1", b"\1\2" * 480]


def test_it_asks_once_and_after_the_response_that_called(partner, adapter):
    adapter.send_text("Hello")
    *made, done = ga.mcp_call()
    partner.say(*made, ga.mcp_ended(how="failed"))
    assert partner.names.count("response.create") == 1

    partner.say(done, ga.mcp_ended(how="failed"))
    assert partner.names.count("response.create") == 2


def test_calls_that_need_approval_are_approved_for_a_script_too(partner, adapter):
    adapter.send_text("Hello")
    request = {"id": "ask_1", "type": "mcp_approval_request", "name": "search", "arguments": "{}"}
    partner.say(*ga.mcp_call(), ga.message("conversation.item.done", item=request))

    item = partner.last("conversation.item.create")["item"]
    assert (item["approval_request_id"], item["approve"]) == ("ask_1", True)


def test_a_call_that_is_made_when_it_is_approved_is_gone_on_from_for_a_script_too(partner, adapter):
    adapter.send_text("Hello")
    request = {"id": "ask_1", "type": "mcp_approval_request", "name": "search", "arguments": "{}"}
    partner.say(ga.response_created(), ga.item_added("resp_1", "ask_1", **request))
    partner.say(ga.item_done("resp_1", **request), ga.response_done())
    assert partner.last("conversation.item.create")["item"]["approval_request_id"] == "ask_1"
    assert partner.names.count("response.create") == 1

    partner.say(ga.mcp_ended(), ga.mcp_ended())
    assert partner.names.count("response.create") == 2
    partner.say(*ga.answer("resp_2", deltas=1))
    assert hear(adapter) == [b"\1\2" * 480]


def test_an_interrupted_answer_does_not_go_on_after_its_tool(partner, adapter):
    adapter.send_text("Hello")
    partner.say(*ga.mcp_call())
    adapter.interrupt()
    partner.say(ga.mcp_ended())

    assert partner.names.count("response.create") == 1
    assert hear(adapter) == []


def test_functions_called_beside_it_are_the_scripts_to_answer(partner, adapter):
    adapter.send_text("Hello")
    *made, done = ga.mcp_call()
    partner.say(*made, call_item("book"), call_done(), done)

    assert hear(adapter) == []
    partner.say(ga.mcp_ended())
    adapter.send_tool_output("c1", "{}")
    assert partner.names.count("response.create") == 2
