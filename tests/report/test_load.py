import json

import pytest
from rundirs import ANCHOR, answered, at, second, session, silent, write_run

from harness.errors import CommandError
from harness.records import Flag, Health, Outcome, ToolCall, encode
from harness.report import lines, load
from harness.report.columns import spelled
from harness.report.load import load_run
from harness.report.summary import summarise
from harness.report.trust import run_facts


def test_turns_become_rows(tmp_path):
    turn = answered(
        3.0,
        0.4,
        worker="w",
        flags=[Flag.SUSPECT],
        gaps=[0.1, 0.2],
        tools=[ToolCall(name="book", call_id="c", called_at=5, answered_at=200_000_005)],
    )
    run = load_run(write_run(tmp_path, [answered(1.0, worker="w"), turn], workers=["w"]))

    row = run.turns.iloc[1]
    assert row["ttfa"] == pytest.approx(0.4)
    assert row["t"] == pytest.approx(2.0)  # since the first turn
    assert row["outcome"] == "completed"
    assert row["suspect"]
    assert not row["premature"]
    assert run.gaps.tolist() == [0.1, 0.2]
    assert run.tools.to_dict("records") == [
        {"name": "book", "outcome": "", "valid": True, "took": 0.2}
    ]


@pytest.mark.parametrize(
    "line",
    [
        b'{"schema":1,"outcome":"comp',  # half-written
        b'{"schema":1,"outcome":"completed"',
        b"\x00\x00\x00\x00\n",
        b"\xff\xfe\n",
        b'["no","object"]\n',
        b'{"due_at":"noon"}\n',
        b'{"metrics":{"ttfa":"fast"}}\n',
        b'{"flags":null}\n',
    ],
)
def test_a_damaged_line_is_counted_and_passed_over(tmp_path, line):
    path = write_run(tmp_path, [answered()])
    with (path / "turns.jsonl").open("ab") as file:
        file.write(line)

    run = load_run(path)

    assert len(run.turns) == 1
    assert run.damaged["turns.jsonl"] == 1


def test_a_damaged_line_in_the_middle_costs_no_other(tmp_path):
    path = write_run(tmp_path)
    lines = [encode(answered(n)) for n in range(3)]
    (path / "turns.jsonl").write_bytes(lines[0] + lines[1][:40] + b"\n" + b"\n" + lines[2])

    run = load_run(path)

    assert run.turns["t"].tolist() == [0.0, 2.0]
    assert run.damaged["turns.jsonl"] == 1  # an empty line is none


@pytest.mark.parametrize("last", [4, 5])
def test_long_files_are_read_in_parts_that_may_lack_a_word_altogether(tmp_path, monkeypatch, last):
    monkeypatch.setattr(lines, "CHUNK", 2)
    turns = [answered(0), answered(1), silent(2), answered(3), answered(4)][:last]

    run = load_run(write_run(tmp_path, turns))

    assert (
        run.turns["phase"].astype(object).fillna("").tolist()
        == ["", "", "first_audio", "", ""][:last]
    )
    assert run.turns["code"].isna().all()


def test_fields_and_words_of_a_later_version_are_no_damage(tmp_path):
    path = write_run(tmp_path)
    line = json.loads(encode(answered()))
    line |= {"mood": "good", "outcome": "transferred", "flags": ["whispered"], "kind": "sung"}
    line["metrics"]["ttlaugh"] = 1.0
    (path / "turns.jsonl").write_text(json.dumps(line) + "\n")

    run = load_run(path)

    assert run.turns["outcome"].tolist() == ["transferred"]
    assert run.damaged["turns.jsonl"] == 0


@pytest.mark.parametrize("missing", ["turns", "sessions", "health"])
def test_a_missing_file_is_an_empty_one(tmp_path, missing):
    files = {"turns": [answered()], "sessions": session(), "health": [second()]} | {missing: None}

    run = load_run(write_run(tmp_path, **files))

    assert len(run.turns) == (missing != "turns")
    assert len(run.sessions) == (missing != "sessions")
    assert len(run.health) == (missing != "health")
    assert run.duration_s >= 0
    assert summarise(run)["turns"] == (missing != "turns")


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_damaged_run_json_is_an_empty_one(tmp_path, text):
    path = write_run(tmp_path, [answered()])
    (path / "run.json").write_text(text)

    run = load_run(path)

    assert run.meta == {}
    assert run.damaged["run.json"] == 1
    assert run.unanchored == ["local"]


def test_what_is_no_run_directory_is_one_clear_line(tmp_path):
    with pytest.raises(CommandError, match="there is no run directory"):
        load_run(tmp_path / "nowhere")
    with pytest.raises(CommandError, match="holds neither run"):
        load_run(tmp_path)


def test_a_session_is_joined_from_its_two_lines(tmp_path):
    lines = [*session(1.0, 9.0, caller=1, turns=3), session(2.0, caller=2)[0]]
    lines = [lines[1], lines[0], lines[2]]  # whatever their order

    sessions = load_run(write_run(tmp_path, sessions=lines)).sessions

    assert sessions["t"].tolist() == [0.0, 1.0]
    assert sessions["t_end"].iloc[0] == pytest.approx(8.0)
    assert sessions["t_end"].isna().tolist() == [False, True]
    assert sessions["turns"].tolist() == [3, 0]
    assert sessions["outcome"].iloc[0] == "ended"
    assert sessions["outcome"].isna().tolist() == [False, True]


