"""What a report says of tools that callers had to do without."""

from rundirs import session, write_run

from harness.report.imports import missing_tools
from harness.report.load import load_run
from harness.report.summary import summarise


def test_a_finding_says_in_how_many_sessions_tools_were_missing_and_why(tmp_path):
    how = ["ok"] * 5 + ["failed"] * 2 + ["late"]
    lines = [
        line
        for caller, outcome in enumerate(how)
        for line in session(caller=caller, imports={"docs": outcome, "shop": "ok"})
    ]
    run = load_run(write_run(tmp_path, sessions=lines))

    (finding,) = missing_tools(run)
    assert (finding["what"], finding["server"]) == ("tools", "docs")
    assert finding["outcomes"] == {"ok": 5, "failed": 2, "late": 1}
    assert finding["text"] == (
        "Callers had no tools of MCP server docs in 3 of 8 sessions: "
        "their import failed (2), it was not done before they spoke (1)"
    )
    assert summarise(run)["findings"] == [finding]


def test_sessions_without_servers_are_no_finding(tmp_path):
    run = load_run(write_run(tmp_path, sessions=session()))

    assert missing_tools(run) == []
