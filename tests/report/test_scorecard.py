from rundirs import answered, session, write_run

from harness.realtime.deviations import DEVIATION_KINDS
from harness.report.files import write_page
from harness.report.load import load_run
from harness.report.scorecard import scorecard
from harness.report.summary import summarise


def test_deviations_add_up_over_sessions_the_most_frequent_first():
    rows = scorecard(
        [
            ({"beta_name": {"response.audio.delta": 2}}, 2),
            ({}, 7),
            (
                {
                    "beta_name": {"response.audio.delta": 3, "response.audio.done": 1},
                    "of_the_future": {"": 1},
                },
                1,
            ),
        ]
    )

    assert [(row["kind"], row["where"], row["count"], row["sessions"]) for row in rows] == [
        ("beta_name", "response.audio.delta", 7, 3),
        ("beta_name", "response.audio.done", 1, 1),
        ("of_the_future", "", 1, 1),
    ]
    assert rows[0]["meaning"] == DEVIATION_KINDS["beta_name"]
    assert rows[2]["meaning"] == ""


def test_the_scorecard_of_a_run_stands_in_its_summary_and_on_its_page(tmp_path):
    card = {"unknown_event": {"<b>odd</b>": 3}}
    sessions = [*session(caller=0, scorecard=card), *session(caller=1, scorecard=card)]
    run = load_run(write_run(tmp_path, [answered()], sessions))
    summary = summarise(run)
    page = write_page(run, summary, {}).read_text()

    (row,) = summary["scorecard"]
    assert (row["where"], row["count"], row["sessions"]) == ("<b>odd</b>", 6, 2)
    assert "&lt;b&gt;odd" in page
    assert DEVIATION_KINDS["unknown_event"] in page


def test_without_deviations_there_is_no_scorecard(tmp_path):
    run = load_run(write_run(tmp_path, [answered()], session()))
    summary = summarise(run)

    assert summary["scorecard"] == []
    assert "Scorecard" not in write_page(run, summary, {}).read_text()
