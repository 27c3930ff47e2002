import json
import re

import numpy as np
import pytest
from rundirs import write_run
from searched import crowd, searched, shares

from bench.knee import knee
from harness.capacity import Plan, Search
from harness.cli import main
from harness.report.crossing import Curve, crossing_interval

ASKED = "ttfa:p95<0.8s; turns:failed<1%"
PLACES = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    search = Search(shares(ASKED), Plan(start=8))
    path = tmp_path_factory.mktemp("runs") / "search"
    return searched(path, search, crowd(PLACES), [s.objective.text for s in shares(ASKED)])


@pytest.fixture(scope="module")
def summary(run):
    assert main(["report", "--quiet", str(run)]) == 0
    return json.loads((run / "summary.json").read_text())


def test_the_answer_is_the_knee_that_was_set_with_an_interval_around_it(summary):
    true = knee(lambda: crowd(PLACES), 0.8, 0.05, 400)

    found = summary["capacity"]

    assert found["calls"] == pytest.approx(true, rel=0.1)
    assert found["low"] <= found["calls"] < found["breaks"] <= found["high"]
    assert found["low"] <= true <= found["high"]
    assert re.fullmatch(
        rf"{found['calls']} calls \(95 % CI {found['low']}–{found['high']}\) at p95 TTFA < 0.8 s "
        r"and turns:failed<1%; first to break: ttfa",
        found["text"],
    )


def test_the_curve_says_at_each_number_of_calls_how_many_turns_fell_short(summary):
    found = summary["capacity"]
    steps = [step for step in found["steps"] if step["kind"] != "recover"]

    for step in steps:
        assert step["turns"] >= 40
        assert step["holds"] == (step["over"]["ttfa:p95<0.8s"] < 0.05)
        assert step["over"]["turns:failed<1%"] == 0
    assert found["first_to_break"] == [
        {"objective": "ttfa:p95<0.8s", "calls": found["breaks"], "what": "ttfa"}
    ]


def test_the_run_is_judged_by_what_it_found_not_by_what_it_overloaded(run, summary):
    assert [slo["met"] for slo in summary["slo"]] == [True, True]
    assert main(["check", "--quiet", str(run), "--slo", "ttfa:p99.9<9s"]) == 2  # too few turns
    assert main(["check", "--quiet", str(run), "--slo", "ttfa:p50<0.8s"]) == 0
    assert summary["metrics"]["ttfa"]["max"] > 1  # of the whole run


def test_terminal_page_and_markdown_say_it(run, summary, capsys, tmp_path):
    main(["report", str(run), "--markdown", str(tmp_path / "report.md"), "--tables", str(tmp_path)])

    said = " ".join(capsys.readouterr().out.split())
    text = summary["capacity"]["text"]
    assert f"capacity {text}" in said
    assert text.replace("<", "&lt;") in (run / "report.html").read_text()
    assert 'id="plot-capacity"' in (run / "report.html").read_text()
    assert text.split(" at p95")[0] in (tmp_path / "report.md").read_text()
    steps = (tmp_path / "capacity.csv").read_text().splitlines()
    assert len(steps) == 1 + len(summary["capacity"]["steps"])
    assert steps[0].startswith('"callers","kind","holds"')


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"holds": 0, "breaks": 5, "ended": "no recovery"}, "No number of calls that was tried"),
        ({"holds": 40, "breaks": None, "ended": "most"}, "At least 40 calls, the most that were"),
        ({"holds": 40, "breaks": 80, "ended": ""}, "stopped before it was over"),
        ({"holds": 40, "breaks": 80, "ended": "no recovery"}, "did not recover"),
        ({"holds": 0, "breaks": None, "ended": "not reached"}, "not all callers came"),
    ],
)
def test_a_search_that_found_no_number_says_why(tmp_path, found, says):
    capacity = {"objectives": ["ttfa:p95<0.8s"], "steps": [], **found}
    path = write_run(tmp_path / "run", meta={"capacity": capacity})

    main(["report", "--quiet", str(path)])

    assert says in json.loads((path / "summary.json").read_text())["capacity"]["text"]


def test_a_run_that_was_no_search_has_no_capacity(tmp_path):
    path = write_run(tmp_path / "run")

    main(["report", "--quiet", str(path)])

    assert json.loads((path / "summary.json").read_text())["capacity"] is None


def test_the_interval_covers_where_the_share_crosses_its_limit():
    """Of 60 seeds: calls of four turns at five levels, whose share rises past 5 % at 125 calls."""
    levels, covered = [50, 100, 120, 130, 150], 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        cells, units = [], 0
        for level in levels:
            share = 0.05 * np.exp((level - 125) / 10)
            calls = rng.beta(4 * share, 4 * (1 - share), size=80)  # some calls are worse
            cells.append((np.repeat(np.arange(80) + units, 4), rng.random(320) < calls.repeat(4)))
            units += 80
        low, high = crossing_interval(levels, [Curve.of(0.05, cells, units)], units)
        covered += low <= 125 <= high
    assert covered >= 54
