import json
import os
import subprocess
import sys

import pytest
from junitparser import Error, Failure, JUnitXml
from rundirs import answered, second, session, silent, write_run

from harness.cli import main
from harness.records import Outcome


def good_run(path, **more):
    turns = [answered(n, 0.3, turn=n) for n in range(40)]
    return write_run(path, turns, session(turns=40), [second()], **more)


def test_a_report_is_made_beside_the_records(tmp_path, capsys):
    path = good_run(tmp_path / "run", meta={"options": {"slo": "ttfa:p50<0.4s"}})

    assert main(["report", str(path)]) == 0

    said = capsys.readouterr().out
    assert json.loads((path / "summary.json").read_text())["turns"] == 40
    assert (path / "report.html").stat().st_mtime_ns >= (path / "summary.json").stat().st_mtime_ns
    assert "VALID" in said
    assert "ttfa p50  300 ms" in said
    assert "met  ttfa:p50<0.4s  (300 ms)" in said
    assert str(path / "report.html") in said


def test_what_went_wrong_is_counted_the_most_frequent_first(tmp_path, capsys):
    codes = ["close_1006", "stop", "close_1006", "stall", "fail", "oversize"]
    turns = [answered(n, outcome=Outcome.FAILED, code=code) for n, code in enumerate(codes)]

    main(["report", str(write_run(tmp_path / "run", turns, session(turns=6), [second()]))])

    said = " ".join(capsys.readouterr().out.split())
    assert "turns 6, 6 failed" in said
    assert "errors 6 2 close_1006, 1 fail, 1 oversize, 1 stall, 1 others" in said


def test_the_exit_code_is_that_of_the_run_though_nobody_reads_on(tmp_path):
    path = good_run(tmp_path / "run")
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "harness", "check", path, "--slo", "ttfa:p50<0.4s"]

    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)

    assert (done.returncode, done.stderr) == (0, b"")


def test_the_latest_run_is_reported_when_none_is_named(tmp_path, monkeypatch):
    good_run(tmp_path / "runs" / "20260101T000000Z-abc")
    (tmp_path / "runs" / "latest").symlink_to("20260101T000000Z-abc")
    monkeypatch.chdir(tmp_path)

    assert main(["report", "--quiet"]) == 0

    summary = json.loads((tmp_path / "runs/latest/summary.json").read_text())
    assert summary["run"] == "20260101T000000Z-abc"


def test_several_runs_are_reported_each_by_itself(tmp_path):
    paths = [good_run(tmp_path / name) for name in ("one", "two")]

    assert main(["report", "--quiet", *map(str, paths)]) == 0

    assert [json.loads((p / "summary.json").read_text())["run"] for p in paths] == ["one", "two"]


def test_quiet_says_nothing(tmp_path, capsys):
    assert main(["report", "--quiet", str(good_run(tmp_path))]) == 0

    assert capsys.readouterr() == ("", "")


def test_a_report_is_made_whatever_the_verdict(tmp_path, capsys):
    path = write_run(tmp_path, [answered()], health=[second(late=0.5)], workers=[])

    assert main(["report", str(path)]) == 0

    assert "INVALID" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["report", "check"])
@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda path: None, "there is no run directory"),
        (lambda path: path.mkdir(), "it holds neither run.json nor records"),
        (lambda path: path.write_text(""), "there is no run directory"),
        (lambda path: good_run(path, meta={"options": {"slo": "tfa:p95<1s"}}),
         "'tfa:p95<1s': no metric is called tfa"),
    ],
)  # fmt: skip
def test_what_cant_be_reported_is_one_clear_line(tmp_path, capsys, command, prepare, says):
    prepare(tmp_path / "run")

    assert main([command, str(tmp_path / "run")]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"realtime-harness {command}: ")
    assert says in line


def bad_turn(path):
    return write_run(path, [answered(), silent(3)], session(turns=2), [second()])


