import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tape import (
    COMMITTED,
    EVENTS,
    STOPPED,
    Script,
    arguments,
    audio,
    calls,
    created,
    done,
    error,
    hold,
    ms,
    served,
    serves,
    text,
    words,
)

from harness.audio import PCMU, AudioFormat
from harness.limits import Limits
from harness.metrics import TURN_METRICS, measure
from harness.realtime.events import AudioDelta, IdleTimeout
from harness.records import Flag, Kind, Outcome, Phase

# A turn of speech ends at 100 ms. Latencies are seconds.


def test_ttfa_runs_from_the_last_voiced_sample_to_the_first_delta():
    (turn,) = hold((300, created()), (480, audio(200)), (600, done()))

    assert turn.ttfa == pytest.approx(0.380)
    assert turn.outcome is Outcome.COMPLETED


def test_ttfa_commit_runs_from_the_commit():
    script = Script()
    script.say(0, 100, commit=112)
    script.hear((300, created()), (480, audio(200)), (600, done()))
    (turn,) = script.until(5000)

    assert turn.metrics["ttfa_commit"] == pytest.approx(0.368)
    assert turn.metrics["ttfa_detected"] == pytest.approx(0.368)
    assert turn.ttfa == pytest.approx(0.380)


def test_audible_is_the_first_sample_above_silence_as_it_plays():
    (turn,) = hold((300, created()), (400, audio(200, silent=50)), (600, done()))

    assert turn.metrics["ttfa_audible"] == pytest.approx(0.300 + 0.100 + 0.050)


def test_a_whole_silent_delta_is_audio_but_not_audible():
    (turn,) = hold(
        (300, created()), (400, audio(200, silent=200)), (420, audio(100)), (600, done())
    )

    assert turn.ttfa == pytest.approx(0.300)
    assert turn.metrics["ttfa_audible"] == pytest.approx(0.300 + 0.100 + 0.200)


def test_an_empty_delta_is_no_audio():
    (turn,) = hold((300, created()), (350, audio(0)), (400, audio(100)), (600, done()))

    assert turn.ttfa == pytest.approx(0.300)


def test_half_a_sample_is_completed_by_the_next_delta():
    whole = audio(100, silent=50).delta
    (turn,) = hold(
        (300, created()),
        (400, AudioDelta(response_id="r1", item_id="i1", delta=whole[:1201])),
        (401, AudioDelta(response_id="r1", item_id="i1", delta=whole[1201:])),
        (600, done()),
    )

    assert turn.metrics["ttfa_audible"] == pytest.approx(0.450)
    assert turn.audio_received_s == pytest.approx(0.100)


@pytest.mark.parametrize(
    ("format", "data"),
    [(PCMU, b"\x00" * 800), (AudioFormat("pcm16", 16_000, 2), b"\x99\x99" * 1600)],
)
def test_audio_seconds_come_from_the_negotiated_format(format, data):
    script = Script(format=format)
    script.say(0, 100)
    script.hear(
        (300, created()),
        (400, AudioDelta(response_id="r1", item_id="i", delta=data)),
        (500, done()),
    )
    (turn,) = script.until(5000)

    assert turn.audio_received_s == pytest.approx(0.100)
    assert turn.marks["playback_end"] == ms(400 + 100 + 100)


def test_a_turn_closes_when_it_has_been_heard():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(2000)), (500, done()))

    assert script.until(2499) == []
    (turn,) = script.until(2500)
    assert turn.marks["done"] == ms(500)
    assert turn.marks["playback_end"] == ms(2500)
    assert turn.audio_heard_s == pytest.approx(2.0)


def test_a_turn_closes_at_done_when_nobody_hears_it_out():
    script = Script(hear_out=False)
    script.say(0, 100)
    script.hear((300, created()), (400, audio(2000)), (500, done()))

    (turn,) = script.until(500)
    assert turn.outcome is Outcome.COMPLETED


def test_a_dry_buffer_is_a_gap():
    (turn,) = hold(
        (300, created()), (400, audio(100)), (900, audio(100)), (2800, audio(100)), (2900, done())
    )

    assert turn.gaps == pytest.approx([0.300, 1.800])
    assert turn.metrics["audio_gap_longest"] == pytest.approx(1.8)
    assert turn.metrics["dead_air"] == pytest.approx(1.8)


def test_rtf_is_the_time_to_receive_over_the_audio_received():
    (turn,) = hold((300, created()), (400, audio(500)), (650, audio(500)), (700, done()))

    assert turn.metrics["rtf"] == pytest.approx(0.25)


def test_rtf_leaves_out_the_time_in_which_tools_run():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(300)), (500, audio(300)), (600, calls("look_up")))
    script.hear((650, arguments()), (700, done()))
    script.answer_tools(5700)
    script.hear((5900, created("r2")), (6000, audio(200, response="r2")))
    script.hear((6100, audio(200, response="r2")), (6200, done("r2")))
    (turn,) = script.until(20_000)

    # Audio of 1 s came within 400-500 and 6000-6100 ms.
    assert turn.metrics["rtf"] == pytest.approx(0.2)


