import pytest

from harness.metrics import measure
from harness.records import Flag, Kind, ToolCall, Turn
from harness.selftest.truth import FIGURES, Line, errors

MS = 1_000_000
TAIL = 8 * MS  # of an utterance whose voice ends 8 ms before its last frame does


def turn(*ids, flags=(), **marks):
    made = Turn(
        said="hi",
        kind=Kind.SPEECH,
        response_ids=list(ids),
        flags=list(flags),
        audio_received_s=1.0,
        marks={name: round(at * MS) for name, at in marks.items()},
    )
    measure(made)
    return made


def line(name, *, audio_s=1.0, status="completed", vad=False, **instants):
    return Line(
        response_id=name,
        turn_detection="server_vad" if vad else "none",
        status=status,
        audio_s=audio_s,
        **{key: round(at * MS) for key, at in instants.items()},
    )


def found(one, *lines):
    """Errors in ms by figure."""
    by_id = {each.response_id: each for each in lines}
    return {name: error * 1e3 for name, _, error in errors([one], by_id, {"hi": TAIL})}


def test_what_was_measured_late_is_an_error_of_as_much():
    answered = turn(
        "r", speech_end=92, commit=100, detected=100, created=151, first_audio=403, first_text=402
    )
    truth = line("r", commit_in=101, created_out=150, first_out=400, last_out=500)

    assert found(answered, truth) == pytest.approx(
        {
            "created received": 1,
            "first_audio received": 3,
            "ttfa": (403 - 92) - (400 - 93),  # the endpoint read the commit 1 ms late
            "ttfa_commit": (403 - 100) - (400 - 101),
            "ttfa_detected": (403 - 100) - (400 - 101),
            "ttft": (402 - 92) - (400 - 93),
            "time_to_answer": (403 - 92) - (400 - 93),
            "audio received": 0,
        }
    )


def test_under_vad_only_what_the_endpoint_detected_is_known():
    answered = turn("r", speech_end=92, detected=602, created=611, first_audio=901)
    truth = line(
        "r", vad=True, speech_stopped_out=600, created_out=610, first_out=900, last_out=950
    )

    assert found(answered, truth) == pytest.approx(
        {
            "created received": 1,
            "first_audio received": 1,
            "ttfa_detected": (901 - 602) - 300,
            "audio received": 0,
        }
    )


def test_audible_is_after_the_buffer_and_the_silence_that_the_endpoint_was_told_to_send():
    answered = turn("r", speech_end=92, commit=100, first_audio=400, first_audible=400 + 220.5)
    truth = line("r", commit_in=100, first_out=400, last_out=500)

    assert found(answered, truth)["ttfa_audible"] == pytest.approx(0.5)


def test_a_tool_turn_is_known_from_both_of_its_responses():
    answered = turn(
        *("call", "answer"),
        speech_end=92,
        commit=100,
        detected=100,
        created=110,
        call=202,
        tool_output=350,
        first_audio=601,
        answer_audio=601,
    )
    answered.tools = [ToolCall(name="look_up", call_id="c1")]
    answered.own_delay_s = 0.148
    measure(answered)
    call = line("call", audio_s=0.0, commit_in=100, created_out=110, call_out=200)
    answer = line(
        "answer", commit_in=100, tool_output_in=351, created_out=352, first_out=600, last_out=650
    )
    errors_ms = found(answered, call, answer)

    assert errors_ms["tool_call"] == pytest.approx(2)
    assert errors_ms["own_delay"] == pytest.approx(148 - 151)
    assert errors_ms["tool_turnaround"] == pytest.approx((601 - 350) - (600 - 351))
    assert errors_ms["time_to_answer"] == pytest.approx(1)
    assert errors_ms["created received"] == pytest.approx(0)


@pytest.mark.parametrize(("last_out", "true_ms"), [(640, 40), (590, 0)])
def test_an_interrupted_answer_stops_with_its_last_delta(last_out, true_ms):
    cut = turn("r", speech_end=92, commit=100, first_audio=400, barge_in=600, cancel=600)
    cut.marks["last_delta"] = 645 * MS
    measure(cut)
    truth = line("r", commit_in=100, first_out=400, last_out=last_out, cancel_in=600)

    assert found(cut, truth)["interrupt_stop"] == pytest.approx(45 - true_ms)


def test_gaps_together_are_what_the_last_delta_came_too_late():
    slow = turn("r", speech_end=92, commit=100, first_audio=400)
    slow.gaps = [0.1, 0.2]
    measure(slow)
    truth = line("r", commit_in=100, audio_s=1.0, first_out=400, last_out=400 + 1300 - 2)

    assert found(slow, truth)["audio_gap_seconds"] == pytest.approx(2)


def test_turns_that_nothing_is_known_of_are_left_out():
    known = line("r", commit_in=100, first_out=400)

    assert found(turn("other", first_audio=1), known) == {}
    assert found(turn("r", "other", first_audio=1), known) == {}
    assert found(turn(), known) == {}
    assert found(turn("r", flags=[Flag.PREMATURE], first_audio=1), known) == {}


def test_every_figure_has_its_place_in_the_table():
    assert len(FIGURES) == len(set(FIGURES)) == 14
