import pytest

from harness.loads import LOAD_OPTIONS, Level, Load, parse_load
from harness.options import OptionError


def test_defaults_of_the_options_are_those_of_the_load():
    assert parse_load({}) == Load()
    assert {option.name for option in LOAD_OPTIONS} == set(Load.__struct_fields__)


def test_steps_are_numbers_or_shares():
    load = parse_load({"steps": "5, 50%,100%", "step_time": "2m"})

    assert [level.of(30) for level in load.steps] == [5, 15, 30]
    assert load.step_time == 120


@pytest.mark.parametrize(("text", "of_fifty"), [("20%", 10), ("7", 7), ("0", 0), ("150%", 75)])
def test_a_level_is_a_number_or_a_share_of_the_users_asked_for(text, of_fifty):
    assert parse_load({"spike_base": text}).spike_base.of(50) == of_fifty


def test_a_share_is_of_whole_users_one_at_least():
    third = Level(1 / 3, share=True)

    assert [third.of(users) for users in (10, 11, 1)] == [3, 4, 1]
    assert Level(0, share=True).of(10) == 0


@pytest.mark.parametrize(
    ("text", "rate"), [("2", 2.0), ("0.5/s", 0.5), ("30/min", 0.5), ("90/m", 1.5), ("36/h", 0.01)]
)
def test_a_rate_is_of_calls_a_second_a_minute_or_an_hour(text, rate):
    assert parse_load({"arrivals": text}).arrivals == rate


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"arrivals": "0"}, "--arrivals: '0' is no rate of calls"),
        ({"arrivals": "2/day"}, "--arrivals: '2/day' is no rate of calls"),
        ({"call_length": "long"}, "--call-length: 'long' is no duration"),
        ({"steps": "10,many"}, "--steps: 'many' is no number of callers"),
        ({"steps": "10,,20"}, "--steps: '' is no number of callers"),
        ({"steps": "-5"}, "--steps: '-5' is no number of callers"),
        ({"spike_base": "20%5"}, "--spike-base: '20%5' is no number of callers"),
        ({"step_time": "0"}, "--step-time: must be longer than 0 s"),
        ({"step_time": "soon"}, "--step-time: 'soon' is no duration"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_option(raw, said):
    with pytest.raises(OptionError) as refused:
        parse_load(raw)

    assert said in str(refused.value)