def test_rtf_counts_the_time_of_a_response_too_early_with_its_audio():
    script = Script(vad=True)
    turn = script.recorder.begin(Kind.SPEECH, due=0, at=0)
    script.hear((500, STOPPED), (600, created()), (700, audio(200)), (800, audio(200)))
    script.hear((900, done("r1", "cancelled")))
    script.recorder.spoken(turn, ms(2000), 2.0)
    script.hear((2300, STOPPED), (2400, created("r2")), (2500, audio(400, response="r2")))
    script.hear((2600, audio(400, response="r2")), (2700, done("r2")))
    (turn,) = script.until(20_000)

    assert Flag.PREMATURE in turn.flags
    assert turn.audio_received_s == pytest.approx(1.2)
    assert turn.metrics["rtf"] == pytest.approx(0.2 / 1.2)


# What belongs to whom.


def test_audio_of_an_earlier_turn_is_stale_and_never_heard():
    script = Script(limits=Limits(first_audio=ms(1000)))
    script.say(0, 100)
    script.hear((300, created("r1")))
    script.until(1100)
    script.say(2000, 2100)
    script.hear(
        (2150, audio(500, response="r1")),
        (2200, created("r2")),
        (2300, audio(100, response="r2")),
        (2400, done("r2")),
    )
    first, second = script.until(5000)

    assert (first.outcome, first.phase) == (Outcome.TIMEOUT, Phase.FIRST_AUDIO)
    assert second.ttfa == pytest.approx(0.200)
    assert second.audio_received_s == pytest.approx(0.100)
    assert script.recorder.stale_ns == ms(500)


def test_a_response_to_nothing_is_an_unsolicited_turn():
    script = Script()
    script.hear((300, created("r9")), (400, audio(100, response="r9")), (500, done("r9")))
    (turn,) = script.until(5000)

    assert turn.kind is Kind.UNSOLICITED
    assert turn.response_ids == ["r9"]
    assert turn.ttfa is None


def test_an_endpoint_that_speaks_since_the_caller_waits_for_a_tool_gives_no_second_answer():
    (turn,) = hold(
        (200, STOPPED),
        *((300, created("r1")), (400, calls("book")), (450, arguments()), (500, done("r1"))),
        *((6000, IdleTimeout()), (6010, created("r2")), (6100, audio(100, response="r2"))),
        (6200, done("r2")),
        vad=True,
    )

    assert turn.response_ids == ["r1", "r2"]
    assert Flag.IDLE_TIMEOUT in turn.flags
    assert Flag.SECOND_ANSWER not in turn.flags


def test_who_talked_over_an_answer_that_stalls_has_cancelled_it_and_waited_for_nothing():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(1000)))
    script.recorder.talk_over(ms(900))
    (turn,) = script.until(60_000)

    assert (turn.outcome, turn.phase) == (Outcome.CANCELLED, None)


def test_a_text_that_can_not_be_asked_about_is_given_up_when_no_answer_can_be_running_any_more():
    script = Script(limits=Limits(response=ms(20_000)))
    script.recorder.begin(Kind.TEXT, due=ms(500), at=None)

    assert script.until(20_499) == []
    (turn,) = script.until(20_500)
    assert (turn.outcome, turn.phase) == (Outcome.TIMEOUT, Phase.RESPONSE)


def test_a_second_response_to_one_commit_is_flagged_and_gives_no_ttfa():
    (turn,) = hold(
        (300, created("r1")),
        (400, audio(100, response="r1")),
        (450, done("r1")),
        (460, created("r2")),
        (700, audio(100, response="r2", item="i2")),
        (800, done("r2")),
    )

    assert Flag.SECOND_ANSWER in turn.flags
    assert turn.response_ids == ["r1", "r2"]
    assert turn.ttfa == pytest.approx(0.300)


def test_a_delta_without_a_response_id_belongs_to_the_response_that_runs():
    (turn,) = hold((300, created()), (400, audio(100, response=None)), (500, done()))

    assert turn.ttfa == pytest.approx(0.300)


def test_a_response_that_was_never_created_is_taken_as_it_comes():
    (turn,) = hold((400, audio(100)), (500, done()))

    assert turn.ttfa == pytest.approx(0.300)
    assert turn.response_ids == ["r1"]


# Detected by the endpoint.


def test_with_vad_a_turn_is_detected_when_speech_stopped_is_received():
    (turn,) = hold(
        (600, STOPPED),
        (601, COMMITTED),
        (620, created()),
        (800, audio(100)),
        (900, done()),
        vad=True,
    )

    assert turn.metrics["ttfa_detected"] == pytest.approx(0.200)
    assert turn.ttfa == pytest.approx(0.700)
    assert turn.metrics["ttfa_commit"] is None


def test_a_commit_alone_detects_for_a_server_without_speech_stopped():
    (turn,) = hold((601, COMMITTED), (620, created()), (800, audio(100)), (900, done()), vad=True)

    assert turn.metrics["ttfa_detected"] == pytest.approx(0.199)


