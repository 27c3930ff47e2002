import json

import pytest

from harness.cli import main
from harness.options import OPTIONS, TIMEOUT_OPTIONS

LOAD = ("-u", "200", "-r", "2", "-t", "1h30m")


@pytest.fixture
def plan(capsys, monkeypatch):
    def run(*arguments, code=0, columns=200):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert main(["plan", *arguments]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    return run


def test_it_says_what_a_test_will_send_take_and_cost(plan):
    said = plan(*LOAD, "--turns", "40", "--sessions-per-core", "80")

    for part in ("callers", "calls,", "messages/s", "Mbit/s", "tokens/min", "minute", "cached"):
        assert part in said
    assert "5 of one core each, filled to 60%" in said
    assert "all cached that can be" in said
    assert "Assumed: answers of 6 s that begin after 1 s, 2 s between calls" in said


@pytest.mark.parametrize("columns", [40, 80])
def test_a_narrow_terminal_loses_nothing(plan, columns):
    said = plan(*LOAD, "--shape", "steps", "--step-time", "20m", columns=columns)

    assert all(len(line) <= columns for line in said.splitlines())
    assert "…" not in said
    assert "selftest --capacity --json" in " ".join(said.split())


def test_as_json_it_is_the_same(plan):
    said = json.loads(plan(*LOAD, "--json", "--max-cost", "5", "--turns", "2"))

    assert said["assumed"]["run_time_s"] == 5400
    assert said["forecast"]["turns_per_call"] == 2
    assert said["forecast"]["usd"]["most_cached"] < said["forecast"]["usd"]["none_cached"]
    assert said["carriers"]["workers"] is None
    assert said["max_cost"] == 5


def test_it_takes_every_option_of_a_load_test(capsys):
    with pytest.raises(SystemExit):
        main(["plan", "--help"])

    told = capsys.readouterr().out
    for option in (*OPTIONS, *TIMEOUT_OPTIONS):
        assert f" {option.flag} " in told


def test_the_environment_counts_as_it_does_for_locust(plan, monkeypatch):
    monkeypatch.setenv("REALTIME_TURNS", "7")

    assert "7 turns" in plan("-t", "1m")
    assert "3 turns" in plan("-t", "1m", "--turns", "3")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "wss://api.openai.com"), "refused wss://api.openai.com:443 costs money"),
        (("--host", "127.0.0.1"), "This host costs nothing"),
        (("--max-cost", "0.01"), "The budget of $0.01 ends the run early"),
        (("--max-cost", "100000"), "The budget of $100,000 is enough"),
        (("--model", "own"), "unpriced: no price is known for own"),
        (("--turns", "2000"), "models of 32,000 forget"),
        (("--turns", "2000"), "--renew dials again"),
        (("--call-length", "2m"), "12 turns, 1 min 58 s"),
        (("--arrivals", "30/min", "-t", "10m"), "300 calls"),
        (("--arrivals", "10/s"), "Calls will wait for an idle caller: it takes"),
        (("-r", "0.1"), "is over before all callers are there"),
        (("--steps", "10,40", "--step-time", "5m", "-t", "8m"), "40, all there after 5 min 30 s"),
        (("--shape", "steps", "-r", "9", "-t", "4m"), "3:01 50"),
        (("--spike-base", "10", "-r", "9", "-t", "2m"), "1:00 50"),
        (("--shape", "soak", "-r", "9"), "0:06 50"),
    ],
)
def test_it_says_what_one_should_know(plan, arguments, said):
    assert said in " ".join(plan("-u", "50", "-t", "1m", *arguments).split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--turns", "0"), "--turns: must be a whole number"),
        (("--host", "ftp://x"), "a host begins with"),
        (("--sessions-per-core", "nowhere"), "nowhere does not say what a core carries"),
        (("--corpus", "nowhere"), "--corpus: there is no folder nowhere"),
        (("--steps", "10", "--arrivals", "1/s"), "--arrivals and steps are two loads"),
        (("--steps", "many"), "--steps: 'many' is no number of callers"),
        (("--steps", "1000"), "make it longer, or let them come faster (-r)"),
    ],
)
def test_what_makes_no_sense_is_one_line(plan, arguments, said):
    line = plan("-t", "1m", *arguments, code=2)

    assert line.startswith("realtime-harness plan: ")
    assert said in line
    assert line.count("\n") == 1


def test_steps_and_spikes_say_themselves_how_long_they_last(plan):
    assert "turns in 6 min" in plan("--steps", "10,20,40", "--step-time", "2m", "-r", "2")
    assert "how long does it last? give -t" in plan("--shape", "soak", code=2)
    assert "how long does it last? give -t" in plan(code=2)


@pytest.mark.parametrize("wrong", [("-t", "soon"), ("-t", "0"), ("-u", "0"), ("-r", "0")])
def test_a_load_that_is_none_is_refused(wrong):
    time = () if wrong[:1] == ("-t",) else ("-t", "1m")

    with pytest.raises(SystemExit) as ended:
        main(["plan", *time, *wrong])

    assert ended.value.code == 2
