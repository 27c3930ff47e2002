"""The locustfile that offers functions: the endpoint calls them, the user answers."""

import pytest
from locusts import LOCUSTFILE, Locust

pytestmark = pytest.mark.e2e


def test_methods_marked_as_tools_are_offered_called_and_answered(folder):
    options = ("--headless", "-u", 2, "-r", 2, "-t", "8s", "--listen", "done", "--pause", "50ms")
    tools = LOCUSTFILE.with_name("tools.py")
    with Locust(folder, *options, "--tool-choice", "required", locustfile=tools) as locust:
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