def test_a_response_while_the_caller_speaks_is_premature_and_gives_no_ttfa():
    script = Script(vad=True)
    turn = script.recorder.begin(Kind.SPEECH, due=0, at=0)
    script.hear((500, STOPPED), (510, created("r1")), (700, audio(100, response="r1")))
    script.recorder.spoken(turn, ms(1000), 1.0)
    script.hear(
        (1010, done("r1", "cancelled", reason="turn_detected")),
        (1500, STOPPED),
        (1510, created("r2")),
        (1700, audio(100, response="r2", item="i2")),
        (1800, done("r2")),
    )
    (turn,) = script.until(9000)

    assert Flag.PREMATURE in turn.flags
    assert turn.outcome is Outcome.COMPLETED
    assert turn.ttfa == pytest.approx(0.700)
    assert turn.metrics["ttfa_detected"] == pytest.approx(0.200)
    assert turn.response_ids == ["r1", "r2"]


def test_the_end_of_a_premature_response_is_no_break_in_the_answer():
    script = Script(vad=True)
    turn = script.recorder.begin(Kind.SPEECH, due=0, at=0)
    script.hear((50, STOPPED), (60, created("early")))
    script.recorder.spoken(turn, ms(100), 0.1)
    script.hear((150, STOPPED), (180, created()), (200, audio(100)))
    script.hear((250, done("early", "cancelled")), (1000, audio(100)), (1010, done()))
    script.until(9000)

    assert turn.gaps == [pytest.approx(0.6)]


def test_an_answer_to_an_early_commit_is_premature_even_after_the_caller_finished():
    script = Script(vad=True)
    turn = script.recorder.begin(Kind.SPEECH, due=0, at=0)
    script.hear((900, STOPPED), (905, COMMITTED))
    script.recorder.spoken(turn, ms(1000), 1.0)
    script.hear((1100, created("r1")), (1300, audio(100)), (1400, done("r1")))
    (turn,) = script.until(60_000)

    assert turn.ttfa is None
    assert set(turn.flags) >= {Flag.PREMATURE, Flag.CENSORED}
    assert (turn.outcome, turn.phase) == (Outcome.TIMEOUT, Phase.DETECTION)
    assert not turn.unanswered


# Tools.


def tool_turn(*, filler: bool = False):
    script = Script()
    turn = script.say(0, 100)
    script.hear((300, created("r1")))
    if filler:
        script.hear((350, audio(100, response="r1")))
    script.hear((360, calls("look_up")), (400, arguments('{"x": 1}')), (410, done("r1")))
    script.recorder.tool_answered(turn, "c1", ms(650), "ok", valid=True)
    script.recorder.requested(turn, ms(650))
    script.hear(
        (700, created("r2")), (900, audio(100, response="r2", item="i2")), (1000, done("r2"))
    )
    (turn,) = script.until(9000)
    return script, turn


def test_the_answer_to_our_tool_belongs_to_the_turn_that_called_it():
    script, turn = tool_turn()

    assert turn.response_ids == ["r1", "r2"]
    assert turn.ttfa == pytest.approx(0.800)
    assert turn.metrics["tool_call"] == pytest.approx(0.300)
    assert turn.metrics["tool_turnaround"] == pytest.approx(0.250)
    assert turn.metrics["time_to_answer"] == pytest.approx(0.800)
    assert turn.own_delay_s == pytest.approx(0.250)
    (request,) = script.recorder.requests
    assert (request.name, request.arguments) == ("look_up", '{"x": 1}')


def test_speech_before_a_tool_call_is_filler_and_the_first_audio():
    _, turn = tool_turn(filler=True)

    assert Flag.FILLER in turn.flags
    assert turn.ttfa == pytest.approx(0.250)
    assert turn.metrics["time_to_answer"] == pytest.approx(0.800)
    assert turn.gaps == []


def unanswered_in(turn):
    return {metric.name for metric in TURN_METRICS if metric.unanswered(turn)}


@pytest.mark.parametrize(
    ("filler", "metrics"),
    [
        (True, {"time_to_answer"}),  # the filler was first audio, but it is no answer
        (False, {"ttfa", "ttfa_audible", "ttfa_commit", "ttfa_detected", "time_to_answer"}),
    ],
)
def test_a_tool_turn_that_fails_after_its_tool_was_never_answered(filler, metrics):
    script = Script()
    turn = script.say(0, 100)
    script.hear((300, created("r1")))
    if filler:
        script.hear((350, audio(100, response="r1")))
    script.hear((400, calls("look_up")), (400, arguments()), (410, done("r1")))
    script.recorder.tool_answered(turn, "c1", ms(650), "ok", valid=True)
    script.recorder.requested(turn, ms(650))
    script.hear((700, created("r2")), (800, done("r2", "failed", code="server_error")))
    script.until(9000)

    assert turn.metrics["time_to_answer"] is None
    assert unanswered_in(turn) == metrics


