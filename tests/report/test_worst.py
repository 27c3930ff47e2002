import pytest
from rundirs import answered, second, session, silent, write_run
from tape import Script, audio, created, done

from harness.records import Flag, Outcome, Phase
from harness.reel import write_tape
from harness.report.concurrency import concurrency_of
from harness.report.load import load_run
from harness.report.worst import SLOWEST, worst_turns
from harness.tape import TapedRecorder


def worst_of(path):
    run = load_run(path)
    return worst_turns(run, concurrency_of(run))


def test_the_slowest_come_first_each_with_its_own_record(tmp_path):
    turns = [
        answered(n, 0.3 + n / 100, caller=n, call=1, turn=2, said=f"line {n}", session=f"s{n}")
        for n in range(30)
    ]

    worst = worst_of(write_run(tmp_path, turns, session(0, 60)))

    assert [turn["name"] for turn in worst] == [f"{n}.1.2" for n in range(29, 29 - SLOWEST, -1)]
    assert [turn["said"] for turn in worst][:2] == ["line 29", "line 28"]
    assert worst[0]["ttfa_audible"] == pytest.approx(0.69)
    assert sum(worst[0]["segments"].values()) == pytest.approx(worst[0]["ttfa_audible"])
    assert worst[0]["concurrency"] == 1
    assert worst[0]["t"] == pytest.approx(29.02)


def test_of_the_unanswered_one_of_each_kind_is_shown_the_frequent_first(tmp_path):
    turns = [
        silent(0, outcome=Outcome.FAILED, code="server_error", turn=0, message="It broke."),
        silent(1, turn=1),
        silent(2, turn=2),
        silent(3, phase=Phase.DETECTION, turn=3),
        silent(4, outcome=Outcome.CUT, flags=[Flag.CENSORED], turn=4),
        answered(5, turn=5),
    ]

    worst = worst_of(write_run(tmp_path, turns, health=[second()]))

    assert [turn["turn"] for turn in worst] == [5, 1, 0, 3]
    assert [turn["phase"] for turn in worst] == [None, "first_audio", None, "detection"]
    assert worst[2]["message"] == "It broke."


def test_damaged_lines_between_do_not_shift_the_records(tmp_path):
    path = write_run(tmp_path, [answered(n, 0.1 * (n + 1), said=str(n)) for n in range(3)])
    lines = (path / "turns.jsonl").read_bytes().splitlines(keepends=True)
    (path / "turns.jsonl").write_bytes(lines[0] + b'{"half\n\n' + lines[1] + b"\xff\n" + lines[2])

    assert [turn["said"] for turn in worst_of(path)] == ["2", "1", "0"]


def test_no_turn_is_no_worst_turn(tmp_path):
    assert worst_of(write_run(tmp_path)) == []


class TapedScript(Script):
    recorder_class = TapedRecorder


def test_where_it_was_taped_its_events_stand_beside_it(tmp_path):
    script = TapedScript()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(50)), (450, audio(50)), (500, done()))
    (turn,) = script.until(9000)
    path = write_run(tmp_path, [turn])
    (path / "tapes").mkdir()
    (tape,) = script.recorder.tapes
    (path / "tapes" / tape.name).write_bytes(write_tape(tape))

    (worst,) = worst_of(path)

    told = [(round(fact["at_s"], 3), fact["from"], fact["what"], fact["count"])
            for fact in worst["tape"]]  # fmt: skip
    assert told == [
        (0.0, "us", "spoken", 1),
        (0.0, "us", "committed", 1),
        (0.0, "us", "requested", 1),
        (0.2, "endpoint", "response.created", 1),
        (0.3, "endpoint", "response.output_audio.delta", 2),
        (0.4, "endpoint", "response.done", 1),
    ]
    assert worst["tape"][4]["until_s"] == pytest.approx(0.35)


def test_a_damaged_tape_is_none(tmp_path):
    path = write_run(tmp_path, [answered()])
    (path / "tapes").mkdir()
    (path / "tapes" / "local-0-0-0.jsonl").write_bytes(b"{")

    assert worst_of(path)[0]["tape"] == []
