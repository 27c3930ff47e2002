import logging
import tracemalloc

import ga
import msgspec
import pytest

from harness.audio import PCM16, PCMU, AudioFormat
from harness.realtime import client_events as client
from harness.realtime import events as ev
from harness.realtime.deviations import DEVIATION_KINDS
from harness.realtime.errors import LocalProtocolError
from harness.realtime.session import MAX_APPEND_BYTES, Session, split_append
from harness.realtime.states import EXPECTED, NEXT, SENDABLE, State

HALF_SECOND = b"\0" * 24_000

EVENTS = [
    client.UpdateSession(session={"type": "realtime"}),
    client.Append(audio=HALF_SECOND),
    client.Commit(),
    client.ClearBuffer(),
    client.CreateItem(item={"type": "message", "role": "user", "content": []}),
    client.DeleteItem(item_id="item_1"),
    client.RetrieveItem(item_id="item_1"),
    client.TruncateItem(item_id="item_1", content_index=0, audio_end_ms=800),
    client.CreateResponse(),
    client.CancelResponse(),
]


def in_state(state, **options):
    session = Session(**options)
    if state is State.CONNECTING:
        return session
    session.opened()
    if state in (State.CREATED, State.READY):
        session.receive(ga.created())
    if state is State.READY:
        session.receive(ga.updated())
    if state is State.CLOSING:
        session.closing()
    if state is State.CLOSED:
        session.closed()
    return session


def ready(**options):
    return in_state(State.READY, **options)


def hear(session, *messages):
    return [session.receive(message) for message in messages]


# States.


def test_a_101_is_not_a_session():
    session = Session()
    states = [session.state]
    session.opened()
    states.append(session.state)
    for message in (ga.created(), ga.updated()):
        session.receive(message)
        states.append(session.state)
    session.closing()
    states.append(session.state)
    session.closed()
    states.append(session.state)

    assert states == [
        State.CONNECTING,
        State.OPENED,
        State.CREATED,
        State.READY,
        State.CLOSING,
        State.CLOSED,
    ]
    assert not session.deviations


def test_every_state_stands_in_every_table():
    assert set(NEXT) == set(SENDABLE) == set(EXPECTED) == set(State)


@pytest.mark.parametrize("state", State)
def test_a_connection_can_be_gone_in_any_state(state):
    session = in_state(state)

    session.closed()

    assert session.state is State.CLOSED


@pytest.mark.parametrize("state", [state for state in State if state is not State.CONNECTING])
def test_an_upgrade_happens_once(state):
    session = in_state(state)

    with pytest.raises(LocalProtocolError, match=f"can't be opened when {state.name}"):
        session.opened()

    assert session.state is state


def test_what_the_server_states_is_kept():
    session = ready(model="asked-for")

    assert session.session_id == "sess_1"
    assert session.model == "gpt-realtime-2.1-mini"


# Sending.


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("state", State)
def test_only_what_the_table_allows_is_sent(state, event):
    session = in_state(state)
    if SENDABLE[state] and isinstance(event, client.Commit) and state is not State.OPENED:
        session.send(client.Append(audio=HALF_SECOND))
    if type(event) in SENDABLE[state]:
        assert msgspec.json.decode(session.send(event))["type"] == type(event).__struct_config__.tag
    else:
        name = type(event).__name__
        with pytest.raises(LocalProtocolError, match=f"can't send {name} when {state.name}"):
            session.send(event)
        assert session.uncommitted_bytes == 0
    assert session.state is state


def test_audio_goes_out_as_base64():
    assert ready().send(client.Append(audio=b"\1\2")) == (
        b'{"type":"input_audio_buffer.append","audio":"AQI="}'
    )


def test_an_event_that_cannot_be_encoded_is_our_mistake_and_changes_nothing():
    session = ready()

    with pytest.raises(LocalProtocolError, match="can't send UpdateSession"):
        session.send(client.UpdateSession(session={"voice": object()}))

    session.receive(ga.updated(audio={"input": {"turn_detection": {"type": "server_vad"}}}))
    assert not session.deviations