@pytest.mark.parametrize("outcome", [Outcome.CUT, Outcome.CANCELLED])
def test_a_tool_turn_that_we_ended_is_censored_not_unanswered(outcome):
    script = Script()
    turn = script.say(0, 100)
    script.hear((300, created()), (350, audio(100)), (400, calls("look_up")), (400, arguments()))
    script.over(500, outcome)

    assert unanswered_in(turn) == set()


def test_the_answer_comes_after_the_last_of_several_tools():
    script = Script()
    turn = script.say(0, 100)
    for number, at in enumerate((300, 1300)):
        response, call = f"r{number}", f"c{number}"
        script.hear((at, created(response)), (at + 50, audio(100, response=response)))
        script.hear((at + 100, calls("look_up", call, response)))
        script.hear((at + 200, arguments("{}", call, response)), (at + 300, done(response)))
        script.recorder.tool_answered(turn, call, ms(at + 500), "ok", valid=True)
        script.recorder.requested(turn, ms(at + 500))
    script.hear((2000, created("r9")), (2100, audio(100, response="r9")), (2200, done("r9")))
    script.until(9000)

    assert turn.metrics["time_to_answer"] == pytest.approx(2.000)
    assert turn.metrics["tool_turnaround"] == pytest.approx(0.300)


def test_a_tool_called_before_the_caller_had_finished_makes_no_tool_turn():
    script = Script(vad=True)
    turn = script.recorder.begin(Kind.SPEECH, due=0, at=0)
    script.hear((50, STOPPED), (60, created("r0")), (70, calls("look_up", "c0", "r0")))
    script.hear((80, arguments("{}", "c0", "r0")), (85, done("r0", "cancelled")))
    script.recorder.spoken(turn, ms(100), 0.1)
    script.hear((300, STOPPED), (310, created()), (400, audio(100)), (450, done()))
    script.until(9000)

    assert turn.tools == []
    assert turn.metrics["time_to_answer"] == pytest.approx(0.300)
    assert unanswered_in(turn) == set()


def test_a_tool_turn_repeats_created_call_tool_output_in_its_waterfall():
    _, turn = tool_turn()

    assert turn.segments == pytest.approx(
        {
            "detect": 0.0,
            "create": 0.200 + 0.050,
            "call": 0.100,
            "tool": 0.250,
            "generate": 0.200,
            "audible": 0.100,
        }
    )
    assert sum(turn.segments.values()) == pytest.approx(turn.metrics["ttfa_audible"], abs=1e-6)


def test_a_tool_that_the_endpoint_runs_itself_is_a_tool_call_but_no_delay_of_ours():
    script = Script()
    turn = script.say(0, 1000)
    begun, arguments_done = serves()
    script.hear((1100, created()), (1200, begun), (1300, arguments_done), (1310, done()))
    script.hear((1700, served()))
    script.recorder.requested(turn, ms(1710), "again")
    script.hear((1900, created("r2")), (2000, audio(100, response="r2")), (2100, done("r2")))
    script.until(9000)

    assert (turn.outcome, turn.response_ids) == (Outcome.COMPLETED, ["r1", "r2"])
    assert turn.metrics["tool_call"] == pytest.approx(0.300)
    assert turn.metrics["tool_turnaround"] == pytest.approx(0.300)
    assert turn.metrics["time_to_answer"] == pytest.approx(1.000)
    assert turn.metrics["own_delay"] is None
    assert turn.segments["tool"] == pytest.approx(0.400)
    assert script.recorder.requests == []
    assert script.recorder.served == [turn]


def test_first_audio_stands_still_while_the_endpoint_runs_a_tool():
    script = Script()
    turn = script.say(0, 1000)
    begun, arguments_done = serves()
    script.hear((1100, created()), (1200, begun), (1300, arguments_done), (1310, done()))
    assert script.recorder.limit().phase is Phase.TOOL

    script.hear((25_000, served()))
    script.recorder.requested(turn, ms(25_000))

    limit = script.recorder.limit()
    assert (limit.phase, limit.at) == (Phase.FIRST_AUDIO, ms(1000 + 10_000 + 23_700))


def test_a_call_is_complete_once_by_whichever_event_is_first():
    script, _ = tool_turn()

    script.hear((1100, arguments("{}")))

    assert len(script.recorder.requests) == 1


def test_first_audio_stands_still_while_our_own_tool_runs():
    script = Script(limits=Limits(first_audio=ms(1000)))
    turn = script.say(0, 100)
    script.hear((300, created()), (320, calls("look_up")), (400, arguments()), (410, done()))

    assert script.recorder.limit().phase is Phase.TOOL
    script.recorder.tool_answered(turn, "c1", ms(5400), "ok", valid=True)
    script.recorder.requested(turn, ms(5400))
    assert script.recorder.limit().at == ms(100 + 1000 + 5000)


