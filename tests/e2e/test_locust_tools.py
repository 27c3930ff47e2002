"""Tools under Locust: functions that users offer and answer, and those of MCP servers."""

import json
import re
import urllib.request
from collections import Counter

import pytest
from locusts import LOCUSTFILE, Locust, wait_until
from ports import free_port

pytestmark = pytest.mark.e2e


def of_tools(locust):
    """Completed turns in which tools were called."""
    turns = (turn for turn in locust.lines("turns") if turn["outcome"] == "completed")
    return [turn for turn in turns if turn["tools"]]


def test_methods_marked_as_tools_are_offered_called_and_answered(folder):
    options = ("--headless", "-u", 2, "-r", 2, "--listen", "done", "--pause", "50ms")
    tools = LOCUSTFILE.with_name("tools.py")
    with Locust(folder, *options, "--tool-choice", "required", locustfile=tools) as locust:
        wait_until(lambda: of_tools(locust), 40, lambda: locust.text)
        locust.process.terminate()
        assert locust.wait() == locust.judged, locust.text
        turns = [turn for turn in locust.lines("turns") if turn["outcome"] == "completed"]
        summary = locust.read("summary.json")

    called = [call for turn in turns for call in turn["tools"]]
    assert called
    assert {(call["name"], call["outcome"], call["valid"]) for call in called} == {
        ("free_tables", "ok", True)
    }
    assert all(turn["own_delay_s"] >= 0.1 for turn in turns if turn["tools"])
    assert summary["tools"][0]["name"] == "free_tables"
    assert {turn["scenario"] for turn in turns} == {"Guest.book_a_table"}


def tools_on(port):
    """The tools that took time, by the metrics served there."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    return set(re.findall(r'^realtime_tool_run_seconds_total.*tool="([^"]*)"', page, re.MULTILINE))


def imports(locust):
    """How imports of a server's tools ended, in sessions that have."""
    ends = (line for line in locust.lines("sessions") if line["event"] == "end")
    return {line["imports"].get("docs") for line in ends}


def test_tools_of_servers_are_waited_for_named_and_missed_where_they_cannot_be_imported(
    folder, simulator
):
    docs = {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example.com"}
    (folder / "session.json").write_text(json.dumps({"tools": [docs], "tool_choice": "required"}))
    target = simulator("--mcp-delay", "300ms", "--mcp-failure-rate", "0.5", "--seed", "1")
    port = free_port()
    options = ("--headless", "-u", 6, "-r", 6, "--listen", "done", "--turns", "1")
    served = ("--host", target.url, "--session", "session.json", "--metrics-port", port)
    with Locust(folder, *options, *served) as locust:
        # The seed has the first two of any six sessions fail, and the next three succeed.
        wait_until(lambda: {"ok", "failed"} <= imports(locust), 40, lambda: locust.text)
        assert wait_until(lambda: tools_on(port), 20) == {"docs.ask_docs"}
        locust.process.terminate()
        assert locust.wait() == locust.judged, locust.text
        turns, summary = locust.lines("turns"), locust.read("summary.json")
        ends = [line for line in locust.lines("sessions") if line["event"] == "end"]

    how = Counter(line["imports"].get("docs") for line in ends)
    assert set(how) <= {"ok", "failed", None}  # none: the run ended before it was known
    assert how["ok"]
    assert how["failed"]
    imported = {line["session"] for line in ends if line["imports"] == {"docs": "ok"}}
    assert {turn["session"] for turn in turns if turn["tools"]} <= imported
    assert all(line["steps"]["tools"] >= 0.3 for line in ends if line["session"] in imported)
    assert summary["errors"]["mcp_list_tools_failed"] == how["failed"]
    assert {tool["name"] for tool in summary["tools"]} == {"docs.ask_docs"}
    missed = f"in {how['failed']} of {how['ok'] + how['failed']} sessions: their import failed"
    assert f"Callers had no tools of MCP server docs {missed}" in " ".join(locust.text.split())