def test_frames_encoded_beforehand_are_accounted_for():
    session = ready()
    for _ in range(25):
        session.sending_audio(960)

    assert session.uncommitted_bytes == 24_000
    assert session.uncommitted_seconds == 0.5


def test_frames_encoded_beforehand_are_refused_like_others():
    session = in_state(State.OPENED)

    with pytest.raises(LocalProtocolError, match="can't send Append when OPENED"):
        session.sending_audio(960)

    assert session.uncommitted_bytes == 0


@pytest.mark.parametrize(
    ("format", "too_little"),
    [(PCM16, 4_798), (PCMU, 799), (AudioFormat("pcm16", 16_000, 2), 3_198)],
)
def test_a_commit_needs_100_ms_of_audio(format, too_little):
    session = ready()
    session.receive(ga.updated(audio={"input": {"format": format.wire()}}))
    session.send(client.Append(audio=b"\0" * too_little))

    with pytest.raises(LocalProtocolError, match="at least 100 ms"):
        session.send(client.Commit())
    assert session.uncommitted_bytes == too_little

    session.send(client.Append(audio=b"\0" * format.sample_bytes))
    session.send(client.Commit())
    assert session.uncommitted_bytes == 0


def test_an_empty_commit_is_refused():
    with pytest.raises(LocalProtocolError, match="can't send Commit of 0 ms"):
        ready().send(client.Commit())


def test_a_cleared_buffer_has_nothing_to_commit():
    session = ready()
    session.send(client.Append(audio=HALF_SECOND))
    session.send(client.ClearBuffer())

    with pytest.raises(LocalProtocolError):
        session.send(client.Commit())


def test_the_commit_of_a_vad_empties_the_buffer():
    session = ready()
    session.send(client.Append(audio=HALF_SECOND))
    session.receive(ga.committed())

    assert session.uncommitted_bytes == 0


def test_audio_sent_after_our_own_commit_survives_its_acknowledgement():
    session = ready()
    session.send(client.Append(audio=HALF_SECOND))
    session.send(client.Commit())
    session.send(client.Append(audio=HALF_SECOND))
    session.receive(ga.committed())

    assert session.uncommitted_seconds == 0.5


def test_a_refused_commit_is_not_waited_for():
    session = ready()
    session.send(client.Append(audio=HALF_SECOND))
    session.send(client.Commit())
    session.receive(ga.error("input_audio_buffer_commit_empty"))
    session.send(client.Append(audio=HALF_SECOND))
    session.receive(ga.committed())

    assert session.uncommitted_bytes == 0


def test_an_append_over_the_limit_is_refused_and_can_be_split():
    session, audio = ready(), b"\0" * (2 * MAX_APPEND_BYTES + 2)

    with pytest.raises(LocalProtocolError, match="at most 11796480"):
        session.send(client.Append(audio=audio))
    appends = split_append(audio)
    messages = [session.send(append) for append in appends]

    assert [len(append.audio) for append in appends] == [MAX_APPEND_BYTES, MAX_APPEND_BYTES, 2]
    assert max(len(msgspec.json.decode(m)["audio"]) for m in messages) == 15 * 1024 * 1024
    assert session.uncommitted_bytes == len(audio)


def test_nothing_splits_into_nothing():
    assert split_append(b"") == []


# Formats.

SIXTEEN = {"type": "audio/pcm", "rate": 16000}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({}, PCMU),
        ({"audio": {"output": {"format": SIXTEEN}}}, AudioFormat("pcm16", 16_000, 2)),
        ({"audio": {"output": {"format": {"type": "audio/pcma"}}}}, AudioFormat("pcma", 8_000, 1)),
        ({"audio": None}, PCMU),
        ({"audio": {"output": {"format": "opus"}}}, PCMU),
        ({"output_audio_format": "pcm16"}, PCM16),
    ],
    ids=["silent", "16 kHz", "A-law", "null", "unknown", "beta"],
)
@pytest.mark.parametrize("name", ["session.created", "session.updated"])
def test_the_format_is_the_servers_else_ours(name, stated, expected):
    session = Session(output_format=PCMU)
    session.opened()
    session.receive(ga.message(name, session=stated))

    assert session.output_format == expected


