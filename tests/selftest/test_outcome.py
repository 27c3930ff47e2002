import io

import pytest
from rich.console import Console

from harness.errors import CommandError
from harness.records import Flag, Health, Outcome, Session, SessionOutcome, Turn
from harness.selftest import capacity
from harness.selftest.capacity import Capacity, Trial, search
from harness.selftest.outcome import Evidence, as_json, judge, spread
from harness.selftest.table import print_capacities, print_tested, print_trial
from harness.selftest.truth import Line

MS = 1_000_000


def one(number, late_ms, *, outcome=Outcome.COMPLETED, scene="talk", flags=()):
    """A turn whose first audio was measured so much too late, and the truth."""
    name = f"r{number}"
    marks = {"first_audio": round((400 + late_ms) * MS)}
    turn = Turn(
        scenario=scene, response_ids=[name], outcome=outcome, flags=list(flags), marks=marks
    )
    return turn, Line(response_id=name, first_out=400 * MS)


def evidence(*pairs, sessions=(), health=None):
    return Evidence(
        turns=[turn for turn, _ in pairs],
        sessions=list(sessions),
        health=[health or Health(sessions=3, cpu=0.25, starved_s=0.1)],
        lines={line.response_id: line for _, line in pairs},
        tails={},
    )


def test_a_spread_is_signed_in_its_median_and_sized_in_its_ends():
    assert spread([-0.003, 0.001, 0.002, 0.004, -0.009]) == spread(
        [0.004, -0.009, 0.001, 0.002, -0.003]
    )
    assert spread([-0.003, 0.001, 0.002]).median == 0.001
    assert spread([-0.003, 0.001, 0.002]).max == 0.003
    assert spread([0.001] * 990 + [-0.5] * 10).p99 == spread([0.001] * 1000).worst == 0.001
    assert spread([0.001] * 989 + [-0.5] * 11).p99 == 0.5


def test_few_turns_carry_no_percentile_and_are_as_bad_as_the_worst_of_them():
    assert spread([0.001] * 998 + [-0.5]).p99 is None
    assert spread([0.001] * 998 + [-0.5]).worst == 0.5


def test_right_to_the_millisecond_keeps_all_limits():
    tested = judge(evidence(*(one(n, 0.2) for n in range(10))))

    assert tested.passed
    assert tested.verdict == "VALID"
    assert tested.errors["first_audio received"].median == pytest.approx(0.0002)
    assert (tested.sessions, tested.turns, tested.cpu, tested.starved) == (3, 10, 0.25, 0.1)


def test_a_median_error_over_a_millisecond_is_missed():
    tested = judge(evidence(*(one(n, 1.3) for n in range(3))))

    assert tested.missed == ("first_audio received: median error +1.30 ms, over 1 ms",)


def test_a_generator_that_is_not_valid_is_missed_with_its_reasons():
    health = Health()
    for _ in range(100):
        health.frame_lateness.add(0.012)
    tested = judge(evidence(one(1, 0), health=health))

    assert tested.verdict == "SUSPECT"
    assert tested.missed == tested.reasons
    assert tested.frame_lateness["p99"] == pytest.approx(0.012)


def test_suspect_turns_count_apart():
    tested = judge(evidence(one(1, 0.1), one(2, 30, flags=[Flag.SUSPECT])))

    assert tested.suspect_turns == 1
    assert tested.errors["first_audio received"].count == 2
    assert tested.trusted_errors["first_audio received"].max == pytest.approx(0.0001)


def test_what_should_have_ended_otherwise_is_missed():
    sessions = [
        Session(scenario="refused", outcome=SessionOutcome.REFUSED),
        Session(scenario="refused", outcome=SessionOutcome.ENDED),
        Session(scenario="talk", outcome=SessionOutcome.DISCONNECTED),
    ]
    tested = judge(
        evidence(
            one(1, 0, outcome=Outcome.TIMEOUT),
            one(2, 0, outcome=Outcome.TIMEOUT, scene="no answer"),
            one(3, 0, outcome=Outcome.COMPLETED, scene="no answer"),
            sessions=sessions,
        )
    )

    assert tested.missed == (
        "talk: turns that were timeout: 1",
        "no answer: turns that were completed: 1",
        "refused: sessions that were ended: 1",
        "talk: sessions that were disconnected: 1",
    )