def asked_to_go_on(**settings):
    """A turn whose filler plays from 0.3 s to 3.3 s, asked at 0.8 s to go on after a tool."""
    script = Script(**settings)
    turn = script.say(0, 100)
    if script.vad:
        script.hear((150, STOPPED))
    script.hear(
        *((180, created()), (200, audio(3000)), (250, calls("look_up")), (260, arguments())),
        (270, done()),
    )
    script.recorder.requests.clear()
    script.recorder.tool_answered(turn, "c1", at=ms(800), outcome="ok", valid=True)
    script.recorder.requested(turn, ms(800), "go on")
    return script


def test_an_endpoint_that_refuses_to_go_on_after_a_tool_ends_the_turn_at_once():
    script = asked_to_go_on()
    script.hear((900, error("rate_limit_exceeded", "go on")))
    (turn,) = script.until(4000)

    assert (turn.outcome, turn.code) == (Outcome.RATE_LIMITED, "rate_limit_exceeded")
    assert turn.marks["playback_end"] == ms(3300)


def test_a_follow_up_asked_for_before_the_caller_cut_in_is_not_the_next_turn_s():
    script = asked_to_go_on()
    script.recorder.cancelled(ms(810))
    script.recorder.talk_over(ms(810))
    following = script.recorder.begin(Kind.SPEECH, due=ms(810), at=ms(810))
    assert script.until(820) == []
    script.hear((850, created("r2")), (900, audio(100, response="r2")))
    script.hear((950, done("r2", "cancelled")))
    script.finish_saying(following, 1500)
    script.hear((1600, created("r3")), (1700, audio(100, response="r3")), (1750, done("r3")))
    cut, turn = script.until(4000)

    assert (cut.outcome, cut.response_ids) == (Outcome.CANCELLED, ["r1", "r2"])
    assert cut.metrics["audio_leaked"] == pytest.approx(0.1)
    assert (turn.response_ids, turn.flags) == (["r3"], [])
    assert turn.ttfa == pytest.approx(0.2)


def test_a_follow_up_that_never_comes_leaves_the_next_turn_its_own_answer():
    script = asked_to_go_on(vad=True)
    script.recorder.talk_over(ms(810))
    script.say(810, 1500)
    script.hear((1600, STOPPED), (1610, created("r3")))
    script.hear((1700, audio(100, response="r3")), (1750, done("r3")))
    cut, turn = script.until(4000)

    assert (cut.outcome, cut.response_ids) == (Outcome.CANCELLED, ["r1"])
    assert turn.response_ids == ["r3"]
    assert turn.ttfa == pytest.approx(0.2)


# Talking over it.


def test_an_answer_heard_out_can_not_be_talked_over_though_its_turn_has_not_closed_yet():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(500)), (500, done()))
    assert script.recorder.talk_over(ms(1001)) == []
    (turn,) = script.until(1001)

    assert (turn.outcome, turn.flags) == (Outcome.COMPLETED, [])


def test_who_waits_in_vain_for_the_end_of_what_was_talked_over_gives_up_no_answer():
    script = Script(vad=True)
    script.say(0, 100)
    script.hear((150, STOPPED), (180, created()), (200, audio(3000)))
    script.recorder.talk_over(ms(1000))
    script.say(1000, 9000)
    given_up = script.recorder.advance(ms(8500))

    assert [turn.outcome for turn in script.recorder.finished] == [Outcome.CANCELLED]
    assert given_up == []


def test_a_barge_in_cancels_and_tells_how_much_was_heard():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(3000)))
    script.recorder.cancelled(ms(1300))
    (cut,) = script.recorder.talk_over(ms(1300))
    script.hear((1350, audio(100)), (1400, audio(100)), (1410, done(status="cancelled")))
    (turn,) = script.until(1410)

    assert (cut.item_id, cut.audio_end_ms) == ("i1", 800)
    assert turn.outcome is Outcome.CANCELLED
    assert Flag.INTERRUPTED in turn.flags
    assert turn.metrics["interrupt_stop"] == pytest.approx(0.100)
    assert turn.audio_heard_s == pytest.approx(0.800)
    assert script.recorder.stale_ns == ms(200)


def test_what_still_comes_of_an_answer_talked_over_is_overtalk_and_leaked_once_cancelled():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(3000)))
    script.recorder.talk_over(ms(1300))
    script.hear((1350, audio(100)))
    script.recorder.cancelled(ms(1360))
    script.hear((1400, audio(40)), (1410, done(status="cancelled")))
    (turn,) = script.until(1410)

    assert turn.metrics["overtalk"] == pytest.approx(0.140)
    assert turn.metrics["audio_leaked"] == pytest.approx(0.040)


def test_a_turn_that_nobody_talked_over_has_no_overtalk():
    (turn,) = hold((300, created()), (400, audio(200)), (600, done()))

    assert turn.metrics["overtalk"] is None
    assert turn.metrics["audio_leaked"] is None


def test_a_barge_in_that_stops_it_at_once_takes_no_time():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(3000)))
    script.recorder.talk_over(ms(1300))
    script.hear((1410, done(status="cancelled")))
    (turn,) = script.until(1410)

    assert turn.metrics["interrupt_stop"] == 0.0


