import pytest
from rundirs import answered, write_run

from harness.cli import main
from harness.report.load import load_run
from harness.report.roll import roll_call


def texts(path, roll):
    return [entry["text"] for entry in roll_call(load_run(write_run(path, meta={"roll": roll})))]


def test_it_says_which_worker_died_when(tmp_path):
    roll = [
        {"t": 4.26, "worker": "host-1", "change": "missing"},
        {"t": 9.0, "worker": "host-1", "change": "returned"},
        {"t": 61.5, "worker": "host-1", "change": "lost"},
    ]

    assert texts(tmp_path, roll) == [
        "host-1 was missing, silent from 4.3 s on",
        "host-1 came back after 9.0 s",
        "host-1 was lost, silent from 61.5 s on: its last records never came",
    ]


@pytest.mark.parametrize("roll", [None, [], "nonsense", [{"t": "late"}]])
def test_without_a_roll_nothing_is_said(tmp_path, roll):
    assert texts(tmp_path, roll) == []


def test_a_change_it_does_not_know_is_told_as_it_stands(tmp_path):
    assert texts(tmp_path, [{"t": 1, "worker": "a {b}", "change": "new {t}"}]) == ["a {b}: new {t}"]


def test_the_page_and_the_terminal_say_it(tmp_path, capsys):
    roll = [{"t": 4.0, "worker": "host-1", "change": "lost"}]
    path = write_run(tmp_path, [answered()], meta={"roll": roll})

    main(["report", str(path)])

    said = "host-1 was lost, silent from 4.0 s on"
    assert said in capsys.readouterr().out
    assert said in (path / "report.html").read_text()
