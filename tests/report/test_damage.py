"""A run directory that was damaged, by hand or by a crash: told of in a line, never a traceback."""

import json
import os
import random
import shutil

import pytest
from rundirs import answered, at, second, session, silent, write_run

from harness.cli import main
from harness.errors import CommandError
from harness.records import ToolCall, encode
from harness.report.lines import Lines
from harness.report.load import load_run
from harness.report.rows import TurnRow
from harness.report.run_json import read_description
from harness.report.summary import summarise
from harness.report.words import damage
from harness.verdict import exit_code

FILES = ("run.json", "turns.jsonl", "sessions.jsonl", "health.jsonl")
WHOLE = {
    "state": "ended",
    "started_at": "2026-11-23T04:28:05.905+00:00",
    "paid": True,
    "lost_workers": ["host-1"],
    "roll": [{"t": 1.0, "worker": "host-1", "change": "lost"}],
    "users_max": 4,
    "over_target_s": 0.0,
    "ramp_delay_s": 2.0,
    "arrivals": {"rate": 2.0, "due": 9, "blocked": 1},
    "budget": {"limit_usd": 5.0, "spent_usd": 1.0, "reached": False},
    "preflight": None,
    "ended_early": "its budget is spent",
    "capacity": {
        "objectives": ["ttfa:p95<0.8s", "turns:failed<1%"],
        "holds": 2,
        "breaks": 4,
        "ended": "found",
        "steps": [
            {"callers": 2, "kind": "grow", "since": 1_790_000_000.0, "until": 1_790_000_005.0,
             "counted": 1_790_000_004.0, "holds": True, "decided": True, "broke": [],
             "recovery_s": None},
            {"callers": 4, "kind": "grow", "since": 1_790_000_005.0, "until": 1_790_000_009.0,
             "counted": 1_790_000_008.0, "holds": False, "decided": True,
             "broke": ["ttfa:p95<0.8s"], "recovery_s": 0.5},
        ],
    },
}  # fmt: skip
STRANGE = [
    *("null", '""', '"x"', "-1", "0", "1.5", "1e308", "1e18", "1e999", "NaN", "true", "[]", "{}"),
    *("2147483648", "9223372036854775807", "9223372036854775808", "1" + "0" * 40, "1" + "0" * 400),
    *("[1]", "[null]", "[{}]", '{"a":1}', '{"x":null}', '{"local":5}', '"\\ud800"', '"\\u0000/["'),
    "[" * 2000 + "]" * 2000,
]

