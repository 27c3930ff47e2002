import json

import pytest
from rundirs import ANCHOR, answered, second, session, write_run

from harness.cli import main

RUN = "20260101T000000Z-abc"


def write_part(path, callers, *, again=(), **meta):
    """A directory of one run: the turns, session and health of some callers, and some once more."""
    whose = {"worker": "host-0"}
    turns = [answered(n, caller=n, session=f"s{n}", **whose) for n in (*again, *callers)]
    sessions = [line for n in callers for line in session(n, n + 9, caller=n, turns=1, **whose)]
    health = [second(n, **whose) for n in callers]
    return write_run(path, turns, sessions, health, meta={"run": RUN, **meta})


@pytest.fixture
def master(tmp_path):
    return write_part(tmp_path / RUN, [1, 2], anchors={"host-0": ANCHOR}, state="running")


@pytest.fixture
def kept(tmp_path):
    facts = {"state": "kept", "worker": "host-0", "whole": True, "anchors": {"host-0": ANCHOR}}
    return write_part(tmp_path / f"{RUN}.host-0", [3], again=[2], **facts)


def read(path, name="summary.json"):
    return json.loads((path / name).read_text())


def merged(tmp_path):
    return tmp_path / f"{RUN}.merged"


@pytest.mark.parametrize("first", ["master", "kept"])
def test_what_a_worker_kept_is_added_once(tmp_path, master, kept, first):
    order = [master, kept] if first == "master" else [kept, master]

    assert main(["report", "--quiet", *map(str, order)]) == 0

    summary = read(merged(tmp_path))
    assert (summary["run"], summary["turns"], summary["sessions"]) == (RUN, 3, 3)
    lines = (merged(tmp_path) / "turns.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["caller"] for line in lines) == [1, 2, 3]
    assert len((merged(tmp_path) / "health.jsonl").read_text().splitlines()) == 3
    assert summary["master_lost"]
    assert summary["lost_workers"] == []
    assert not (master / "summary.json").exists()


def test_merging_again_gives_the_same(tmp_path, master, kept):
    paths = [str(master), str(kept)]
    main(["report", "--quiet", *paths])
    before = (merged(tmp_path) / "turns.jsonl").read_bytes()

    main(["report", "--quiet", *paths, str(merged(tmp_path))])

    assert (merged(tmp_path) / "turns.jsonl").read_bytes() == before


def test_where_workers_ran_is_told_by_any_part(tmp_path):
    here, there = ({"worker": f"host-{n}", "host": f"h{n}", "pid": n} for n in (1, 0))
    master = write_part(tmp_path / RUN, [1], workers=[here], machine={"host": "h1"})
    facts = {"state": "kept", "worker": "host-0", "whole": True, "workers": [there]}
    kept = write_part(tmp_path / f"{RUN}.host-0", [3], anchors={"host-0": ANCHOR}, **facts)

    main(["report", "--quiet", str(master), str(kept)])

    assert read(merged(tmp_path), "run.json")["workers"] == [there, here]
    (reason,) = (line for line in read(merged(tmp_path))["reasons"] if "own clocks" in line)
    assert reason.endswith("never compared with the master's: 1")


def test_a_worker_of_a_lost_master_that_left_nothing_is_lost(tmp_path, kept):
    anchors = {"host-0": ANCHOR, "host-1": ANCHOR}
    master = write_part(tmp_path / RUN, [1], anchors=anchors, state="running")

    main(["report", "--quiet", str(master), str(kept)])

    assert read(merged(tmp_path))["lost_workers"] == ["host-1"]


def test_a_worker_whose_rest_is_found_is_lost_no_longer(tmp_path, kept):
    lost = {"state": "ended", "lost_workers": ["host-0"], "anchors": {"host-0": ANCHOR}}
    missing = {"t": 4.0, "worker": "host-0", "change": "missing"}
    lost["roll"] = [missing, {**missing, "change": "lost"}]
    master = write_part(tmp_path / RUN, [1], **lost)

    main(["report", "--quiet", str(master), str(kept)])

    summary = read(merged(tmp_path))
    assert (summary["lost_workers"], summary["master_lost"]) == ([], False)
    assert [entry["change"] for entry in summary["roll"]] == ["missing"]


def test_damaged_lines_and_tapes_come_along(tmp_path, master, kept):
    with (kept / "turns.jsonl").open("ab") as file:
        file.write(b'{"half')
    (kept / "tapes").mkdir()
    (kept / "tapes" / "t.jsonl").write_text("{}\n")

    main(["report", "--quiet", str(master), str(kept)])

    assert read(merged(tmp_path))["damaged"] == {"turns.jsonl": 1}
    assert (merged(tmp_path) / "tapes" / "t.jsonl").read_text() == "{}\n"


def test_the_parts_of_a_run_are_judged_together(tmp_path, master, kept, capsys):
    assert main(["check", str(master), str(kept)]) == 2

    assert "its master was lost" in capsys.readouterr().out


def test_different_runs_are_judged_one_at_a_time(tmp_path, master, capsys):
    other = write_run(tmp_path / "other", [answered()])

    assert main(["check", str(master), str(other)]) == 2

    assert "several runs" in capsys.readouterr().err


def test_what_a_worker_kept_is_no_whole_run(tmp_path, kept, capsys):
    assert main(["check", str(kept)]) == 2
    assert "its records are not here" in capsys.readouterr().out
