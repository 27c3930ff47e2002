import io
import re

import pytest
from rich.console import Console
from tape import Script, audio, created, done, ms

from harness.cli import main
from harness.metrics import measure
from harness.reel import write_tape
from harness.report.refold import print_refolded, read_tapes
from harness.tape import TapedRecorder


class Taped(Script):
    recorder_class = TapedRecorder


@pytest.fixture
def run(tmp_path):
    """A run with the tape of one turn: audible after 400 ms, silent for 100 ms in the middle."""
    script = Taped()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(200)), (800, audio(100)), (900, done()))
    script.until(ms(5))
    (tape,) = script.recorder.tapes
    measure(tape.turn)
    (tmp_path / "tapes").mkdir()
    (tmp_path / "tapes" / tape.name).write_bytes(write_tape(tape))
    return tmp_path


def printed(run, buffer_s):
    out = io.StringIO()
    print_refolded(Console(file=out, width=60), read_tapes(run), buffer_s)
    rows = [re.split(r" {2,}", line.strip()) for line in out.getvalue().splitlines()]
    return {name: cells for name, *cells in rows}


def test_another_buffer_is_shown_beside_the_one_that_was_heard_through(run):
    table = printed(run, 0.25)

    assert table["ttfa_audible, median"] == ["0.400 s", "0.550 s"]
    assert table["gaps"] == ["1", "0"]
    assert table["gaps together"] == ["0.100 s", "0.000 s"]


def test_the_command_leaves_the_report_as_it_is(run, capsys):
    assert main(["report", str(run), "--jitter-buffer", "200ms"]) == 0

    assert "1 taped turns" in capsys.readouterr().out
    assert sorted(path.name for path in run.iterdir()) == ["tapes"]


def test_a_run_without_tapes_is_one_clear_line(tmp_path, capsys):
    assert main(["report", str(tmp_path), "--jitter-buffer", "200ms"]) == 2
    assert "record some with --record N" in capsys.readouterr().err


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:50],
        lambda content: b"",
        lambda content: content + b"5\n",
        lambda content: content + b'["noon","endpoint",{},0]\n',
        lambda content: content + b'[1,"somebody",{},0]\n',
        lambda content: content + b'[1,"endpoint",null,0]\n',
        lambda content: content.replace(b'"audible":', b'"audibly":'),
        lambda content: re.sub(rb'"bytes":\d+', b'"bytes":9223372036854775807', content),
        lambda content: content + b"[" * 3000,
    ],
)
def test_a_damaged_tape_is_one_clear_line(run, capsys, spoil):
    (path,) = (run / "tapes").iterdir()
    path.write_bytes(spoil(path.read_bytes()))

    assert main(["report", str(run), "--jitter-buffer", "200ms"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"can't read the tape {path}: " in line


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        (rb'"verb":"spoken"', b'"verb":"committed"'),
        (rb'"event_id":"ask"', b'"asked":"me"'),
        (rb'"outcome":"completed"', b'"outcome":null'),
    ],
)
def test_a_tape_of_what_cannot_have_happened_is_one_clear_line(run, capsys, was, is_now):
    (path,) = (run / "tapes").iterdir()
    content = path.read_bytes()
    path.write_bytes(content.replace(was, is_now))
    assert path.read_bytes() != content

    assert main(["report", str(run), "--jitter-buffer", "200ms"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"can't fold the tape {path.name} again: " in line
