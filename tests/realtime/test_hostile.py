"""Servers that break every rule: nothing raises, everything is counted, nothing grows."""

import gc
import tracemalloc

import pytest
from hostile import conversation, mutated
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.realtime import client_events as client
from harness.realtime import events as ev
from harness.realtime.deviations import DEVIATION_KINDS
from harness.realtime.errors import LocalProtocolError
from harness.realtime.session import Session
from harness.realtime.states import State

MUTATED = 30_000


@pytest.mark.parametrize("seed", range(2))
def test_mutated_messages_never_raise_and_each_fault_is_counted(seed):
    session = Session()
    session.opened()
    events = faults = 0
    for message in mutated(seed, MUTATED // 2):
        before = sum(session.deviations.values())
        event = session.receive(message)
        events += 1
        if isinstance(event, ev.Malformed | ev.Unknown):
            assert sum(session.deviations.values()) == before + 1
            faults += 1

    assert events == MUTATED // 2
    assert faults == session.deviations["malformed"] + session.deviations["unknown_event"]
    assert faults > events // 10
    assert set(session.deviations) <= set(DEVIATION_KINDS)
    assert sum(session.scorecard.values()) == sum(session.deviations.values())


def test_memory_stays_bounded_whatever_comes():
    session = Session()
    session.opened()
    messages = list(mutated(7, 4_000))

    def kept_after(rounds):
        for _ in range(rounds):
            for message in messages:
                session.receive(message)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    kept_after(1)
    tracemalloc.start()
    try:
        first = kept_after(1)
        later = kept_after(3)
    finally:
        tracemalloc.stop()

    assert later - first < 64_000


SENT = st.sampled_from(
    [
        client.UpdateSession(session={"type": "realtime"}),
        client.Append(audio=b"\0" * 4_800),
        client.Append(audio=b"\0" * 480),
        client.Commit(),
        client.ClearBuffer(),
        client.CreateResponse(),
        client.CancelResponse(),
        client.CreateItem(item={"type": "message", "role": "user", "content": []}),
    ]
)
FACTS = st.sampled_from(["opened", "closing", "closed"])
RECEIVED = st.sampled_from(conversation()) | st.binary(max_size=40)


def snapshot(session):
    return (
        *(session.state, session.uncommitted_bytes, session.input_format),
        *(session.output_format, {name: set(items) for name, items in session.active.items()}),
        *(dict(session.deviations), session.session_id, session.model),
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(SENT | FACTS | RECEIVED, max_size=40))
def test_any_order_moves_the_session_is_refused_unchanged_or_counts(steps):
    session, order = Session(), list(State)
    for step in steps:
        before, rank = snapshot(session), order.index(session.state)
        if isinstance(step, bytes):
            event = session.receive(step)
            assert isinstance(event, ev.ServerEvent | ev.Unknown | ev.Malformed)
        else:
            try:
                getattr(session, step)() if isinstance(step, str) else session.send(step)
            except LocalProtocolError:
                assert snapshot(session) == before
        assert order.index(session.state) >= rank


@settings(max_examples=100, deadline=None)
@given(st.permutations(conversation()))
def test_a_conversation_in_any_order_ends_ready_with_nothing_active(messages):
    session = Session()
    session.opened()
    for message in messages:
        session.receive(message)

    assert session.state is State.READY
    assert len(session.active) <= 2
