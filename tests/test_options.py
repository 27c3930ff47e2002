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


@pytest.mark.parametrize(
    "text",
    [
        *("no colon", ": nameless", "two words: x", "X-A: 1\nno colon", "Hé: x", "a\tb: c"),
        *("X-A: a\rX-B: b", "X-A: \x00"),  # a line break would begin another header
    ],
)
def test_what_is_no_header_is_refused_and_not_repeated(text):
    with pytest.raises(OptionError, match=r"^--header: must look like 'Name: value'$"):
        parse_workload({"header": text})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not JSON"),
        ("[]", "must hold a JSON object"),
        ('{"temperature": NaN}', "is not JSON"),
        ('{"instructions": "\\ud800"}', "is not JSON"),
        ('{"tools": ' + "[" * 5000, "is not JSON"),
    ],
)
def test_a_session_that_can_not_be_sent_is_one_clear_line(tmp_path, text, says):
    path = tmp_path / "session.json"
    path.write_text(text)

    with pytest.raises(OptionError, match=f"^--session: .*session.json {says}[^\n]*$"):
        parse_workload({"session": str(path)})


def test_a_session_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "session.json"
    path.write_text('{"instructions": "Très bien"}', encoding="utf-8-sig")

    assert parse_workload({"session": str(path)}).session == {"instructions": "Très bien"}


@pytest.mark.parametrize("option", ["corpus", "noise", "session", "ca_file", "prices"])
def test_a_name_too_long_for_a_file_is_one_clear_line(option):
    with pytest.raises(OptionError, match="there is no f"):
        parse_workload({option: "x" * 5000})


@pytest.mark.parametrize("text", ["9" * 400, "999999999999h"])
def test_nobody_waits_for_more_than_a_year(text):
    with pytest.raises(OptionError, match="is longer than a year"):
        parse_workload({"timeout_stall": text})
