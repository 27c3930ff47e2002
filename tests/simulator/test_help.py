"""What the command says of itself is so."""

import argparse
import re
import shlex

import pytest

from harness.simulator.command import add_arguments
from harness.simulator.options import OPTIONS, parse_settings
from harness.simulator.phrases import phrases
from harness.simulator.profiles import load_profile


def parser():
    parser = argparse.ArgumentParser(prog="realtime-harness simulate")
    add_arguments(parser)
    return parser


HELP = parser().format_help()
EXAMPLES = re.findall(r"^  realtime-harness simulate (.+)$", HELP, re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_typed(example):
    given = vars(parser().parse_args(shlex.split(example)))

    assert parse_settings(given)
    if given["profile"]:
        assert parse_settings(load_profile(given["profile"]))


def test_every_option_is_explained_with_its_default():
    text = " ".join(HELP.split())

    assert len(EXAMPLES) == 4
    assert all(f"{option.flag} " in text for option in OPTIONS)
    assert all(f"(default: {option.shown})" in text for option in OPTIONS)


def test_the_example_of_a_profile_is_one(tmp_path):
    path = tmp_path / "mine.toml"
    lines = HELP.split("of their own:\n")[1].split("\n\n")[0].splitlines()
    path.write_text("\n".join(line.strip() for line in lines))

    assert [fault.label for fault in parse_settings(load_profile(str(path))).faults] == [
        "refuse:429"
    ]


def test_what_is_said_before_a_tool_call_is_what_help_says():
    shortest = min(phrases("speech"), key=lambda phrase: phrase.seconds)

    assert f"'{' '.join(shortest.words)}'" in HELP
