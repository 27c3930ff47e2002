import argparse

import pytest

from harness.values import argument, longer_than, parse_share, whole, yes


@pytest.mark.parametrize(
    ("text", "share"), [("0", 0.0), ("0.02", 0.02), ("2%", 0.02), (" 100% ", 1.0)]
)
def test_a_share_is_a_fraction_or_percent(text, share):
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "many", "2", "-1%", "101%", "5%5", "nan"])
def test_what_is_no_share_is_said(text):
    with pytest.raises(ValueError, match="is no share: write it like"):
        parse_share(text)


@pytest.mark.parametrize("text", ["9", "21", "1.5", "ten", ""])
def test_a_whole_number_lies_within_its_bounds(text):
    assert whole(10, 20)("20") == 20
    with pytest.raises(ValueError, match="must be a whole number from 10 to 20"):
        whole(10, 20)(text)


def test_a_duration_can_have_to_be_longer():
    assert longer_than(0)("20ms") == 0.02
    with pytest.raises(ValueError, match="must be longer than 0 s"):
        longer_than(0)("0")


@pytest.mark.parametrize(("text", "on"), [("", False), ("Off", False), ("1", True), ("TRUE", True)])
def test_a_switch_is_on_or_off(text, on):
    assert yes(text) is on


def test_argparse_shows_what_is_wrong():
    with pytest.raises(argparse.ArgumentTypeError, match="must be a whole number from 1 to 3"):
        argument(whole(1, 3))("4")
