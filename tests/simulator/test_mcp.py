"""Tools that the endpoint runs itself, on MCP servers: imported, called, approved."""

import json

import pytest
from dialogue import Dialogue, error_of, of, settings, types

from harness.simulator.endpoint import Endpoint

DOCS = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": "https://mcp.example.com",
    "allowed_tools": ["search", "fetch"],
    "require_approval": "never",
}
FROM_DOCS = {"type": "mcp", "server_label": "docs"}
CLOCK = {"type": "function", "name": "get_time"}


def caller_with(*tools, **config):
    """A caller whose servers' tools are imported."""
    options = {key: config.pop(key) for key in ("mcp_delay", "mcp_failure_rate") if key in config}
    caller = Dialogue(configure={"tools": list(tools), **config}, **options)
    caller.wait(1000)
    return caller


def asked(caller, text="Hello", wait=10_000, **response):
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    caller.send("conversation.item.create", item=item)
    before = len(caller.heard)
    caller.send("response.create", response=response)
    caller.wait(wait)
    return caller.heard[before:]


def approve(caller, request, *, approve=True):
    verdict = {"approval_request_id": request["id"], "approve": approve}
    return caller.send(
        "conversation.item.create", item={"type": "mcp_approval_response", **verdict}
    )


def calls(heard):
    """Names of what a response called, servers' tools with their label."""
    output = of("response.done", heard)[0]["response"]["output"]
    return [
        f"{item['server_label']}.{item['name']}" if item["type"] == "mcp_call" else item["name"]
        for item in output
        if item["type"] in ("mcp_call", "function_call")
    ]


def test_a_session_imports_the_tools_of_its_servers():
    caller = Dialogue(configure={"tools": [DOCS]})
    caller.wait(1000)

    assert types(caller.heard)[-5:] == [
        "session.updated",
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "conversation.item.done",
    ]
    begun, completed = caller.heard[-3], caller.heard[-2]
    assert (begun["at"], completed["at"]) == (0, 300)
    item = caller.heard[-1]["item"]
    assert (item["id"], item["server_label"]) == (completed["item_id"], "docs")
    assert [tool["name"] for tool in item["tools"]] == ["search", "fetch"]


def test_a_server_is_asked_once_for_its_tools():
    caller = caller_with(DOCS)

    caller.configure(tools=[DOCS, {**DOCS, "server_label": "more", "allowed_tools": None}])
    heard = caller.wait(1000)

    (item,) = (event["item"] for event in of("conversation.item.done", heard))
    assert (item["server_label"], item["tools"][0]["name"]) == ("more", "ask_more")


def test_a_response_may_bring_a_server_of_its_own():
    caller = caller_with()

    heard = asked(caller, "search", tools=[DOCS])

    assert not calls(heard)  # its tools come too late for this one
    assert of("mcp_list_tools.completed", heard)
    assert calls(asked(caller, "search", tools=[DOCS])) == ["docs.search"]


def test_a_server_that_fails_has_no_tools():
    caller = caller_with(DOCS, mcp_failure_rate=1.0, tool_choice="required")

    assert of("mcp_list_tools.failed", caller.heard)
    assert not of("mcp_list_tools.completed", caller.heard)
    assert not calls(asked(caller))


def test_which_servers_fail_follows_from_the_seed_not_from_ids():
    def failed(name):
        endpoint = Endpoint(settings(mcp_failure_rate=0.5), lambda truth: None, name)
        for _ in range(10):
            caller = Dialogue(endpoint=endpoint, configure={"tools": [DOCS]})
            yield len(of("mcp_list_tools.failed", caller.wait(1000)))

    one = list(failed("one"))
    assert one == list(failed("other"))
    assert set(one) == {0, 1}


def test_a_tool_is_called_and_run_and_waits_for_the_client_to_go_on():
    caller = caller_with(DOCS, tool_choice=FROM_DOCS)

    heard = asked(caller, parallel_tool_calls=False)

    assert types(heard) == [
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.output_item.done",
        "response.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "conversation.item.done",
    ]
    done, called, ran = (
        of(f"response.{name}", heard)[0]
        for name in ("mcp_call_arguments.done", "mcp_call.in_progress", "mcp_call.completed")
    )
    assert json.loads(done["arguments"]) == {"query": "tonight"}
    assert done["item_id"] == called["item_id"] == ran["item_id"]
    assert ran["at"] - called["at"] == 300
    item = heard[-1]["item"]
    assert (item["server_label"], item["name"], item["output"]) == (
        "docs",
        "search",
        '{"status":"ok"}',
    )

    caller.send("response.create")
    assert of("response.output_audio.delta", caller.wait(10_000))
    call, followup = caller.truths
    assert (call.kind, call.tool_calls) == ("text", 1)
    assert (followup.kind, followup.tool_calls) == ("tool_followup", 0)
    assert followup.tool_output_in == ran["at"] * 1_000_000


