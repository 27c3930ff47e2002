import random
import re

import pytest

from harness import slo
from harness.slo import judge, parse_slo


def summary(**more):
    return {
        "turns": 200,
        "outcomes": {"completed": 190, "timeout": 4, "failed": 2, "cut": 4},
        "unanswered": 5,
        "suspect": 3,
        "sessions": 50,
        "session_outcomes": {"ended": 49, "refused": 1},
        "audio_gaps": {"per_minute": 0.4},
        "metrics": {
            "ttfa": {"p50": 0.3, "p95": 0.7, "mean": 0.35, "max": {"value": None, "above": 22.0}},
            "interrupt_stop": {"p90": {"value": None, "why": "too few"}, "max": 0.2},
        },
    } | more


@pytest.mark.parametrize(
    ("text", "metric", "statistic", "compare", "bound", "share"),
    [
        ("ttfa:p95<0.8s", "ttfa", "p95", "<", 0.8, False),
        ("interrupt_stop:p90<500ms", "interrupt_stop", "p90", "<", 0.5, False),
        ("ttfa:p99.9<=2", "ttfa", "p99.9", "<=", 2.0, False),
        ("ttfa_audible:mean < 1m", "ttfa_audible", "mean", "<", 60.0, False),
        (" ttft : max < .5s ", "ttft", "max", "<", 0.5, False),
        ("turns:failed<1%", "turns", "failed", "<", 0.01, True),
        ("turns:timeout<=0", "turns", "timeout", "<=", 0.0, False),
        ("turns:completed>=99.5 %", "turns", "completed", ">=", 0.995, True),
        ("sessions:refused<5", "sessions", "refused", "<", 5.0, False),
        ("audio_gaps:per_minute<0.5", "audio_gaps", "per_minute", "<", 0.5, False),
    ],
)
def test_an_objective_reads(text, metric, statistic, compare, bound, share):
    (objective,) = parse_slo(text)

    assert objective.text == text.strip()
    assert (objective.metric, objective.statistic) == (metric, statistic)
    assert (objective.compare, objective.share) == (compare, share)
    assert objective.bound == pytest.approx(bound)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ttfa", "'ttfa' is no objective: write it like ttfa:p95<0.8s"),
        ("ttfa:p95", "is no objective"),
        ("ttfa:p95<", "is no objective"),
        ("ttfa p95<1s", "is no objective"),
        ("ttfa:p95==1s", "is no objective"),
        ("ttfa:p95<1s<2s", "is no objective"),
        ("tfa:p95<1s", "no metric is called tfa, there are ttfa, ttfa_audible"),
        ("ttfa:p0<1s", "p0 does not lie between p0 and p100"),
        ("ttfa:p100<1s", "p100 does not lie between"),
        ("ttfa:q95<1s", "of ttfa one can ask a percentile like p95, mean or max"),
        ("ttfa:p95<1%", "'1%' is no duration"),
        ("ttfa:p95<fast", "'fast' is no duration"),
        ("turns:p95<1s", "of turns one can ask failed, unanswered, suspect"),
        ("turns:failed<1s", "'1s' is neither a share like 1% nor a count like 5"),
        ("turns:failed<-1", "'-1' is neither"),
        ("audio_gaps:mean<1", "of audio_gaps one can ask per_minute"),
        ("audio_gaps:per_minute<1s", "'1s' is no number"),
    ],
)
def test_a_wrong_objective_is_one_clear_line_with_an_example(text, says):
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        parse_slo(text)

    assert "\n" not in str(error.value)
    assert text in str(error.value)
    assert "ttfa:p95<0.8s" in str(error.value)


def test_several_objectives_stand_between_semicolons_and_none_is_none():
    assert [o.metric for o in parse_slo("ttfa:p95<1s; turns:failed<1%;")] == ["ttfa", "turns"]
    assert parse_slo("") == ()
    assert parse_slo(" ; ") == ()


