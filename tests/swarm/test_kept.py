import json

from harness.swarm.kept import keep

FACTS = {"run": "run-1", "worker": "host-0", "anchors": {"host-0": {}}, "whole": True}


def test_what_could_not_be_shipped_is_a_run_directory_of_its_own(tmp_path):
    path = keep(tmp_path, FACTS, {"turns.jsonl": b"{}\n", "tapes/one.jsonl": b"[]\n"})

    assert path == tmp_path / "run-1.host-0"
    assert (path / "turns.jsonl").read_text() == "{}\n"
    assert (path / "tapes" / "one.jsonl").read_text() == "[]\n"
    assert json.loads((path / "run.json").read_text()) == {"schema": 1, "state": "kept", **FACTS}


def test_where_runs_cannot_be_written_the_temporary_folder_takes_them(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "temporary"))
    file = tmp_path / "file"
    file.touch()

    path = keep(file / "runs", FACTS, {"turns.jsonl": b"{}\n"})

    assert path == tmp_path / "temporary" / "run-1.host-0"
    assert (path / "turns.jsonl").read_text() == "{}\n"
