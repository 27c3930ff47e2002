"""The README says what is so: its table of metrics, its links, its commands."""

import re
import shlex
from pathlib import Path

import pytest

from harness.cli import main
from harness.metrics import TURN_FIGURES, TURN_METRICS
from harness.slo import GRAMMAR

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def commands():
    return [
        line
        for block in re.findall(r"```sh\n(.*?)```", README, re.S)
        for line in block.split("\n")
        if line
    ]


def test_the_table_of_metrics_is_that_of_the_code():
    table = README.split("harness/metrics.py, held by a test -->\n")[1].split("\n<!-- end")[0]
    rows = [f"| `{metric.name}` | {metric.origin} |" for metric in (*TURN_METRICS, *TURN_FIGURES)]

    assert table.splitlines() == ["| metric | from → to |", "|---|---|", *rows]


def test_the_grammar_of_objectives_is_that_of_the_parser_here_and_in_the_help(capsys):
    shown = README.split("held by a test -->\n```bnf\n")[1].split("```\n<!-- end")[0]

    assert shown == GRAMMAR
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    assert GRAMMAR in capsys.readouterr().out


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("shown", re.findall(r"```python\n(.*?)```", README, re.S))
def test_code_shown_is_python(shown):
    assert compile(shown, "README.md", "exec")


@pytest.mark.parametrize("command", commands())
def test_commands_are_spelt_as_a_shell_reads_them(command):
    program = shlex.split(command)[0]

    assert program in {"make", "python3", "locust", "realtime-harness"}
