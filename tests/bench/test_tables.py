"""What is made of measurements: medians, ratios of the same repetition, growth, targets, pages."""

import pytest

from bench.connects import Connects
from bench.grid import Grid, as_markdown
from bench.page import BEGIN, END, write_part
from bench.results import Measured, Result, ratios, result, summarise
from bench.tables import compared, connected, each_run, growth
from bench.targets import targets
from bench.workload import Job, Plan, turn_seconds, window_seconds

S = 1_000_000_000


def one(client, cpu, *, sessions=400, repetition=0, turns=2000, **more):
    known = {
        "lateness_p50_ms": 0.1,
        "lateness_p99_ms": 1.5,
        "ttfa_error_p50_ms": 0.01,
        "ttfa_error_p99_ms": 0.2,
        "spoken": 1.0,
        "unmatched": 0,
        "endpoint_cpu": 0.4,
        "others_cpu": 0.01,
        "connect_s": 2.0,
        "memory_kb": 50.0,
    }
    return Result(
        client=client, sessions=sessions, repetition=repetition, turns=turns, cpu=cpu,
        **{**known, **more},
    )  # fmt: skip


RUNS = [
    *(one("worker", cpu, repetition=n) for n, cpu in enumerate((1.0, 1.4, 1.2))),
    *(one("websocket-client", cpu, repetition=n) for n, cpu in enumerate((2.0, 2.0, 1.5))),
    *(one("worker+tls", cpu, repetition=n) for n, cpu in enumerate((1.5, 1.4, 3.0))),
]


def test_a_run_is_joined_with_the_truth_of_its_window():
    job = Job(url="", sessions=2, utterance="yes-please", warm_up_s=0, seconds=10, core=0,
              other_core=1, folder="")  # fmt: skip
    measured = Measured(
        began=10 * S, ended=20 * S, cpu_s=0.5, frames=500, lateness_p50_s=0.0001,
        lateness_p99_s=0.002, first_audio={"a": 11 * S + 300_000, "b": 9 * S}, connect_s=1,
        memory_bytes=80_000,
    )  # fmt: skip
    truth = [
        {"response_id": "a", "first_out": 11 * S},
        {"response_id": "b", "first_out": 9 * S - 1},  # before the window
        {"response_id": "c", "first_out": 12 * S},  # not heard by the client
        {"response_id": "d", "first_out": None},
    ]

    found = result("worker", job, 0, measured, truth, endpoint_cpu=0.3, busy_s=4.5)

    assert (found.turns, found.unmatched) == (1, 1)
    assert found.ttfa_error_p50_ms == pytest.approx(0.3)
    assert found.cpu == pytest.approx(25)  # half a second in twenty session-seconds
    assert found.others_cpu == pytest.approx(0.1)
    assert found.memory_kb == 40


def test_whole_turns_are_measured():
    turn = turn_seconds("opening-hours")

    assert window_seconds(Plan(seconds=2.1 * turn)) == pytest.approx(3 * turn)
    assert window_seconds(Plan(seconds=turn)) == pytest.approx(turn)


def test_ratios_are_of_the_same_repetition():
    assert dict(ratios(RUNS, "worker", 400)) == {
        "websocket-client": pytest.approx([0.5, 0.7, 0.8]),
        "worker+tls": pytest.approx([1 / 1.5, 1.0, 0.4]),
    }
    assert [summary.cpu for summary in summarise(RUNS)] == [1.2, 2.0, 1.5]


def test_targets_are_held_against_medians():
    said = {target.what: (target.value, target.reached) for target in targets(RUNS)}

    assert said == {
        "CPU of the worker over bare websocket-client": (pytest.approx(0.7), False),
        "CPU of the worker, TLS over plaintext": (pytest.approx(1.5), True),
        "frame lateness p99": (1.5, True),
        "TTFA error p99": (0.2, True),
        "memory a session": (50.0, False),
    }


def test_tables_stand_on_a_page_with_each_repetition():
    medians, beside = compared(RUNS)
    page = as_markdown(beside)

    assert as_markdown(medians).splitlines()[4] == (
        "| worker | 1.20 | 0.10 | 1.50 | 0.010 | 0.200 | 50 | 40% | 0.01 |"
    )
    assert "| websocket-client | 0.70 | 0.50, 0.70, 0.80 |" in page
    assert len(each_run(RUNS).rows) == 9


def test_few_turns_carry_no_99th_percentile():
    thin = [one("worker", 1.0, turns=999), one("picows", 1.0, turns=1000)]
    medians, _ = compared(thin)

    assert [row[5] for row in medians.rows] == ["–", "0.200"]
    assert "TTFA error p99" not in {target.what for target in targets(thin)}


def test_growth_says_what_a_further_session_costs():
    runs = [
        one("worker", 1.0, memory_kb=60.0),
        one("worker", 1.3, sessions=100, memory_kb=120.0),
        one("picows", 1.0),
    ]
    (grown,) = growth(runs)

    assert [row[:3] for row in grown.rows] == [("100", "13%", "1.30"), ("400", "40%", "1.00")]
    assert grown.notes[-1] == "40 kB more."  # 24 MB less 12 MB, for 300 sessions
    assert list(growth(runs[2:])) == []


def test_sessions_opened_a_second():
    grid = connected([Connects(sessions=400, seconds=2.0, cpu_s=0.8, endpoint_cpu_s=0.4)])

    assert grid.rows == [("plaintext", "400", "200", "2.00", "1.00")]


def test_only_what_stands_between_the_marks_of_a_page_is_replaced(tmp_path):
    page = tmp_path / "README.md"
    write_part(page, "new\n")
    assert page.read_text() == "new\n"

    page.write_text(f"head\n{BEGIN}old\n{END}foot\n")
    write_part(page, "new\n")

    assert page.read_text() == f"head\n{BEGIN}\nnew\n\n{END}foot\n"


def test_a_grid_without_notes_is_a_title_and_a_table():
    grid = Grid(title="t", columns=("a", "b"), rows=[("1", "2")])

    assert as_markdown(grid) == "### t\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n"