@pytest.mark.parametrize(
    ("config", "text", "called"),
    [
        ({}, "Hello", []),
        ({}, "please fetch", ["docs.fetch"]),
        ({}, "get_time and fetch", ["get_time", "docs.fetch"]),
        ({"tool_choice": {**FROM_DOCS, "name": "fetch"}}, "", ["docs.fetch"]),
        ({"tool_choice": FROM_DOCS}, "", ["docs.search", "docs.fetch"]),
        ({"tool_choice": {**FROM_DOCS, "server_label": "other"}}, "", []),
        ({"tool_choice": {"type": "function", "name": "fetch"}}, "", []),
        ({"tool_choice": {"type": "function", "name": "get_time"}}, "", ["get_time"]),
        ({"tool_choice": "none"}, "fetch", []),
    ],
)
def test_tools_of_servers_are_chosen_as_functions_are(config, text, called):
    assert calls(asked(caller_with(CLOCK, DOCS, **config), text)) == called


def test_a_tool_may_fail():
    caller = caller_with(DOCS, tool_choice="required")
    caller.endpoint.settings = caller_with(mcp_failure_rate=1.0).endpoint.settings

    heard = asked(caller)

    assert of("response.mcp_call.failed", heard)
    assert heard[-1]["item"]["error"]["type"] == "tool_execution_error"
    assert "output" not in heard[-1]["item"]


def test_a_call_that_needs_approval_is_run_once_approved():
    caller = caller_with({**DOCS, "require_approval": "always"}, tool_choice="required")

    heard = asked(caller)
    call, request = heard[-1]["response"]["output"]
    assert (call["type"], request["type"]) == ("mcp_call", "mcp_approval_request")
    assert call["approval_request_id"] == request["id"]
    assert (call["name"], call["arguments"]) == (request["name"], request["arguments"])
    assert not of("response.mcp_call.in_progress", heard)

    heard = approve(caller, request) + caller.wait(1000)
    assert types(heard)[-3:] == [
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "conversation.item.done",
    ]
    assert heard[-1]["item"]["id"] == call["id"]


def test_one_that_is_refused_is_not_run():
    caller = caller_with({**DOCS, "require_approval": "always"}, tool_choice="required")
    request = asked(caller)[-1]["response"]["output"][1]

    heard = approve(caller, request, approve=False) + caller.wait(1000)

    assert not of("response.mcp_call.in_progress", heard)
    caller.send("response.create")
    assert of("response.output_audio.delta", caller.wait(10_000))


def test_only_what_was_asked_can_be_approved():
    error = error_of(approve(caller_with(DOCS), {"id": "nobody"}))

    assert (error["code"], error["param"]) == ("invalid_value", "item.approval_request_id")


@pytest.mark.parametrize(
    ("rule", "requests"),
    [
        (None, 2),
        ("always", 2),
        ("never", 0),
        ({"never": {"tool_names": ["search"]}}, 1),
        ({"always": {"tool_names": ["search"]}}, 2),
    ],
)
def test_approval_is_needed_unless_it_is_spared(rule, requests):
    caller = caller_with({**DOCS, "require_approval": rule})

    (done,) = of("response.done", asked(caller, "search and fetch"))

    asks = [item for item in done["response"]["output"] if item["type"] == "mcp_approval_request"]
    assert len(asks) == requests


def test_a_server_needs_a_label():
    caller = Dialogue(configure={})

    error = error_of(caller.configure(tools=[{"type": "mcp", "server_url": "https://x"}]))

    assert error["param"] == "session.tools[0].server_label"


def test_an_interrupted_call_is_not_run():
    caller = caller_with(DOCS, tool_choice="required")

    asked(caller, wait=100)
    heard = caller.send("response.cancel") + caller.wait(5000)

    assert not of("response.mcp_call.in_progress", heard)