def test_a_barge_in_after_done_on_the_wire_stops_only_the_playback():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(3000)), (500, done()))
    (cut,) = script.recorder.talk_over(ms(1300))
    (turn,) = script.until(1300)

    assert cut.audio_end_ms == 800
    assert turn.outcome is Outcome.CANCELLED
    assert turn.metrics["interrupt_stop"] is None
    assert turn.ttfa == pytest.approx(0.300)


def test_truncation_names_the_item_that_plays():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(500, item="a")), (410, audio(500, item="b")))
    (cut,) = script.recorder.talk_over(ms(1200))

    assert (cut.item_id, cut.audio_end_ms) == ("b", 200)


def test_two_turns_overlap_and_deltas_go_by_response_id():
    script = Script()
    script.say(0, 100)
    script.hear((300, created("r1")), (400, audio(3000, response="r1")))
    script.recorder.talk_over(ms(1300))
    script.recorder.begin(Kind.SPEECH, due=ms(1300), at=ms(1300))
    first, second = script.recorder.open_turns
    script.hear((1350, audio(100, response="r1")), (1360, done("r1", "cancelled")))
    script.finish_saying(second, 2000)
    script.hear((2200, created("r2")), (2300, audio(100, response="r2")), (2400, done("r2")))
    closed = script.until(9000)

    assert closed == [first, second]
    assert second.ttfa == pytest.approx(0.300)
    assert (first.audio_received_s, second.audio_received_s) == pytest.approx((3.1, 0.1))


def test_listening_counts_from_the_first_audible_sample():
    script = Script()
    turn = script.say(0, 100)
    script.hear((300, created()), (400, audio(3000, silent=200)))

    recorder, then = script.recorder, ms(400 + 100 + 200 + 800)
    assert recorder.hears_at(turn, ms(800), ms(400)) == then
    assert recorder.has_heard(turn, ms(800), then)
    assert not recorder.has_heard(turn, ms(800), then - 1)


def test_nothing_is_heard_before_the_first_audible_sample_plays():
    script = Script()
    turn = script.say(0, 100)
    heard = [script.recorder.has_heard(turn, 0, ms(100))]
    script.hear((300, created()), (400, audio(3000, silent=200)))
    heard += [script.recorder.has_heard(turn, 0, at) for at in (ms(700) - 1, ms(700))]

    assert heard == [False, False, True]


def test_who_waits_for_more_than_has_come_looks_again_when_more_comes_not_before():
    script = Script()
    turn = script.say(0, 100)
    script.hear((300, created()), (400, audio(200)))
    recorder, dry = script.recorder, ms(700)

    assert recorder.hears_at(turn, ms(300), dry - 1) == dry
    assert recorder.hears_at(turn, ms(300), dry) is None
    assert recorder.receive(audio(200), ms(900)), "a milestone"
    assert not recorder.receive(audio(200), ms(950))
    assert recorder.hears_at(turn, ms(300), ms(950)) == ms(1000)


# Without an answer.


@pytest.mark.parametrize(
    ("tape", "outcome", "phase", "code"),
    [
        ([], Outcome.TIMEOUT, Phase.FIRST_AUDIO, None),
        ([(300, created())], Outcome.TIMEOUT, Phase.FIRST_AUDIO, None),
        ([(300, created()), (400, audio(100))], Outcome.TIMEOUT, Phase.STALL, None),
        ([(300, created()), (400, text("Hm"))], Outcome.TIMEOUT, Phase.RESPONSE, None),
        (
            [(300, created()), (310, calls("f")), (400, arguments())],
            Outcome.TIMEOUT,
            Phase.TOOL,
            None,
        ),
        (
            [(300, created()), (400, done(status="failed", code="server_error"))],
            Outcome.FAILED,
            None,
            "server_error",
        ),
        (
            [(300, created()), (400, done(status="failed", code="rate_limit_exceeded"))],
            Outcome.RATE_LIMITED,
            None,
            "rate_limit_exceeded",
        ),
        (
            [(300, created()), (400, done(status="incomplete", reason="max_output_tokens"))],
            Outcome.INCOMPLETE,
            None,
            "max_output_tokens",
        ),
        (
            [(300, created()), (400, done(status="cancelled", reason="turn_detected"))],
            Outcome.FAILED,
            None,
            "turn_detected",
        ),
        ([(300, error("rate_limit_exceeded"))], Outcome.RATE_LIMITED, None, "rate_limit_exceeded"),
        ([(300, error("invalid_value", "ask"))], Outcome.FAILED, None, "invalid_value"),
    ],
)
def test_a_turn_without_an_answer_says_why(tape, outcome, phase, code):
    (turn,) = hold(*tape)

    assert (turn.outcome, turn.phase, turn.code) == (outcome, phase, code)
    assert turn.failed
    assert turn.unanswered == (turn.marks.get("first_audio") is None)


