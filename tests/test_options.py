import pytest

from harness.loads import Load, parse_load
from harness.options import OPTIONS, TIMEOUT_OPTIONS, OptionError, parse_workload
from harness.workload import Timeouts, Workload


def test_what_is_not_given_is_as_a_workload_made_in_code_has_it():
    assert parse_workload({}) == Workload()
    assert parse_load({}) == Load()


def test_every_field_of_a_workload_has_its_option():
    offered = {option.name for option in OPTIONS if option.workload}

    assert offered - {"header"} | {"headers", "timeouts"} == {*Workload.__struct_fields__}
    assert {option.name.removeprefix("timeout_") for option in TIMEOUT_OPTIONS} == {
        *Timeouts.__struct_fields__
    }


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("X-A: 1", (("X-A", "1"),)),
        (["X-A: 1", "X-B: 2"], (("X-A", "1"), ("X-B", "2"))),
        ("X-A: 1\nX-B: 2\n", (("X-A", "1"), ("X-B", "2"))),
        ("Cookie: a=1; b=2", (("Cookie", "a=1; b=2"),)),
        ("Cookie: a=1; b=2; X-B: http://x", (("Cookie", "a=1; b=2"), ("X-B", "http://x"))),
        ("Accept: text/html;q=0.9", (("Accept", "text/html;q=0.9"),)),
        ("X-A:", (("X-A", ""),)),
        (" ; ", ()),
    ],
)
def test_headers_may_hold_semicolons(text, headers):
    assert parse_workload({"header": text}).headers == headers


@pytest.mark.parametrize("text", ["no colon", ": nameless", "two words: x", "X-A: 1\nno colon"])
def test_what_is_no_header_is_refused_and_not_repeated(text):
    with pytest.raises(OptionError, match=r"^--header: must look like 'Name: value'$"):
        parse_workload({"header": text})
