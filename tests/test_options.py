from harness.loads import Load, parse_load
from harness.options import OPTIONS, TIMEOUT_OPTIONS, parse_workload
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