@pytest.mark.parametrize(
    ("asked", "stated", "expected"),
    [
        ({"create_response": False}, {}, False),
        ({"create_response": False}, {"create_response": True}, True),
        ({}, {"create_response": False}, False),
        ({}, {"create_response": None}, True),
    ],
)
def test_whether_turns_are_answered_unasked_is_as_stated_else_as_asked(asked, stated, expected):
    session = in_state(State.CREATED)
    heard = [
        {"input": {"turn_detection": {"type": "server_vad"} | each}} for each in (asked, stated)
    ]
    session.send(client.UpdateSession(session={"audio": heard[0]}))
    session.receive(ga.updated(audio=heard[1]))

    assert session.creates_responses is expected


def test_what_we_ask_for_holds_until_the_server_speaks():
    session = in_state(State.OPENED)
    session.send(client.UpdateSession(session={"audio": {"input": {"format": PCMU.wire()}}}))

    assert (session.input_format, session.output_format) == (PCMU, PCM16)


# What a good server sends.


def test_a_good_conversation_has_no_deviations():
    session = ready()
    hear(session, ga.committed(), *ga.answer(), ga.committed("item_2"), *ga.answer("r2", "i2"))
    hear(session, ga.message("rate_limits.updated", rate_limits=[]))

    assert session.deviations == {}
    assert session.active == {}


def test_events_come_back_decoded():
    session = ready()
    events = hear(session, *ga.answer(deltas=1))

    assert [type(event) for event in events] == [
        ev.ResponseCreated,
        ev.OutputItemAdded,
        ev.AudioDelta,
        ev.TranscriptDelta,
        ev.AudioDone,
        ev.OutputItemDone,
        ev.ResponseDone,
    ]
    assert events[2].delta == b"\1\2" * 480
    assert events[3].delta == "Hello "


def test_responses_being_made_are_known():
    session = ready()
    hear(session, ga.response_created("a"), ga.response_created("b"), ga.item_added("b", "i"))
    assert session.active == {"a": set(), "b": {"i"}}

    session.receive(ga.response_done("a"))
    assert session.active == {"b": {"i"}}


def test_events_without_use_are_passed_over():
    session = ready()
    event = session.receive(
        ga.message("response.content_part.added", response_id="r", part={"type": "audio"})
    )

    assert isinstance(event, ev.Passed)
    assert event.type == "response.content_part.added"
    assert not session.deviations


def test_binary_frames_and_views_of_them_hold_events_too():
    assert isinstance(ready().receive(memoryview(ga.response_created())), ev.ResponseCreated)


# Deviations.


def scored(*messages, state=State.READY):
    session = in_state(state)
    hear(session, *messages)
    assert set(session.deviations) <= set(DEVIATION_KINDS)
    assert sum(session.scorecard.values()) == sum(session.deviations.values())
    return dict(session.scorecard)


def one(kind, name=""):
    return {(kind, name): 1}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([b"[1, 2]"], one("malformed")),
        ([b'{"type":"x"'], one("malformed")),
        ([ga.message("response.dance", step=1)], one("unknown_event", "response.dance")),
        ([b'{"event_id":"e"}'], one("unknown_event")),
        ([ga.created()], one("unexpected", "session.created")),
        ([ga.audio_delta()], one("unknown_response", "response.output_audio.delta")),
        ([*ga.answer(), ga.audio_delta()], one("after_done", "response.output_audio.delta")),
        ([*ga.answer(), ga.response_done()], one("after_done", "response.done")),
        ([ga.response_done()], one("unknown_response", "response.done")),
        (
            [ga.response_created(), ga.response_created()],
            one("created_twice", "response.created"),
        ),
        ([*ga.answer(), ga.response_created()], one("created_twice", "response.created")),
        (
            [ga.response_created(), ga.audio_delta(), ga.audio_delta()],
            one("unknown_item", "response.output_audio.delta"),
        ),
        (
            [ga.message("response.created", response={"status": "in_progress"})],
            one("missing_field", "response.created response.id"),
        ),
        (
            [ga.response_created(), ga.response_done(status=None)],
            one("missing_field", "response.done response.status"),
        ),
        (
            [ga.response_created(), ga.response_done(status="in_progress")],
            one("bad_field", "response.done response.status"),
        ),
        (
            [ga.response_created(), ga.item_added(), ga.audio_delta(content_index=None)],
            one("missing_field", "response.output_audio.delta content_index"),
        ),
        (
            [ga.response_created(), ga.item_added(id=None)],
            one("missing_field", "response.output_item.added item.id"),
        ),
        (
            [ga.response_created(), ga.item_added(), ga.audio_delta(delta=None)],
            one("bad_field", "response.output_audio.delta delta"),
        ),
        ([ga.message("error", error="boom")], one("bad_field", "error error")),
        ([b'{"type":"error","error":{}}'], one("missing_field", "error event_id")),
        (
            [ga.error(event_id=None), ga.message("error", event_id="e", error={})] * 2,
            {},
        ),
        ([ga.message("error", event_id="e", error={})] * 2, one("duplicate", "error")),
    ],
)
def test_what_a_server_does_wrong_is_counted(messages, expected):
    assert scored(*messages) == expected