@pytest.mark.parametrize(
    ("text", "metric", "where"),
    [
        ('ttfa{scenario="tools"}:p95<1s', "ttfa", [("scenario", "tools", True)]),
        ("ttfa{scenario=Caller.talk}:p95<1s", "ttfa", [("scenario", "Caller.talk", True)]),
        ('turns { model != "a b" , tier=gold } : failed < 1%', "turns",
         [("model", "a b", False), ("tier", "gold", True)]),
        ('sessions{region="eu;west}"}:failed<1%', "sessions", [("region", "eu;west}", True)]),
        ('audio_gaps{kind="greeting"}:per_minute<1', "audio_gaps", [("kind", "greeting", True)]),
        ('ttfa{tier=""}:p50<1s', "ttfa", [("tier", "", True)]),
    ],
)  # fmt: skip
def test_filters_narrow_an_objective(text, metric, where):
    (objective,) = parse_slo(text)

    assert objective.metric == metric
    assert [(each.label, each.value, each.equal) for each in objective.where] == where


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ttfa{}:p95<1s", "is no objective"),
        ("ttfa{scenario}:p95<1s", "is no objective"),
        ("ttfa{scenario=}:p95<1s", "is no objective"),
        ('ttfa{scenario="tools:p95<1s', "is no objective"),
        ("ttfa{scenario=tools:p95<1s", "is no objective"),
        ('sessions{kind="text"}:failed<1%', "sessions have no kind"),
    ],
)
def test_a_wrong_filter_is_one_clear_line(text, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_slo(text)


def test_an_objective_knows_its_percentile():
    (objective,) = parse_slo("ttfa:p99.9<1s")

    assert objective.percentile == pytest.approx(0.999)
    assert parse_slo("ttfa:max<1s")[0].percentile is None


@pytest.mark.parametrize(
    ("text", "value", "met"),
    [
        ("ttfa:p95<0.8s", 0.7, True),
        ("ttfa:p95<0.7s", 0.7, False),
        ("ttfa:p95<=0.7s", 0.7, True),
        ("ttfa:p50>200ms", 0.3, True),
        ("ttfa:mean<0.3s", 0.35, False),
        ("ttfa:max<22s", {"value": None, "above": 22.0}, False),
        ("ttfa:max<5s", {"value": None, "above": 22.0}, False),
        ("ttfa:max<23s", {"value": None, "above": 22.0}, None),
        ("ttfa:max>5s", {"value": None, "above": 22.0}, True),
        ("ttfa:max>23s", {"value": None, "above": 22.0}, None),
        ("ttfa:p75<1s", None, None),
        ("ttft:p50<1s", None, None),
        ("interrupt_stop:p90<500ms", {"value": None, "why": "too few"}, None),
        ("turns:failed<3.1%", 0.03, True),
        ("turns:failed<3%", 0.03, False),
        ("turns:failed<7", 6, True),
        ("turns:timeout<3", 4, False),
        ("turns:disconnected<1", 0, True),
        ("turns:unanswered<=5", 5, True),
        ("turns:suspect<1%", 0.015, False),
        ("sessions:failed<2%", 0.02, False),
        ("sessions:refused<2", 1, True),
        ("audio_gaps:per_minute<0.5", 0.4, True),
    ],
)
def test_a_run_is_judged(text, value, met):
    judgement = judge(*parse_slo(text), summary())

    assert judgement.value == (pytest.approx(value) if isinstance(value, float) else value)
    assert judgement.met is met


def test_without_turns_nothing_can_be_decided():
    judgement = judge(*parse_slo("turns:failed<1%"), {"turns": 0, "outcomes": {}})

    assert judgement.value is None
    assert judgement.met is None


def grammar():
    """The productions: name -> alternatives, each a list of words."""
    rules = dict(re.findall(r"(\w+)\s*::=\s*(.*?)(?=\n\s*\w+\s*::=|\Z)", slo.GRAMMAR, re.DOTALL))
    return {
        name: [alternative.split() for alternative in body.split("|")]
        for name, body in rules.items()
    }


TEXTS = ("", "book a table", "a=b, c", "ünïcode: 1 < 2 }")


def derive(rules, symbol, rng):
    if symbol[0] in "\"'":
        return symbol[1:-1]
    if symbol in ("word", "text"):
        return rng.choice(("tools", "Caller.talk", "gpt-realtime") if symbol == "word" else TEXTS)
    if symbol == "digits":
        return str(rng.randint(1, 99))
    return "".join(derive(rules, word, rng) for word in rng.choice(rules[symbol]))


def test_the_parser_takes_whatever_the_documented_grammar_gives():
    rules, rng = grammar(), random.Random(1)

    for _ in range(2000):
        text = derive(rules, "objectives", rng)
        assert [o.text for o in parse_slo(text)] == text.split(";")


def test_the_documented_grammar_names_all_that_the_parser_knows():
    words = {name: {w.strip('"') for (w,) in body} for name, body in list(grammar().items())
             if name in ("latency", "turns", "sessions")}  # fmt: skip

    assert words["latency"] == set(slo.LATENCIES)
    assert words["turns"] == set(slo.COUNTED["turns"])
    assert words["sessions"] == set(slo.COUNTED["sessions"])