def test_an_error_about_something_else_is_not_the_end_of_a_turn():
    (turn,) = hold(
        (200, error("response_cancel_not_active")),
        (300, created()),
        (400, audio(100)),
        (500, done()),
    )

    assert turn.outcome is Outcome.COMPLETED


def test_a_text_only_answer_is_completed_flagged_and_unanswered():
    (turn,) = hold((300, created()), (400, text("Hello")), (500, done()))

    assert turn.outcome is Outcome.COMPLETED
    assert Flag.TEXT_ONLY in turn.flags
    assert turn.unanswered
    assert turn.metrics["ttft"] == pytest.approx(0.300)
    assert turn.transcript == "Hello"


def test_patience_ends_before_the_timeouts():
    (turn,) = hold(limits=Limits(patience=ms(3000)))

    assert turn.outcome is Outcome.ABANDONED
    assert turn.unanswered
    assert turn.limits_s == pytest.approx(3.0)


def test_a_closed_connection_keeps_the_audio_received():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(200)))
    (turn,) = script.over(450, Outcome.DISCONNECTED, "close_1006")

    assert turn.outcome is Outcome.DISCONNECTED
    assert turn.audio_received_s == pytest.approx(0.2)
    assert turn.ttfa == pytest.approx(0.3)
    assert not turn.unanswered


def test_a_connection_that_closes_while_the_answer_only_plays_ends_no_turn_badly():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(2000)), (450, done()))
    (turn,) = script.over(600, Outcome.DISCONNECTED, "close_1000")

    assert turn.outcome is Outcome.COMPLETED


def test_a_turn_that_is_cut_before_audio_is_censored():
    script = Script()
    script.say(0, 100)
    (turn,) = script.over(200)

    assert turn.outcome is Outcome.CUT
    assert turn.flags == [Flag.CENSORED]
    assert not turn.unanswered


def test_limits_in_force_add_up_under_vad():
    (turn,) = hold(vad=True)

    assert turn.limits_s == pytest.approx(22.0)
    assert turn.answer_limits_s == 0.0  # it was never detected
    assert turn.phase is Phase.DETECTION


def test_once_a_turn_is_detected_only_the_limit_of_first_audio_is_in_force():
    (turn,) = hold((900, STOPPED), vad=True)

    assert turn.phase is Phase.FIRST_AUDIO
    assert turn.limits_s == pytest.approx(22.0)
    assert turn.answer_limits_s == pytest.approx(10.0)


def test_a_commit_told_after_the_answer_began_detected_nothing():
    (turn,) = hold((300, audio(100)), (400, COMMITTED), (500, done()), vad=True)

    assert turn.ttfa == pytest.approx(0.200)
    assert turn.metrics["ttfa_detected"] is None


def test_patience_has_run_since_the_end_of_speech_when_a_turn_is_detected():
    (turn,) = hold((900, STOPPED), vad=True, limits=Limits(patience=ms(3000)))

    assert turn.outcome is Outcome.ABANDONED
    assert turn.limits_s == pytest.approx(3.0)
    assert turn.answer_limits_s == pytest.approx(2.2)


TOOL_LIMITS = Limits(first_audio=ms(2000), tool=ms(5000), detection=ms(3000))


def calls_in_vain(*before, vad=False, limits=TOOL_LIMITS):
    """A turn said from 0 to 100 ms that calls a tool at 1.1 s, which nobody answers."""
    tape = [(200, STOPPED), (300, created()), *before, (900, calls("look_up")), (1100, arguments())]
    return hold(*tape, (1150, done()), vad=vad, limits=limits)[0]


@pytest.mark.parametrize(("vad", "whole", "once_detected"), [(False, 7.0, 7.0), (True, 10.0, 7.0)])
def test_an_answer_through_tools_could_have_taken_as_long_as_their_limit_too(
    vad, whole, once_detected
):
    turn = calls_in_vain(vad=vad)

    assert (turn.outcome, turn.phase) == (Outcome.TIMEOUT, Phase.TOOL)
    assert turn.limits_s == pytest.approx(whole)
    assert turn.answer_limits_s == pytest.approx(once_detected)
    # Had the tool answered at the last moment, audio could still have come as late as this.
    assert turn.limits_s >= 1.0 + 5.0


def test_each_round_of_tools_has_its_limit():
    script = Script(limits=TOOL_LIMITS)
    turn = script.say(0, 100)
    script.hear((300, created()), (900, arguments()), (950, done()))
    script.answer_tools(5000)
    script.hear((5100, created("r2")), (5200, arguments(call_id="c2", response="r2")))
    script.hear((5250, done("r2")))
    script.until(60_000)

    assert (turn.outcome, turn.phase) == (Outcome.TIMEOUT, Phase.TOOL)
    assert turn.limits_s == pytest.approx(2.0 + 2 * 5.0)


def test_after_a_filler_first_audio_is_waited_for_anew_once_the_tool_has_answered():
    turn = calls_in_vain((400, audio(300)))

    (answer,) = (metric for metric in TURN_METRICS if metric.name == "time_to_answer")
    assert turn.ttfa == pytest.approx(0.3)
    assert answer.unanswered(turn)
    # Called 1 s after the end of speech: the tool's limit, and that of first audio once more.
    assert answer.limit_of(turn) == pytest.approx(1.0 + 5.0 + 2.0)