def test_before_session_created_anything_but_an_error_is_unexpected():
    assert scored(ga.error(), ga.response_created(), state=State.OPENED) == {
        ("unexpected", "response.created"): 1
    }


def test_a_server_without_session_created_is_ready_all_the_same():
    session = in_state(State.OPENED)
    session.receive(ga.updated())

    assert session.state is State.READY
    assert session.scorecard == {("unexpected", "session.updated"): 1}


def test_a_call_complete_without_call_id_is_counted():
    call = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0}
    name = "response.function_call_arguments.done"
    done = ga.message(name, **call, name="look_up", arguments="{}")

    assert scored(ga.response_created(), ga.item_added(), done) == {
        ("missing_field", f"{name} call_id"): 1
    }


def test_a_delta_that_names_no_response_belongs_to_the_only_one():
    session = ready()
    *_, event = hear(session, ga.response_created(), ga.item_added(), ga.audio_delta(response=None))

    assert event.response_id == "resp_1"
    assert session.scorecard == {("missing_field", "response.output_audio.delta response_id"): 1}


def test_a_delta_that_names_no_response_is_not_guessed_among_two():
    session = ready()
    *_, event = hear(
        session, ga.response_created("a"), ga.response_created("b"), ga.audio_delta(response=None)
    )

    assert event.response_id is None
    assert session.deviations == {"missing_field": 1, "unknown_response": 1}


def test_a_response_created_without_an_id_ends_with_the_next_that_nobody_knows():
    session = ready()
    hear(session, ga.message("response.created", response={}), ga.response_done("resp_9"))

    assert not session.active


def test_a_server_without_ids_still_begins_and_ends_its_responses():
    session = ready()
    session.receive(ga.response_created(None))
    assert session.active == {"": set()}

    session.receive(ga.response_done(None))
    assert session.active == {}
    assert session.deviations == {"missing_field": 2}


def test_a_response_done_without_id_ends_the_only_one():
    session = ready()
    _, event = hear(session, ga.response_created(), ga.response_done(None))

    assert event.response.id == "resp_1"
    assert session.active == {}


@pytest.mark.parametrize(
    ("asked", "stated", "ignored"),
    [
        ({"turn_detection": None}, {"turn_detection": {"type": "server_vad"}}, "turn_detection"),
        ({"turn_detection": {"type": "semantic_vad"}}, {"turn_detection": None}, "turn_detection"),
        ({"format": PCM16.wire()}, {"format": SIXTEEN}, "format"),
        ({"turn_detection": None}, {"turn_detection": None}, None),
        ({"turn_detection": None}, {}, None),
        ({}, {"turn_detection": {"type": "server_vad"}}, None),
    ],
)
def test_a_server_that_ignores_the_configuration_is_found_out(asked, stated, ignored):
    session = in_state(State.CREATED)
    session.send(client.UpdateSession(session={"type": "realtime", "audio": {"input": asked}}))
    session.receive(ga.message("session.updated", session={"audio": {"input": stated}}))

    expected = {("config_ignored", f"audio.input.{ignored}"): 1} if ignored else {}
    assert session.scorecard == expected


