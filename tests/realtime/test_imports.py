"""What a session knows of the tools that its endpoint imports."""

import ga
import pytest

from harness.realtime.client_events import UpdateSession
from harness.realtime.session import Session

DOCS = {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example.com"}
LIST = {"id": "list_1", "type": "mcp_list_tools", "server_label": "docs"}
TOOLS = [{"name": "search", "input_schema": {}}, {"name": "fetch", "input_schema": {}}]


def session(*tools):
    opened = Session()
    opened.opened()
    opened.receive(ga.created())
    opened.send(UpdateSession(session={"type": "realtime", "tools": list(tools)}))
    opened.receive(ga.updated())
    return opened


def added(**fields):
    return ga.message("conversation.item.added", item=LIST | {"tools": []} | fields)


def listed(tools=TOOLS, **fields):
    return ga.message("conversation.item.done", item=LIST | {"tools": tools} | fields)


def event(how, item="list_1"):
    return ga.message(f"mcp_list_tools.{how}", item_id=item)


@pytest.mark.parametrize(
    "told",
    [
        (added(), event("in_progress"), event("completed"), listed()),
        (added(), event("in_progress"), listed(), event("completed")),
        (event("in_progress"), event("completed"), listed()),
        (listed(),),
    ],
    ids=["the event first", "the item first", "no item before", "the item alone"],
)
def test_tools_are_imported_in_whatever_order_the_endpoint_says_so(told):
    it = session(DOCS)
    assert it.imports.pending == ["docs"]

    for message in told:
        it.receive(message)

    assert (it.imports.pending, it.imports.complete) == ([], True)
    assert it.imports.outcomes == {"docs": "ok"}
    assert it.imports.lists("docs", "search")
    assert not it.imports.lists("docs", "forget")
    assert not it.imports.lists("", "search")
    assert it.deviations == {}


@pytest.mark.parametrize(
    ("told", "outcome", "codes"),
    [
        ((added(), event("failed"), listed([])), "failed", ["mcp_list_tools_failed"]),
        ((added(), listed([]), event("failed")), "failed", ["mcp_list_tools_failed"]),
        ((added(), event("completed"), listed([])), "empty", []),
        ((added(),), "late", ["mcp_list_tools_timeout"]),
        ((added(), None, event("completed"), listed()), "late", ["mcp_list_tools_timeout"]),
        ((), "ignored", []),
    ],
    ids=["failed", "failed after its item", "empty", "late", "complete too late", "ignored"],
)
def test_it_is_told_apart_why_tools_are_missing(told, outcome, codes):
    it = session(DOCS)
    for message in told:
        if message is None:
            it.imports.give_up()
        else:
            it.receive(message)
    it.imports.give_up()

    assert it.imports.outcomes == {"docs": outcome}
    assert it.imports.codes == codes
    assert len(it.imports.complaints) == (outcome != "empty")


def test_each_server_is_waited_for_but_not_those_of_the_endpoints_own():
    it = session(DOCS, DOCS | {"server_label": "shop"}, {"type": "function", "name": "get_time"})
    own = {"id": "list_2", "server_label": "house"}
    for message in (added(), event("completed"), added(**own), event("failed", "list_2")):
        it.receive(message)

    assert it.imports.pending == ["shop"]
    assert it.imports.outcomes == {"docs": "ok"}


def test_a_session_without_servers_waits_for_nothing():
    it = session({"type": "function", "name": "get_time"})

    assert (it.imports.pending, it.imports.complete, it.imports.outcomes) == ([], False, {})
