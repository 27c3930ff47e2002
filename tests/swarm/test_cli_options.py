import configargparse
import pytest

from harness.options import OPTIONS, TIMEOUT_OPTIONS, OptionError
from harness.swarm.cli_options import FORBIDDEN_IN_FORM, add_options, check_values, safe_values

ALL = (*OPTIONS, *TIMEOUT_OPTIONS)


@pytest.fixture
def parse(capsys):
    parser = configargparse.ArgumentParser()
    add_options(parser)

    def parse(*arguments, **environment):
        return parser.parse_args(list(arguments), env_vars=environment)

    return parse


def test_every_default_is_none_a_text_or_a_switch_so_that_a_form_can_post_it_back(parse):
    values = vars(parse())

    assert values.keys() == {option.name for option in ALL}
    assert {type(value) for value in values.values()} == {str, bool, type(None)}
    check_values(values)
    check_values({name: str(value) for name, value in values.items()})


def test_what_is_repeated_is_joined(parse):
    parsed = parse("--slo", "ttfa:p95<0.8s", "--slo", "turns:failed<1%")

    assert parsed.slo == "ttfa:p95<0.8s;turns:failed<1%"


def test_the_environment_sets_what_the_command_line_does_not(parse):
    parsed = parse("--turns", "7", REALTIME_TURNS="2", REALTIME_VOICE="sage")

    assert (parsed.turns, parsed.voice) == ("7", "sage")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--frame-ms", "5"), "argument --frame-ms: must be a whole number from 10 to 200"),
        (("--tool-rate", "2"), "argument --tool-rate: '2' is no share: write it like 0.02 or 2%"),
        (("--pause", "soon"), "argument --pause: 'soon' is no duration"),
        (("--timeout-stall", "0"), "argument --timeout-stall: must be longer than 0"),
        (("--slo", "speed<1"), "argument --slo: 'speed<1' is no objective"),
        (("--turn-detection", "loud"), "argument --turn-detection: invalid choice: 'loud'"),
        (("--noise", "nowhere.wav"), "argument --noise: there is no file nowhere.wav"),
        (("--header", "of the secret"), "argument --header: must look like 'Name: value'"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_option(parse, capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        parse(*arguments)

    assert ended.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert said in last
    assert "secret" not in last


def test_a_wrong_value_in_the_environment_is_no_other(parse, capsys):
    with pytest.raises(SystemExit):
        parse(REALTIME_FRAME_MS="5")

    assert "--frame-ms: must be a whole number" in capsys.readouterr().err


def test_help_says_what_an_option_does_and_what_it_is_by_default(capsys):
    parser = configargparse.ArgumentParser(add_env_var_help=False)
    add_options(parser)

    text = " ".join(parser.format_help().split())

    for option in ALL:
        assert option.flag in text
        assert " ".join(option.help.split()) in text
    assert "Audio per message, milliseconds. Default: 20." in text


def test_values_are_looked_at_once_more_where_a_form_posted_them():
    check_values({"frame_ms": "20", "speaks_first": "true", "patience": "", "run_time": "1m"})

    with pytest.raises(OptionError, match=r"^--frame-ms: must be a whole number"):
        check_values({"frame_ms": "0"})
    with pytest.raises(OptionError, match=r"^--slo: "):
        check_values({"slo": "ttfa<1s"})


def test_what_names_files_or_trust_is_not_for_forms():
    assert {"corpus", "run_dir", "metrics_port", "send_key_to", "header"} <= FORBIDDEN_IN_FORM


def test_a_run_does_not_tell_its_headers(parse):
    parsed = vars(parse("--header", "X-Token: abc", "--voice", "sage"))

    safe = safe_values({**parsed, "stop_timeout": 15})

    assert (safe["header"], safe["voice"]) == ("***", "sage")
    assert "stop_timeout" not in safe