@pytest.mark.parametrize(
    ("write", "slo", "code"),
    [
        (good_run, [], 0),
        (good_run, ["ttfa:p50<0.4s"], 0),
        (good_run, ["ttfa:p50<0.4s", "turns:failed<1%"], 0),
        (good_run, ["ttfa:p50<0.2s"], 1),
        (good_run, ["ttfa:p50<0.4s; ttfa:max<0.2s"], 1),
        (good_run, ["ttfa:p99<1s"], 2),  # forty turns carry no p99
        (bad_turn, [], 1),
        (bad_turn, ["turns:failed<2"], 0),
        (lambda p: write_run(p, [answered()], session(outcome="refused"), [second()]), [], 1),
        (lambda p: write_run(p, [answered()], health=[second(late=0.5)]), [], 2),
        (lambda p: good_run(p, meta={"state": "running"}), [], 2),
        (lambda p: good_run(p, meta={"preflight": "refused"}), [], 2),
        (lambda p: write_run(p, sessions=session()), [], 2),
    ],
)
def test_check_judges_by_its_exit_code(tmp_path, write, slo, code):
    path = write(tmp_path)
    options = [word for objective in slo for word in ("--slo", objective)]

    assert main(["check", str(path), *options]) == code

    assert not (path / "summary.json").exists()


def test_check_takes_the_objectives_of_the_run_unless_others_are_given(tmp_path, capsys):
    path = good_run(tmp_path, meta={"options": {"slo": "ttfa:p50<0.2s"}})

    assert main(["check", str(path)]) == 1
    assert "missed  ttfa:p50<0.2s  (300 ms)" in capsys.readouterr().out
    assert main(["check", str(path), "--slo", "ttfa:p50<0.5s"]) == 0


def test_check_says_why_a_run_proves_nothing(tmp_path, capsys):
    assert main(["check", str(write_run(tmp_path))]) == 2

    assert "no turn was begun" in capsys.readouterr().out


def test_check_writes_junit(tmp_path):
    path, xml = good_run(tmp_path / "run"), tmp_path / "out.xml"
    slo = "ttfa:p50<0.4s;ttfa:max<0.2s;ttfa:p99<1s"

    assert main(["check", str(path), "--slo", slo, "--junit", str(xml)]) == 2

    (suite,) = JUnitXml.fromfile(str(xml))
    assert (suite.tests, suite.failures, suite.errors) == (4, 1, 1)
    results = [(case.name, [type(result) for result in case.result]) for case in suite]
    assert results == [
        ("verdict", []),
        ("ttfa:p50<0.4s", []),
        ("ttfa:max<0.2s", [Failure]),
        ("ttfa:p99<1s", [Error]),
    ]
    cases = list(suite)
    assert [case.is_passed for case in cases] == [True, True, False, False]
    assert cases[2].result[0].message == "300 ms"
    assert cases[0].classname == "run"


def test_without_objectives_junit_holds_whether_anything_failed(tmp_path):
    xml = tmp_path / "out.xml"

    main(["check", str(bad_turn(tmp_path / "run")), "--junit", str(xml)])

    (suite,) = JUnitXml.fromfile(str(xml))
    case = list(suite)[1]
    assert case.name == "no turn or session failed"
    assert case.result[0].message == "1 turns and 0 sessions failed"


@pytest.mark.parametrize("columns", ["24", "80", "400"])
def test_the_terminal_gets_whole_lines_at_any_width(tmp_path, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)

    main(["report", str(good_run(tmp_path / "a-run-with-a-name-that-is-rather-long"))])

    out = capsys.readouterr().out
    assert "ttfa p50  300 ms" in out
    assert str(tmp_path / "a-run-with-a-name-that-is-rather-long" / "report.html") in out
    assert "\x1b" not in out  # no colours where nobody looks


def test_reporting_imports_neither_locust_nor_gevent_and_judging_no_pandas(tmp_path):
    code = (
        "import sys, harness.slo, harness.verdict\n"
        "assert not {'pandas', 'numpy', 'pyarrow'} & sys.modules.keys()\n"
        "from harness.cli import main\n"
        f"main(['report', '--quiet', {str(good_run(tmp_path))!r}])\n"
        "assert not {'locust', 'gevent'} & sys.modules.keys()\n"
    )

    environment = os.environ | {"COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment)
    assert done.returncode == 0
