"""Records hold against the truth, whatever an endpoint, a caller, a line and a machine do."""

from dataclasses import replace

import pytest
from fuzz.cases import Case, draw, play
from fuzz.claims import contradictions

from harness.records import Outcome

PLAIN = Case(workload={"turn_detection": "none"}, moves=[("say", "Yes, please.", None)])


@pytest.mark.parametrize("part", range(10))
def test_no_record_contradicts_the_truth(part):
    for seed in range(part * 30, part * 30 + 30):
        assert [*contradictions(play(draw(seed)))] == [], f"case {seed}"


def test_time_passes_at_no_cost_and_as_told():
    played = play(replace(PLAIN, simulator={"ttfa": "5s", "answer": "60s"}, world={"latency": 0.0}))
    (told,) = played.turns
    turn = told.record

    assert turn.outcome is Outcome.COMPLETED
    assert turn.metrics["ttfa_commit"] == 5.0
    assert turn.audio_heard_s == 60.0
    assert told.at - turn.marks["first_audio"] == 60_100_000_000  # a jitter buffer more


@pytest.mark.parametrize(
    ("claim", "lie"),
    [
        (
            "marks_are_true",
            lambda turn: turn.marks.update(first_audio=turn.marks["first_audio"] + 1),
        ),
        ("segments_add_up", lambda turn: turn.segments.update(audible=0.0)),
        ("audio_and_usage_are_true", lambda turn: turn.usage.update(output_tokens=1)),
        ("every_response_is_counted_once", lambda turn: turn.response_ids.append("resp_0")),
        ("outcomes_are_true", lambda turn: setattr(turn, "outcome", Outcome.CANCELLED)),
        ("marks_are_in_order", lambda turn: turn.marks.update(created=1)),
        ("no_interval_is_negative", lambda turn: turn.metrics.update(ttfa=-1.0)),
        ("no_more_is_heard_than_came", lambda turn: setattr(turn, "audio_heard_s", 99.0)),
        ("sessions_add_up", lambda turn: setattr(turn, "session", "sess_0")),
    ],
)
def test_a_lie_is_noticed(claim, lie):
    played = play(PLAIN)
    lie(played.turns[0].record)

    assert claim in {name for name, _ in contradictions(played)}
