import pytest

from harness.cli import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_no_default_that_says_nothing(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"usage: realtime-harness {command}" in told
    for empty in ("default: None", "default: False", "PosixPath", "==SUPPRESS=="):
        assert empty not in told


@pytest.mark.parametrize("command", ["check", "compare", "selftest"])
def test_help_of_what_pipelines_run_tells_the_exit_codes(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])

    assert "exit code" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "--slos", "x"], "check: error: unrecognized arguments: --slos"),
        (["check", "--slos", "x"], "did you mean --slo?"),
        (["plan", "--turndetection=none"], "did you mean --turn-detection?"),
        (["report", "--xyzzy"], "report: error: unrecognized arguments: --xyzzy\n"),
    ],
)
def test_a_mistyped_option_is_told_by_its_command_with_the_nearest(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_no_command_at_all_shows_what_there_is(capsys):
    assert main([]) == 2

    told = capsys.readouterr().err
    assert all(f"\n    {command} " in told for command in COMMANDS)


def test_ctrl_c_ends_a_command_without_a_word(monkeypatch, capsys):
    def interrupted(module):
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupted)

    assert main(["report"]) == 130
    assert capsys.readouterr() == ("", "")