def test_clocks_of_several_workers_are_laid_on_one_axis(tmp_path):
    later = {"monotonic_ns": 77, "time_ns": ANCHOR["time_ns"] + 5_000_000_000}
    turns = [answered(0.0, worker="a"), answered(0.0, worker="b")]
    turns[1].written_at = 77 + 20_000_000

    run = load_run(write_run(tmp_path, turns, meta={"anchors": {"a": ANCHOR, "b": later}}))

    assert run.turns["t"].tolist() == [0.0, 5.0]
    assert run.unanchored == []


@pytest.mark.parametrize(
    ("offset", "bound", "apart"), [(2.0, 0.1, 2.0), (-2.0, 0.1, -2.0), (0.1, 0.2, 0.0)]
)
def test_clocks_that_differ_from_the_masters_by_more_than_the_bound_are_set_right(
    tmp_path, offset, bound, apart
):
    probed = ANCHOR | {"offset_ns": int(offset * 1e9), "bound_ns": int(bound * 1e9)}
    turns = [answered(10.0, worker="a"), answered(10.0, worker="b")]

    run = load_run(write_run(tmp_path, turns, meta={"anchors": {"a": ANCHOR, "b": probed}}))

    assert run.turns["t"].iloc[0] - run.turns["t"].iloc[1] == pytest.approx(apart)


def test_a_worker_without_anchor_is_named_and_placed_at_the_start(tmp_path):
    turns = [answered(10.0, worker="a"), silent(500.0, worker="b"), silent(503.0, worker="b")]

    run = load_run(write_run(tmp_path, turns, workers=["a"]))

    assert run.unanchored == ["b"]
    assert run.turns["t"].tolist() == [0.0, 0.0, 3.0]


def test_many_rows_are_read_in_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.report.lines.CHUNK", 4)
    outcomes = [Outcome.COMPLETED] * 5 + [Outcome.CANCELLED] * 5
    read = []

    path = write_run(tmp_path, [answered(n, outcome=o) for n, o in enumerate(outcomes)])
    run = load_run(path, read.append)

    assert run.turns["outcome"].tolist() == [outcome.value for outcome in outcomes]
    assert run.turns["t"].tolist() == pytest.approx(list(range(10)))
    assert sum(read) == (path / "turns.jsonl").stat().st_size


def test_health_lies_on_the_same_axis(tmp_path):
    run = load_run(write_run(tmp_path, [answered(2.0)], health=[second(5.0), Health(at=at(6.0))]))

    assert run.health_t.tolist() == pytest.approx([2.98, 3.98])


def test_the_lines_of_a_session_may_lie_far_apart_come_twice_or_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "CHUNK", 1)
    (start, end), (late_start, late_end) = session(0, 4, caller=1), session(1, 3, caller=2)
    (open_start, _) = session(2, 9, caller=3)
    written = [start, open_start, late_end, late_start, late_end, end]

    run = load_run(write_run(tmp_path, [answered(5.0)], written))

    found = run.sessions.sort_values("caller")
    assert found["caller"].tolist() == [1, 2, 3]
    assert found["ended"].tolist() == [True, True, False]
    assert found["t_end"].fillna(-1).tolist() == [4.0, 3.0, -1.0]


def test_what_sessions_repeat_is_kept_once_and_counted(tmp_path):
    odd = [session(n, n + 1, caller=n, deviations={"second_answer": 2}) for n in range(3)]
    plain = session(5, 6, caller=5, usage={"input_tokens": 7})

    run = load_run(write_run(tmp_path, [], [*odd[0], *odd[1], *odd[2], *plain]))

    assert sorted(spelled(run.sessions["deviations"]), key=str) == [
        ({"second_answer": 2}, 3),
        ({}, 1),
    ]
    assert run.sessions["tokens_audio_input"].tolist() == [0, 0, 0, 7]


def test_of_very_many_turns_seconds_are_rounded_to_a_ten_millionth_and_it_is_said(
    tmp_path, monkeypatch
):
    path = write_run(tmp_path, [answered(n, 0.3 + n / 7e4) for n in range(300)], session(0, 400))
    exact = summarise(load_run(path))
    monkeypatch.setattr(load, "EXACT_BYTES", 0)

    rounded = summarise(load_run(path))

    assert (exact["rounded"], rounded["rounded"]) == (False, True)
    for name in ("p50", "p90", "p95", "mean", "max"):
        told, true = (each["metrics"]["ttfa"][name] for each in (rounded, exact))
        assert told == pytest.approx(true, rel=1e-7)
    assert rounded["metrics"]["ttfa"]["count"] == 300
    assert rounded["outcomes"] == exact["outcomes"]


def test_a_run_that_goes_on_while_it_is_read_has_lost_no_turn(tmp_path):
    path = write_run(tmp_path, [answered(n) for n in range(3)], session(0, 30, turns=3))

    def goes_on(read):
        for name, records in (
            ("turns", [answered(40, caller=1)]),
            ("sessions", session(40, 50, caller=1, turns=1)),
        ):
            with (path / f"{name}.jsonl").open("ab") as file:
                file.writelines(map(encode, records))

    assert run_facts(load_run(path, goes_on)).lost_turns == 0


@pytest.mark.parametrize("anchor", [None, 5, {}, {"time_ns": None, "monotonic_ns": 5}])
def test_an_anchor_without_both_readings_is_none(tmp_path, anchor):
    path = write_run(tmp_path, [answered(worker="a")], meta={"anchors": {"a": anchor}})

    assert load_run(path).unanchored == ["a"]
