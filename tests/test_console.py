from harness.console import open_console

LONG = "one sentence, " * 20


def test_lines_for_a_pipe_are_not_broken(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)

    open_console().print(LONG)

    assert capsys.readouterr().out == f"{LONG}\n"


def test_lines_are_as_wide_as_the_columns_that_somebody_names(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")

    open_console().print(LONG)

    assert max(len(line) for line in capsys.readouterr().out.splitlines()) == 60


def test_a_quiet_console_says_nothing(capsys):
    open_console(quiet=True).print(LONG)

    assert capsys.readouterr().out == ""