OTHERS = {
    "turns.jsonl": answered(),
    "sessions.jsonl": session()[0],
    "health.jsonl": second(),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    tool = ToolCall(name="book", call_id="c", called_at=at(6), answered_at=at(7), outcome="ok")
    usage = {"input_tokens": 9, "output_tokens": 3}
    turns = [
        answered(0, usage=usage, cost_usd=0.01, gaps=[0.2], tags={"city": "Paris"}),
        answered(4, tools=[tool], transcript="Très bien"),
        silent(8, code="oops"),
    ]
    sessions = [
        *session(0, 10, turns=3, deviations={"second_answer": 1}, usage=usage, tags={"a": "b"},
                 scorecard={"bad_order": {"response.done": 1}}, imports={"shop": "failed"}),
        session(9, caller=2)[0],
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("runs") / "whole"
    return write_run(path, turns, sessions, [second(1), second(2)], meta=WHOLE)


@pytest.mark.parametrize("part", range(4))
def test_whatever_is_damaged_the_run_is_told_of(whole, tmp_path, part):
    for seed in range(part * 25, part * 25 + 25):
        path = shutil.copytree(whole, tmp_path / str(seed))
        what = mutate(random.Random(seed), path)
        try:
            summary = summarise(load_run(path))
        except CommandError as error:
            told = str(error)
        except Exception as error:
            raise AssertionError(f"case {seed}: {what}") from error
        else:
            json.dumps(summary, allow_nan=False)
            continue
        assert "\n" not in told, what
        assert str(path) in told, what


def mutate(rng, path):
    """One file damaged: a value in it, some of its bytes, or the whole of it."""
    file = path / rng.choice(FILES)
    how = rng.choice((strange_value, strange_value, strange_value, strange_bytes, no_file))
    return f"{file.name}: {how(rng, file)}"


def strange_value(rng, file):
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    node, name = rng.choice([*places(rng.choice(lines))])
    strange = rng.choice(STRANGE)
    node[name] = "<here>"
    text = "\n".join(map(json.dumps, lines)).replace('"<here>"', strange)
    file.write_text(text + "\n")
    return f"{name} = {strange[:50]}"


def places(node):
    """Every object or array in it, with each name or index it has."""
    for name in node if isinstance(node, dict) else range(len(node)):
        yield node, name
        if isinstance(node[name], dict | list):
            yield from places(node[name])


def strange_bytes(rng, file):
    raw = file.read_bytes()
    start, end = sorted(rng.randrange(len(raw)) for _ in "ab")
    damaged = {
        "cut": raw[:start],
        "lacks": raw[:start] + raw[end:],
        "noise": raw[:start] + rng.randbytes(20) + raw[start + 20 :],
        "utf-16": raw.decode().encode("utf-16"),
        "empty": b"",
    }
    how = rng.choice([*damaged])
    file.write_bytes(damaged[how])
    return f"{how} {start} {end}"


def no_file(rng, file):
    how = rng.choice(("missing", "directory", "loop", "pipe"))
    file.unlink()
    if how == "directory":
        file.mkdir()
    elif how == "loop":
        file.symlink_to(file.name)
    elif how == "pipe":
        os.mkfifo(file)
    return how


def test_a_fact_of_run_json_that_makes_no_sense_is_named_and_the_others_hold(tmp_path):
    anchors = {"a": {"monotonic_ns": 1, "time_ns": 2}, "b": {"monotonic_ns": "one", "time_ns": 2}}
    path = write_run(tmp_path, meta={"users_max": "many", "anchors": anchors, "mood": "good"})

    facts, damaged = read_description(path / "run.json")

    assert (facts["users_max"], facts["mood"]) == (None, "good")
    assert facts["anchors"].keys() == {"a"}
    assert damaged == [
        "run.json is damaged, users_max: Expected `int`, got `str`",
        "run.json is damaged, the anchor of b: Expected `int`, got `str` - at `$.monotonic_ns`",
    ]


@pytest.mark.parametrize("objectives", [[], ["--slo", "turns:failed<1%"]])
def test_a_run_whose_description_is_damaged_proves_nothing(tmp_path, capsys, objectives):
    path = write_run(tmp_path, [answered()], session(turns=1), [second()], meta={"users_max": []})

    assert main(["check", str(path), *objectives]) == 2

    said = capsys.readouterr().out
    assert "run.json is damaged, users_max: Expected `int`, got `array`" in said
    assert "proves nothing: run.json is missing or damaged" in said


def test_what_a_later_version_wrote_is_one_clear_line(tmp_path, capsys):
    path = write_run(tmp_path, [answered()], meta={"schema": 2})

    assert main(["report", str(path)]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert "run.json was written by a later realtime-harness (schema 2; this one knows 1)" in line


def test_a_missing_file_is_told_of(tmp_path):
    path = write_run(tmp_path, [answered()], sessions=None)
    (path / "run.json").unlink()

    summary = summarise(load_run(path))

    assert damage(summary) == ["run.json is missing", "sessions.jsonl is missing"]
    assert exit_code(summary) == 2


@pytest.mark.parametrize(
    ("spoil", "verdict"), [(lambda line: line[:40] + b"\n", "INVALID"), (lambda line: b"", "VALID")]
)
def test_a_run_with_too_many_damaged_turns_is_invalid(tmp_path, spoil, verdict):
    path = write_run(tmp_path, [answered()], session(turns=1), [second()])
    with (path / "turns.jsonl").open("ab") as file:
        file.write(spoil(encode(answered(5))))
        file.write(encode(answered(9))[:-10])  # as a killed process leaves it

    summary = summarise(load_run(path))

    assert summary["verdict"] == verdict
    assert damage(summary)[0].startswith("Damaged lines passed over: ")


def test_a_turn_whose_details_are_damaged_counts_and_is_shown_by_what_is_left(tmp_path):
    path = write_run(tmp_path, [answered(ttfa=0.4, caller=7)])
    line = json.loads((path / "turns.jsonl").read_text()) | {"message": 5}
    (path / "turns.jsonl").write_text(json.dumps(line) + "\n")

    (worst,) = summarise(load_run(path))["worst"]

    assert (worst["caller"], worst["ttfa"]) == (7, pytest.approx(0.4))
    assert worst["message"].startswith("the rest of its record is damaged: Expected `str`, got ")


def test_what_an_endpoint_states_of_tokens_breaks_no_report(tmp_path):
    usage = {"output_tokens": 900_000_000_000_000}

    summary = summarise(load_run(write_run(tmp_path, sessions=session(usage=usage))))

    assert summary["spending"]["tokens"] == {"audio_output": 900_000_000_000_000}


def test_a_line_as_long_as_a_file_costs_no_other(tmp_path):
    path = tmp_path / "turns.jsonl"
    path.write_bytes(encode(answered()) + b"x" * 5_000_000 + b"\n" + encode(answered(3)))
    lines = Lines(path, TurnRow, lambda _: None)

    (rows,) = lines.chunks()

    assert (len(rows), lines.damaged, lines.cut) == (2, 1, False)


@pytest.mark.parametrize("line", [b"{}\n", b'{"x":1}\n', *map(encode, OTHERS.values())])
@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_record_of_that_file_is_damaged(tmp_path, name, line):
    path = write_run(tmp_path)
    (path / name).write_bytes(line)

    assert load_run(path).damaged[name] == (line != encode(OTHERS[name]))