def test_patience_bounds_what_an_answer_through_tools_could_have_taken():
    impatient = msgspec.structs.replace(TOOL_LIMITS, patience=ms(4000))

    assert calls_in_vain(limits=impatient).limits_s == pytest.approx(4.0)
    # Heard until 800 ms, through the jitter buffer: 700 ms after the end of speech.
    assert calls_in_vain((400, audio(300)), limits=impatient).limits_s == pytest.approx(4.7)


# Greetings, texts.


def test_a_greeting_is_measured_from_its_request():
    script = Script()
    turn = script.recorder.begin(Kind.GREETING, due=0, at=0)
    script.recorder.requested(turn, ms(10))
    script.hear((100, created()), (250, audio(100)), (300, done()))
    (turn,) = script.until(9000)

    assert turn.metrics["ttfa_request"] == pytest.approx(0.240)
    assert turn.ttfa is None
    assert turn.metrics["ttfa_audible"] == pytest.approx(0.340)


def test_the_uncertainty_of_a_mark_is_kept():
    script = Script()
    turn = script.say(0, 100)
    script.hear((300, created()))
    script.recorder.receive(audio(100), ms(400), ms(3))
    script.recorder.receive(audio(100), ms(410), ms(9))

    assert turn.uncertainty == {"first_audio": ms(3), "first_audible": ms(3)}


def test_the_uncertainty_of_a_mark_is_that_of_its_last_instant():
    script = Script(vad=True)
    turn = script.say(0, 100)
    script.recorder.receive(STOPPED, ms(150), ms(9))
    script.recorder.receive(STOPPED, ms(250))
    script.hear((300, created()), (400, audio(100)), (410, done()))
    script.until(9000)

    assert turn.marks["detected"] == ms(250)
    assert turn.uncertainty == {}


def test_when_an_answer_fell_silent_is_as_uncertain_as_its_last_delta():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(3000)))
    script.recorder.talk_over(ms(1300))
    script.recorder.receive(audio(100), ms(1350), ms(9))
    script.recorder.receive(audio(100), ms(1400), ms(5))
    script.hear((1410, done(status="cancelled")))
    (turn,) = script.until(1410)

    assert turn.metrics["interrupt_stop"] == pytest.approx(0.100)
    assert turn.uncertainty == {"last_delta": ms(5)}


def test_a_sound_that_was_to_play_when_the_line_was_dead_was_not_audible():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(500)))
    (turn,) = script.over(450, Outcome.DISCONNECTED)

    assert turn.ttfa == pytest.approx(0.3)
    assert turn.metrics["ttfa_audible"] is None
    assert (turn.segments, turn.audio_heard_s) == ({}, 0.0)


def test_another_session_may_name_its_responses_alike():
    script = Script()
    script.say(0, 100)
    script.hear((300, created()), (400, audio(100)), (410, done()))
    script.until(1000)
    script.recorder.start_over()
    script.say(2000, 2100)
    script.hear((2300, created()), (2400, audio(100)), (2410, done()))
    turns = script.until(9000)

    assert [turn.ttfa for turn in turns] == [pytest.approx(0.3)] * 2


def test_the_transcript_is_the_words_of_all_deltas():
    (turn,) = hold(
        (300, created()),
        (310, words("Good ")),
        (320, words("day.")),
        (400, audio(50)),
        (500, done()),
    )

    assert turn.transcript == "Good day."
    assert turn.metrics["ttft"] == pytest.approx(0.210)


@given(
    vad=st.booleans(),
    steps=st.lists(st.tuples(st.integers(1, 900), st.integers(0, len(EVENTS) - 1)), max_size=40),
    over=st.lists(st.integers(0, 39), max_size=3),
)
def test_any_order_of_events_gives_whole_turns(vad, steps, over):
    script = Script(vad=vad)
    script.say(0, 100)
    now = 100
    for index, (wait, which) in enumerate(steps):
        now += wait
        script.recorder.advance(ms(now))
        if index in over:
            script.recorder.talk_over(ms(now))
            script.say(now, now + 1)
        script.hear((now, EVENTS[which]))
        if index % 3 == 0:
            script.answer_tools(now + 0.5)
    turns = script.over(now + 1)

    for turn in turns:
        measure(turn)
        assert turn.outcome is not None
        audible = turn.metrics["ttfa_audible"]
        assert audible is not None or not turn.segments
        if audible is not None:
            assert sum(turn.segments.values()) == pytest.approx(audible, abs=1e-6)
        assert all(value is None or value >= 0 for value in turn.metrics.values())
        assert turn.audio_heard_s <= turn.audio_received_s + 1e-9
    ids = [name for turn in turns for name in turn.response_ids]
    assert len(ids) == len(set(ids)) == script.recorder.responses
    assert script.recorder.open_turns == []
