"""Modules at work in a child process."""

import sys

import pytest

from harness.child import ChildError, run_module


@pytest.fixture(autouse=True)
def modules(tmp_path, monkeypatch):
    """Modules that the child can run."""
    (tmp_path / "echo.py").write_text("import sys; print(sys.argv[1:], sys.stdin.read())")
    (tmp_path / "fail.py").write_text("raise ValueError('no such voice')")
    (tmp_path / "quit.py").write_text("raise SystemExit(3)")
    (tmp_path / "hang.py").write_text("input()\nwhile True: pass")
    monkeypatch.chdir(tmp_path)


def test_a_child_gets_a_message_and_answers():
    assert run_module("echo", "a", "b c", message=b"hello") == b"['a', 'b c'] hello\n"


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        ("fail", "^fail failed: ValueError: no such voice$"),
        ("quit", "^quit failed: exit code 3$"),
        ("nowhere", f"^nowhere failed: {sys.executable}: No module named nowhere$"),
    ],
)
def test_a_child_that_fails_says_why_in_one_line(module, complaint):
    with pytest.raises(ChildError, match=complaint):
        run_module(module)


def test_a_child_that_takes_too_long_is_ended():
    with pytest.raises(ChildError, match=r"^hang took more than 0.1 s$"):
        run_module("hang", message=b"\n", limit=0.1)
