import pytest
from rundirs import answered, session, silent

from harness.records import Flag, Outcome, SessionOutcome
from harness.share import share_of
from harness.slo import parse_slo


def share(text):
    return share_of(*parse_slo(text))


ABANDONED = session(outcome=SessionOutcome.TIMEOUT)[1]


@pytest.mark.parametrize(
    ("text", "limit", "record", "bad"),
    [
        ("ttfa:p95<0.8s", 0.05, answered(ttfa=0.7), (False,)),
        ("ttfa:p95<0.8s", 0.05, answered(ttfa=0.9), (True,)),
        ("ttfa:p95<0.8s", 0.05, silent(), (True,)),
        ("ttfa:p95<0.8s", 0.05, silent(outcome=Outcome.CUT), ()),
        ("ttfa:p95<0.8s", 0.05, answered(ttfa=0.9, flags=[Flag.CENSORED]), ()),
        ("ttfa:p95<0.8s", 0.05, session()[1], ()),
        ("ttfa:p99.5<=1s", 0.005, answered(ttfa=0.9), (False,)),
        ("ttfa:p50>200ms", 0.5, answered(ttfa=0.1), (True,)),
        ("ttfa:p50>200ms", 0.5, silent(), (False,)),
        ("tool_call:p90<2s", 0.1, answered(), ()),
        ("audio_gap:p90<200ms", 0.1, answered(gaps=[0.1, 0.4]), (False, True)),
        ("turns:failed<1%", 0.01, answered(), (False,)),
        ("turns:failed<1%", 0.01, silent(outcome=Outcome.RATE_LIMITED), (True,)),
        ("turns:timeout<2%", 0.02, silent(), (True,)),
        ("turns:completed>99%", 0.01, silent(), (True,)),
        ("turns:completed>99%", 0.01, answered(), (False,)),
        ("turns:unanswered<2%", 0.02, silent(), (True,)),
        ("turns:suspect<1%", 0.01, answered(flags=[Flag.SUSPECT]), (True,)),
        ("sessions:failed<1%", 0.01, session()[1], (False,)),
        ("sessions:failed<1%", 0.01, ABANDONED, (True,)),
        ("sessions:timeout<1%", 0.01, ABANDONED, (True,)),
        ("sessions:failed<1%", 0.01, session()[0], ()),
        ("sessions:failed<1%", 0.01, answered(), ()),
        ('ttfa{scenario="tools"}:p95<1s', 0.05, answered(scenario="talk"), ()),
        ('ttfa{scenario!="tools"}:p95<1s', 0.05, answered(scenario="talk"), (False,)),
        ("ttfa{tier=gold}:p95<1s", 0.05, answered(tags={"tier": "gold"}), (False,)),
        ("ttfa{kind=text}:p95<1s", 0.05, answered(), ()),
    ],
)
def test_an_objective_judges_each_record(text, limit, record, bad):
    asked = share(text)

    assert asked.limit == pytest.approx(limit)
    assert asked.judge(record) == bad


@pytest.mark.parametrize(
    "text",
    ["ttfa:mean<1s", "ttfa:max<5s", "turns:failed<5", "audio_gaps:per_minute<1", "turns:cut<0%"],
)
def test_what_is_no_share_judges_no_single_record(text):
    assert share(text) is None
