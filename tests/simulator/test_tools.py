"""Tool calls: when they are made, with what, and how they go on."""

import json
from collections import Counter
from operator import attrgetter

import pytest
from dialogue import Dialogue, error_of, of, types

from harness.simulator.phrases import phrases
from harness.simulator.tool_arguments import example_arguments

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
        "required": ["city"],
    },
}
CLOCK = {"type": "function", "name": "get_time"}
CALL = [
    "response.created",
    "rate_limits.updated",
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]


def caller_with(*tools, tool_rate=0.0, tool_calls=1, filler_rate=0.0, **config):
    chances = {"tool_rate": tool_rate, "tool_calls": tool_calls, "filler_rate": filler_rate}
    return Dialogue(configure={"tools": list(tools), **config}, **chances)


def asked(caller, text="Hello", **response):
    """The response to a text."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    caller.send("conversation.item.create", item=item)
    before = len(caller.heard)
    caller.send("response.create", response=response)
    caller.wait(10_000)
    return caller.heard[before:]


def called(heard):
    return [event["name"] for event in of("response.function_call_arguments.done", heard)]


def test_a_call_comes_in_the_order_of_the_api():
    heard = asked(caller_with(WEATHER, tool_choice="required"))

    assert types(heard) == CALL
    done = of("response.function_call_arguments.done", heard)[0]
    assert json.loads(done["arguments"]) == {"city": "tonight", "days": 2}
    deltas = of("response.function_call_arguments.delta", heard)
    assert "".join(delta["delta"] for delta in deltas) == done["arguments"]
    (item,) = heard[-1]["response"]["output"]
    assert item["type"] == "function_call"
    assert (item["name"], item["call_id"], item["arguments"]) == (
        "get_weather",
        done["call_id"],
        done["arguments"],
    )


def test_the_output_of_a_tool_is_answered_aloud():
    caller = caller_with(WEATHER, tool_choice="required")
    heard = asked(caller)
    call_id = heard[-1]["response"]["output"][0]["call_id"]

    caller.wait(500)
    output = {"type": "function_call_output", "call_id": call_id, "output": "{}"}
    caller.send("conversation.item.create", item=output)
    caller.send("response.create")
    heard = caller.wait(10_000)

    assert not called(heard)
    assert of("response.output_audio.delta", heard)
    call, followup = caller.truths
    assert (call.kind, call.tool_calls) == ("text", 1)
    assert (followup.kind, followup.tool_calls) == ("tool_followup", 0)
    assert followup.tool_output_in == followup.created_out
    assert call.tool_output_in is None
    assert call.call_out == call.done_out
    assert followup.call_out is None


def test_an_output_needs_its_call():
    caller = caller_with(WEATHER)
    output = {"type": "function_call_output", "call_id": "call_nowhere", "output": "{}"}

    error = error_of(caller.send("conversation.item.create", item=output))

    assert (error["code"], error["param"]) == ("invalid_tool_call_id", "item.call_id")


@pytest.mark.parametrize(
    ("config", "response", "text", "tool"),
    [
        ({"tool_choice": {"type": "function", "name": "get_time"}}, {}, "Hello", "get_time"),
        ({}, {}, "please get_time", "get_time"),
        ({}, {"instructions": "Call get_time first."}, "Hello", "get_time"),
        ({}, {"tool_choice": "required", "tools": [CLOCK]}, "Hello", "get_time"),
        ({"tool_choice": "required"}, {"tools": [CLOCK]}, "Hello", "get_time"),
        ({}, {}, "Hello", None),
        ({"tool_choice": "none"}, {}, "please get_time", None),
        ({"tool_choice": "required"}, {"tool_choice": "none"}, "Hello", None),
        ({"tool_choice": "required"}, {"tools": []}, "Hello", None),
    ],
)
def test_who_asks_for_a_tool_gets_it(config, response, text, tool):
    caller = caller_with(WEATHER, CLOCK, **config)

    assert called(asked(caller, text, **response)) == ([tool] if tool else [])


def test_whoever_names_several_tools_gets_them_in_one_response():
    caller = caller_with(WEATHER, CLOCK)

    heard = asked(caller, "get_time and get_weather, please")

    assert called(heard) == ["get_weather", "get_time"]
    assert types(heard) == [*CALL[:-1], *CALL[2:]]
    items = heard[-1]["response"]["output"]
    assert [item["type"] for item in items] == ["function_call", "function_call"]
    assert len({item["call_id"] for item in items}) == 2
    done = of("response.function_call_arguments.done", heard)
    assert [(event["output_index"], event["item_id"]) for event in done] == [
        (0, items[0]["id"]),
        (1, items[1]["id"]),
    ]
    (truth,) = caller.truths
    assert truth.tool_calls == 2


def test_their_outputs_are_answered_together():
    caller = caller_with(WEATHER, CLOCK)
    calls = asked(caller, "get_time and get_weather")[-1]["response"]["output"]

    for call in calls:
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "{}"}
        assert not of("error", caller.send("conversation.item.create", item=output))
    caller.send("response.create")
    heard = caller.wait(10_000)

    assert of("response.output_audio.delta", heard)
    assert [truth.kind for truth in caller.truths] == ["text", "tool_followup"]


def test_so_many_are_called_at_most():
    caller = caller_with(WEATHER, CLOCK, tool_rate=1.0, tool_calls=3)

    counts = [len(called(asked(caller))) for _ in range(60)]

    assert set(counts) == {1, 2, 3}


@pytest.mark.parametrize(
    ("config", "response"),
    [({"parallel_tool_calls": False}, {}), ({}, {"parallel_tool_calls": False})],
)
def test_one_is_called_at_a_time_if_so_asked(config, response):
    caller = caller_with(WEATHER, CLOCK, tool_calls=5, tool_choice="required", **config)

    assert called(asked(caller, "get_time and get_weather", **response)) == ["get_weather"]
    assert len(called(asked(caller, "Hello", **response))) == 1


def test_something_may_be_said_before_a_call():
    caller = caller_with(CLOCK, tool_choice="required", filler_rate=1.0)

    heard = asked(caller)

    message, call = heard[-1]["response"]["output"]
    assert (message["type"], message["role"], call["type"]) == (
        "message",
        "assistant",
        "function_call",
    )
    said = of("response.output_audio.delta", heard)
    assert said
    assert said[0]["at"] - heard[0]["at"] == 300
    assert {event["output_index"] for event in said} == {0}
    (done,) = of("response.function_call_arguments.done", heard)
    assert (done["output_index"], done["at"]) == (1, said[-1]["at"])
    (truth,) = caller.truths
    assert truth.first_out < truth.last_out <= truth.call_out
    assert truth.tool_calls == 1


def test_what_is_said_before_calls_is_one_of_few_short_things():
    caller = caller_with(CLOCK, tool_choice="required", filler_rate=0.5)
    answers = [asked(caller)[-1]["response"]["output"] for _ in range(60)]

    said = Counter(output[0]["content"][0]["transcript"] for output in answers if output[1:])
    shortest = sorted(phrases("tone"), key=attrgetter("seconds"))[:3]
    assert set(said) == {" ".join(phrase.words) for phrase in shortest}
    assert 20 <= said.total() <= 40


def test_in_a_text_session_it_is_written():
    caller = caller_with(CLOCK, tool_choice="required", filler_rate=1.0, output_modalities=["text"])

    message, call = asked(caller)[-1]["response"]["output"]

    assert message["content"][0]["type"] == "output_text"
    assert call["type"] == "function_call"


def test_a_cap_on_tokens_may_leave_no_more_than_the_beginning_of_it():
    caller = caller_with(CLOCK, tool_choice="required", filler_rate=1.0, max_output_tokens=4)

    done = asked(caller)[-1]["response"]

    assert done["status"] == "incomplete"
    assert [item["type"] for item in done["output"]] == ["message"]


@pytest.mark.parametrize(("rate", "least", "most"), [(0.0, 0, 0), (0.5, 30, 70), (1.0, 100, 100)])
def test_the_rate_is_the_share_of_turns_that_call(rate, least, most):
    caller = caller_with(CLOCK, tool_rate=rate)

    calls = sum(len(called(asked(caller))) for _ in range(100))

    assert least <= calls <= most


def test_a_session_without_tools_calls_none():
    assert not called(asked(Dialogue(configure={}, tool_rate=1.0)))


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        (None, {}),
        ({}, {}),
        ({"type": "object"}, {}),
        ({"properties": {"a": {"type": "boolean"}}, "type": "object"}, {"a": True}),
        ({"type": "object", "properties": {"a": {"enum": ["x", "y"]}}}, {"a": "x"}),
        ({"type": "object", "properties": {"a": {"default": 7}}}, {"a": 7}),
        ({"type": "object", "properties": {"a": {"type": ["string", "null"]}}}, {"a": "tonight"}),
        (
            {"type": "object", "properties": {"a": {"anyOf": [{"type": "null"}, {}]}}},
            {"a": None},
        ),
        (
            {
                "type": "object",
                "properties": {"when": {"$ref": "#/$defs/When"}},
                "$defs": {"When": {"type": "object", "properties": {"h": {"type": "number"}}}},
            },
            {"when": {"h": 1}},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": {"const": 3}}}},
            {"a": [3]},
        ),
        ({"type": "object", "properties": "nonsense"}, {}),
        ({"$ref": "#/$defs/none"}, {}),
    ],
)
def test_arguments_fit_the_schema(schema, arguments):
    assert json.loads(example_arguments(schema)) == arguments


def test_a_schema_that_refers_to_itself_ends():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}

    assert "next" in json.loads(example_arguments({**node, "$defs": {"Node": node}}))
