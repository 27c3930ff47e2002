import pytest
from rundirs import answered, at, session, write_run

from harness.cli import main
from harness.report.arrivals import arrivals
from harness.report.load import load_run

TOLD = {"rate": 0.5, "began_ns": 1, "due": 43, "begun": 40, "blocked": 5, "waiting": 3}


def call(number, wait, *, blocked=False):
    due = 2.0 * number
    lines = session(due + wait, due + wait + 1, caller=number, call=1)
    for line in lines:
        line.arrival, line.due_at, line.blocked = number, at(due), blocked
    return lines


@pytest.fixture
def run(tmp_path):
    """40 calls began: 38 in time, two after 3 and 8 s; three more never did."""
    waits = {11: 3.0, 12: 8.0}
    calls = [call(n, waits.get(n, 0.002), blocked=n in waits) for n in range(1, 41)]
    sessions = [line for lines in calls for line in lines]
    return write_run(tmp_path / "run", [answered()], sessions, meta={"arrivals": TOLD})


def test_a_closed_crowd_has_no_arrivals(tmp_path):
    assert arrivals(load_run(write_run(tmp_path, [answered()], session()))) is None


def test_what_the_schedule_wanted_and_what_became_of_it(run):
    found = arrivals(load_run(run))

    assert {name: found[name] for name in ("due", "begun", "blocked", "never_begun")} == {
        "due": 43,
        "begun": 40,
        "blocked": 5,
        "never_begun": 3,
    }
    assert found["wait"]["count"] == 43
    assert found["wait"]["p50"] == pytest.approx(0.002)
    assert found["wait"]["max"] == {"value": None, "above": pytest.approx(8.0)}


def test_without_the_masters_word_the_calls_that_began_say_what_they_can(tmp_path):
    sessions = [*call(1, 0.001), *call(2, 4.0, blocked=True)]

    found = arrivals(load_run(write_run(tmp_path, [answered()], sessions)))

    assert (found["due"], found["begun"], found["blocked"]) == (2, 2, 1)


def test_blocked_calls_stand_on_top_of_everything(run, capsys):
    text = "5 of 43 calls were blocked: no caller was idle when they were due."
    more = "Those that began waited 3.00 s in the median, 8.00 s at most; 3 never began."

    assert main(["report", str(run), "--markdown", str(run / "report.md")]) == 0

    said = " ".join(capsys.readouterr().out.split())
    assert said.index(text) < said.index("turns ")
    for name in ("report.html", "report.md"):
        page = (run / name).read_text()
        assert f"{text} {more}" in page
        assert page.index(text) < page.index("p95")
    assert more in said


def test_a_call_that_was_handed_out_again_counts_once(tmp_path):
    sessions = [*call(1, 0.5), *call(2, 1.0, blocked=True)]
    again = call(2, 9.0, blocked=True)
    for line in again:
        line.worker = "other"

    path = write_run(tmp_path, [answered()], sessions + again, workers=["local", "other"])
    found = arrivals(load_run(path))

    assert (found["due"], found["begun"], found["blocked"], found["never_begun"]) == (2, 2, 1, 0)
    assert found["wait"]["max"] == pytest.approx(1.0)
