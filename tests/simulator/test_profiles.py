"""Profiles: what ships, and what a file may say."""

import pytest

from harness.errors import CommandError
from harness.simulator.faults import FAULTS
from harness.simulator.options import OPTIONS, parse_settings
from harness.simulator.profiles import load_profile, shipped_profiles
from harness.simulator.settings import Settings


def test_five_profiles_ship():
    assert shipped_profiles() == ("flaky", "healthy", "hostile", "saturating", "slow")


@pytest.mark.parametrize("name", shipped_profiles())
def test_a_shipped_profile_makes_sense(name):
    settings = parse_settings(load_profile(name))

    assert settings.ttfa.median > 0
    assert bool(settings.faults) is (name in ("flaky", "hostile"))
    assert bool(settings.capacity) is (name == "saturating")


def test_the_hostile_one_has_every_fault():
    assert {fault.name for fault in parse_settings(load_profile("hostile")).faults} == set(FAULTS)


def test_a_file_says_what_the_command_line_could(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'ttfa = "1s"\ncapacity = 3\nstall-rate = 0.5\ndelta_ms = 40\nmodel = ["a", "b"]\n'
        '[faults]\n"refuse:429" = "2%"\nstop = 0.1\n'
    )

    settings = parse_settings(load_profile(str(path)))

    assert (settings.capacity, settings.stall_rate, settings.delta_ms) == (3, 0.5, 40)
    assert settings.models == ("a", "b")
    assert [(fault.label, fault.rate) for fault in settings.faults] == [
        ("refuse:429", 0.02),
        ("stop", 0.1),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ttfa = ", "is no TOML"),
        ('speeed = "1"', "has an option that is none: speeed"),
        ('fault = "stop=1%"', "has an option that is none: fault"),
        ("faults = 3", r"are a table: \[faults\]"),
        ('ttfa = "soon"', "in the profile .*mine.toml, --ttfa: 'soon' is no duration"),
        ("ttfa = []", "ttfa has a list of values: give it one"),
        ('answer = ["1s", "2s"]', "answer has a list of values: give it one"),
        ("ttfa = " + "[" * 3000, "is no TOML"),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(tmp_path, text, says):
    path = tmp_path / "mine.toml"
    path.write_text(text)

    with pytest.raises(CommandError, match=says):
        load_profile(str(path))


def test_a_profile_that_is_not_there_names_those_that_are():
    with pytest.raises(CommandError, match=r"can't read the profile mine: No such file.*healthy"):
        load_profile("mine")


def test_nothing_given_is_the_default():
    assert parse_settings({}) == Settings()


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_what_help_shows_as_default_is_the_default(option):
    if option.shown in ("whole sentences", "none", "any"):
        return

    assert parse_settings({option.name: option.shown}) == Settings()
