"""Calls that the endpoint runs itself, told in any order that is legal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tape import Script, audio, created, done, ms, served, serves

from harness.realtime.events import (
    ItemDone,
    McpArgumentsDone,
    McpCallBegun,
    McpCallCompleted,
    McpCallFailed,
    OutputItemAdded,
    OutputItemDone,
)
from harness.realtime.objects import Item, Response
from harness.records import Outcome


def told(n=1):
    """All that an endpoint can say of its ``n``-th call, by what it is."""
    which = {"name": "search", "server_label": "docs"}
    call = {"id": f"mcp_{n}", "type": "mcp_call", **which}
    ran = Item(**call, approval_request_id=f"ask_{n}", output="found")
    asks = Item(id=f"ask_{n}", type="mcp_approval_request", **which, arguments="{}")
    return {
        "added": OutputItemAdded(response_id="r1", item=Item(**call)),
        "arguments": McpArgumentsDone(response_id="r1", item_id=f"mcp_{n}", arguments="{}"),
        "item": OutputItemDone(response_id="r1", item=Item(**call, arguments="{}")),
        "asks in the answer": OutputItemDone(response_id="r1", item=asks),
        "asks": ItemDone(item=asks),
        "begun": McpCallBegun(item_id=f"mcp_{n}", output_index=0),
        "completed": McpCallCompleted(item_id=f"mcp_{n}", output_index=0),
        "ran in the answer": OutputItemDone(response_id="r1", item=ran),
        "ran": ItemDone(item=ran),
    }


ORDERS = {
    "as the reference does": (
        *("added", "arguments", "item", "asks in the answer", "asks", "done"),
        *("approved", "begun", "completed", "ran"),
    ),
    "without approval": ("added", "arguments", "item", "done", "begun", "completed", "ran"),
    "run before the response is done": ("added", "arguments", "begun", "completed", "item", "done"),
    "asked for when the response is done": (
        *("added", "arguments", "item", "done", "asks", "approved", "begun", "completed"),
    ),
    "no item before it is approved": (
        *("asks in the answer", "asks", "done", "approved", "added", "arguments", "item", "begun"),
        *("completed", "ran"),
    ),
    "no item at all in the answer": ("asks", "done", "approved", "begun", "completed", "ran"),
    "done with its result, nothing else": (
        *("added", "arguments", "done", "begun", "ran in the answer"),
    ),
    "no word of its arguments": ("added", "begun", "completed", "done"),
    "only its result": ("ran in the answer", "done"),
    "only its announcement and its result": ("added", "done", "ran"),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_call_is_one_call_in_whatever_order_the_endpoint_tells_of_it(order):
    script, facts = Script(), told() | {"done": done()}
    turn = script.say(0, 1000)
    script.hear((1100, created()))
    for at, name in enumerate(order, start=1200):
        if name == "approved":
            assert script.recorder.approvals == ["ask_1"]
        else:
            script.hear((at, facts[name]))

    assert script.recorder.served == [turn]
    assert not script.recorder.waits_for_tools(turn)
    script.recorder.requested(turn, ms(1300))
    script.hear((1400, created("r2")), (1500, audio(100, response="r2")), (1600, done("r2")))
    script.until(9000)
    (call,) = turn.tools
    assert (call.name, call.server, call.outcome) == ("search", "docs", "ok")
    assert (turn.outcome, turn.response_ids) == (Outcome.COMPLETED, ["r1", "r2"])
    assert turn.marks["tool_output"] == call.answered_at
    assert turn.metrics["time_to_answer"] == pytest.approx(0.5)


BEFORE = {
    "arguments": {"added"},
    "item": {"arguments"},
    "begun": {"added", "arguments", "item", "asks"},
    "completed": {"begun"},
    "ran": {"completed"},
    "ran in the answer": {"completed"},
}
"""What precedes what, where both are told."""

SHAPES = {
    "approved before": ({"added", "begun", "completed"}, {}),
    "the item first": ({"added", "asks", "begun", "completed"}, {"asks": {"added"}}),
    "the request first": (
        {"asks", "begun", "completed", "ran"},
        {"added": {"asks"}, "arguments": {"asks"}, "item": {"asks"}},
    ),
}
"""How an endpoint tells of its calls: with what at least, and in what order besides."""


@st.composite
def legal_orders(draw):
    """Two calls at once, told of in one shape, in any order that is legal in it."""
    least, besides = draw(st.sampled_from(sorted(SHAPES.items())))[1]
    left = [(0, "done")]
    for n in (1, 2):
        more = draw(st.sets(st.sampled_from(["added", "arguments", "item", "ran in the answer"])))
        left += [(n, name) for name in sorted(least | more)]
    order = []
    while left:
        ready = [
            (n, name)
            for n, name in left
            if not any(
                m == n and other in BEFORE.get(name, set()) | besides.get(name, set())
                for m, other in left
            )
        ]
        order.append(draw(st.sampled_from(ready)))
        left.remove(order[-1])
    return order


@given(legal_orders())
def test_two_calls_at_once_are_two_in_any_legal_order(order):
    script, facts = Script(), {n: told(n) for n in (1, 2)}
    turn = script.say(0, 1000)
    script.hear((1100, created()))
    for at, (n, name) in enumerate(order, start=1200):
        script.hear((at, facts[n][name] if n else done()))

    assert [(call.name, call.outcome) for call in turn_tools(script)] == [("search", "ok")] * 2
    assert not script.recorder.waits_for_tools(turn)
    asks = [f"ask_{n}" for n, name in order if name == "asks"]
    assert script.recorder.approvals == asks


def turn_tools(script):
    (turn,) = script.over(2000)
    return turn.tools


def test_an_approval_that_is_asked_for_again_is_granted_once():
    script, facts = Script(), told()
    script.say(0, 1000)
    script.hear((1100, created()), (1200, facts["asks"]), (1300, facts["asks in the answer"]))
    script.hear((1400, done()))

    assert script.recorder.approvals == ["ask_1"]


def test_a_result_in_the_response_itself_is_a_result():
    script = Script()
    turn = script.say(0, 1000)
    output = [Item(id="m1", type="mcp_call", name="search", server_label="docs", error={"a": 1})]
    script.hear((1100, created()), *((1200, event) for event in serves()))
    finished = done()
    finished.response = Response(id="r1", status="completed", output=output)
    script.hear((1300, finished))

    assert not script.recorder.waits_for_tools(turn)
    assert [call.outcome for call in turn_tools(script)] == ["error"]


def test_an_endpoint_that_goes_on_itself_after_its_tool_is_not_asked_to():
    script = Script()
    turn = script.say(0, 1000)
    script.hear((1100, created()), *((1200, event) for event in serves()), (1300, done()))
    script.hear((1400, served()), (1450, created("r2")))
    assert not script.recorder.goes_on(turn)

    script.hear((1500, audio(100, response="r2")), (1600, done("r2")))
    script.until(9000)
    assert (turn.outcome, turn.flags) == (Outcome.COMPLETED, [])
    assert turn.metrics["tool_turnaround"] == pytest.approx(0.1)


def test_a_failed_run_told_of_an_unknown_call_is_nobodys():
    script = Script()
    turn = script.say(0, 1000)
    script.hear((1100, created()), (1200, McpCallFailed(item_id="mcp_9", output_index=0)))

    assert script.recorder.served == []
    assert not script.recorder.waits_for_tools(turn)