def test_whoever_folds_turns_can_count_deviations_too():
    session = ready()
    session.deviate("second_answer", "response.created")

    assert session.deviations == {"second_answer": 1}


# Beta names.


def test_beta_names_are_taken_for_those_of_today():
    session = ready()
    hear(session, ga.response_created(), ga.item_added())
    beta = ga.audio_delta().replace(b"output_audio", b"audio")
    event = session.receive(beta)

    assert type(event) is ev.AudioDelta
    assert event.delta == b"\1\2" * 480
    assert session.scorecard == {("beta_name", "response.audio.delta"): 1}


def test_each_beta_name_is_warned_of_once_a_session(caplog):
    with caplog.at_level(logging.WARNING, logger="harness.realtime"):
        for session in (ready(), ready()):
            session.receive(ga.response_created())
            for _ in range(3):
                session.receive(ga.audio_delta().replace(b"output_audio", b"audio"))
                session.receive(ga.message("conversation.item.created", item={"id": "x"}))

    names = [record.args[0] for record in caplog.records]
    assert names == ["response.audio.delta", "conversation.item.created"] * 2


def test_in_the_betas_own_dialect_its_names_are_as_they_should_be(caplog):
    session = ready(beta=True)
    hear(session, ga.response_created(), ga.item_added())
    event = session.receive(ga.audio_delta().replace(b"output_audio", b"audio"))
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "call_id": "c"}
    name = "response.function_call_arguments.done"
    session.receive(ga.message(name, **place, arguments="{}"))  # without the function's name

    assert type(event) is ev.AudioDelta
    assert session.deviations == {}
    assert caplog.records == []


@pytest.mark.parametrize(
    "fields", [{}, {"response_id": "resp_1"}, {"response": {"id": "resp_1", "status": None}}]
)
def test_a_cancelled_response_is_done_with_that_status(fields):
    session = ready()
    session.receive(ga.response_created())
    event = session.receive(ga.message("response.cancelled", **fields))

    assert type(event) is ev.ResponseDone
    assert (event.response.id, event.response.status) == ("resp_1", "cancelled")
    assert session.active == {}
    assert session.deviations == {"beta_name": 1}


def test_a_response_whose_end_got_lost_is_over_once_there_is_nothing_to_cancel():
    session = ready()
    session.receive(ga.response_created())
    session.receive(ga.error("response_cancel_not_active"))

    assert session.active == {}


# Nothing grows without bound.


def test_a_server_that_never_finishes_anything_does_not_fill_memory():
    session = ready()
    for n in range(2_000):
        session.receive(ga.response_created(f"resp_{n}"))
        session.receive(ga.item_added(f"resp_{n}", f"item_{n}"))
        session.receive(ga.message(f"made.up.{n}"))

    assert len(session.active) == 64
    unknown = [name for kind, name in session.scorecard if kind == "unknown_event"]
    assert len(unknown) == 51
    assert session.scorecard["unknown_event", "other"] == 1_950
    assert session.deviations["unknown_event"] == 2_000


def test_huge_ids_and_names_are_not_kept():
    session = ready()
    long = "x" * 1_000_000
    hear(session, ga.response_created(), ga.message("session.updated", session={}))
    tracemalloc.start()
    try:
        for n in range(20):
            session.receive(ga.response_created(f"{n}{long}"))
            session.receive(ga.item_added("resp_1", f"{n}{long}"))
            session.receive(ga.response_done(f"{n}{long}"))
            session.receive(ga.message(f"{n}{long}"))
        session.receive(ga.committed())
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 200_000


def test_what_an_endpoint_tells_of_its_tools_after_a_response_is_no_deviation():
    session = Session()
    session.opened()
    for message in (ga.created(), ga.updated(), *ga.mcp_call()):
        session.receive(message)
    call = {"type": "mcp_call", "server_label": "docs", "name": "search", "arguments": "{}"}

    session.receive(ga.item_done("resp_1", "mcp_1", **call, output="found"))
    assert session.deviations == {}

    session.receive(ga.item_done("resp_1", "item_9"))
    assert session.deviations == {"after_done": 1}
