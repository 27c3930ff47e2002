import errno
import json
import os
import re

import pytest

from harness.records import Health, Session, Turn
from harness.sinks.rundir import RunDirectory, RunDirectoryError, check_writable


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_records_are_on_disk_as_soon_as_they_are_written(tmp_path):
    run = RunDirectory.create(tmp_path / "runs", {"seed": 7})

    run.on_turn(Turn(caller=3, said="menu"))
    run.on_session(Session(caller=3))
    run.on_health(Health(worker="local"))

    (turn,) = lines(run.path / "turns.jsonl")
    (session,) = lines(run.path / "sessions.jsonl")
    (health,) = lines(run.path / "health.jsonl")
    assert (turn["caller"], turn["said"]) == (3, "menu")
    assert (session["caller"], session["event"]) == (3, "start")
    assert health["worker"] == "local"


def test_a_run_is_named_by_its_utc_time_and_latest_points_to_the_newest(tmp_path):
    RunDirectory.create(tmp_path, {})
    newest = RunDirectory.create(tmp_path, {})

    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", newest.id)
    assert str((tmp_path / "latest").readlink()) == newest.id


def test_run_json_says_what_it_was_given_and_what_was_added(tmp_path):
    run = RunDirectory.create(tmp_path, {"seed": 7})
    run.update(anchors={"local": {"monotonic_ns": 1, "time_ns": 2}})

    assert json.loads((run.path / "run.json").read_text()) == {
        "run": run.id,
        "seed": 7,
        "anchors": {"local": {"monotonic_ns": 1, "time_ns": 2}},
    }


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "runs").write_text("a file")

    with pytest.raises(RunDirectoryError) as caught:
        RunDirectory.create(tmp_path / "runs", {})

    assert "--run-dir" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_whether_runs_can_be_recorded_is_known_beforehand(tmp_path):
    (tmp_path / "file").write_text("a file")

    check_writable(tmp_path / "runs")
    with pytest.raises(RunDirectoryError, match=r"file exists.*--run-dir"):
        check_writable(tmp_path / "file")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_full_disk_is_one_clear_line(tmp_path, monkeypatch):
    run = RunDirectory.create(tmp_path, {})

    def full(fd, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(
        RunDirectoryError, match=r"no space left on device; what came before is kept"
    ):
        run.on_turn(Turn())


def test_a_short_write_is_finished(tmp_path, monkeypatch):
    run = RunDirectory.create(tmp_path, {})
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))

    run.append("turns.jsonl", b'{"a": 1, "b": 2, "c": 3}\n')

    assert lines(run.path / "turns.jsonl") == [{"a": 1, "b": 2, "c": 3}]


def test_a_tape_is_a_file_of_its_own_and_no_other_name_is_taken(tmp_path):
    run = RunDirectory.create(tmp_path, {})

    run.append("tapes/local-1-2-3.jsonl", b"{}\n")

    assert lines(run.path / "tapes" / "local-1-2-3.jsonl") == [{}]
    for name in ("tapes/../../x.jsonl", "tapes/a/b.jsonl", "other.jsonl"):
        with pytest.raises(KeyError):
            run.append(name, b"{}\n")


def test_the_size_of_a_run_is_that_of_its_records(tmp_path):
    run = RunDirectory.create(tmp_path, {})
    run.append("turns.jsonl", b"{}\n")
    run.append("health.jsonl", b"{}\n{}\n")

    assert run.size == 9