def test_an_answer_that_only_one_side_knows_is_missed():
    turn, line = one(1, 0)
    seen = evidence((turn, line))
    seen.lines["r9"] = Line(response_id="r9")

    assert judge(seen).missed == ("answers that only one side knows of: 1",)


@pytest.mark.parametrize("width", [40, 60, 120])
def test_the_table_fits_narrow_terminals(width):
    tested = judge(evidence(*(one(n, 1.5) for n in range(3))))
    out = io.StringIO()
    print_tested(Console(file=out, width=width), tested)
    lines = out.getvalue().splitlines()

    assert max(map(len, lines)) <= width
    assert "+1.50" in out.getvalue()
    assert lines[-1].startswith("VALID") or lines[-1].endswith("here")


def test_json_says_it_all():
    said = as_json(judge(evidence(one(1, 0.2))))

    assert said["schema"] == 1
    assert said["passed"] is True
    assert said["errors"]["first_audio received"]["count"] == 1


# Capacity.


@pytest.mark.parametrize(
    ("limit", "found"), [(10, 0), (30, 28), (100, 100), (217, 200), (333, 325), (9999, 3200)]
)
def test_a_search_ends_close_below_what_can_be_carried(limit, found):
    trials = list(search(lambda n: Trial(sessions=n, holds=n <= limit)))

    assert max((t.sessions for t in trials if t.holds), default=0) == found
    assert len(trials) <= 12


def test_capacities_say_when_there_may_be_room_for_more():
    out = io.StringIO()
    console = Console(file=out, width=100)
    held = Trial(sessions=800, holds=True, cpu=0.78, frame_lateness_p99_s=0.002,
                 first_audio_error_s=0.0004)  # fmt: skip
    print_capacities(
        console,
        [
            Capacity(duty="push to talk", sessions=800, at_least=True, trials=(held,)),
            Capacity(duty="open microphone", sessions=0, at_least=False, trials=()),
        ],
        100,
    )
    trial = Trial(sessions=900, holds=False, why="late", cpu=0.9, starved=0.05)
    print_trial(console, "push to talk", trial)

    rows = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "push to talk ≥ 800 78% 2.00 0.40" in rows
    assert "open microphone 0 – – –" in rows
    assert "100 ms frames" in out.getvalue()
    assert (
        "900 sessions: too many, late; 90% of the core, 5% of the time without it" in out.getvalue()
    )


def test_one_size_alone_is_tried_in_both_duty_cycles_and_once_more_if_it_fails(monkeypatch):
    asked, told = [], []

    def attempt(duty, sessions, *, frame_ms, tls):
        asked.append((duty, sessions, frame_ms, tls))
        return Trial(sessions=sessions, holds=duty == "push to talk")

    monkeypatch.setattr(capacity, "_attempt", attempt)
    found = capacity.measure_capacity(
        only=1000, frame_ms=100, tls=True, told=lambda duty, trial: told.append(duty)
    )

    assert asked == [(duty, 1000, 100, True) for duty in told]
    assert told == ["push to talk", "open microphone", "open microphone"]
    assert [(one.sessions, one.at_least) for one in found] == [(1000, True), (0, False)]


def test_callers_or_endpoints_that_fail_make_a_size_too_large(monkeypatch):
    def fails(*_, **__):
        raise CommandError("the callers did not come to an end")

    monkeypatch.setattr(capacity, "play", fails)
    found = capacity.measure_capacity(only=500, frame_ms=20, told=lambda duty, trial: None)

    assert {trial.why for one in found for trial in one.trials} == {
        "the callers did not come to an end"
    }
