"""Turn detection with its parameters, over real sockets, held against the simulator's truth."""

import json

import numpy as np
import pytest
import soundfile
from caller import Caller
from endpoint import running_simulator

from harness.records import Flag, Outcome, Phase

pytestmark = pytest.mark.e2e

PAUSES = "Do you have anything without nuts? My daughter is allergic."  # 0.73 s between them


@pytest.fixture
def session(tmp_path):
    def write(**turn_detection):
        path = tmp_path / "session.json"
        path.write_text(
            json.dumps({"audio": {"input": {"turn_detection": turn_detection or None}}})
        )
        return str(path)

    return write


def test_an_endpoint_told_to_detect_turns_by_the_session_file_is_kept_hearing(session):
    with running_simulator("--answer", "400ms", "--ttfa", "50ms") as simulator:
        caller = Caller(simulator.url, session=session(type="server_vad", silence_duration_ms=300))
        with caller.call as call:
            turn = call.say("Yes, please.")
        (line,) = simulator.truth()

    assert line["turn_detection"] == "server_vad"
    assert turn.outcome is Outcome.COMPLETED
    assert "commit" not in turn.marks
    detected = (turn.marks["detected"] - turn.marks["speech_end"]) / 1e9
    assert 0.2 <= detected <= 0.8
    assert caller.ended.deviations == {}


def test_turn_detection_can_be_switched_off_by_the_session_file(session):
    with running_simulator("--answer", "400ms", "--ttfa", "50ms") as simulator:
        caller = Caller(simulator.url, turn_detection="server_vad", session=session())
        with caller.call as call:
            turn = call.say("Yes, please.")
        (line,) = simulator.truth()

    assert line["turn_detection"] == "none"
    assert turn.outcome is Outcome.COMPLETED
    assert turn.metrics["ttfa_commit"] is not None


@pytest.mark.parametrize(("silence", "premature"), [(300, True), (1200, False)])
def test_a_hasty_endpointer_cuts_in_at_a_pause_and_its_answer_is_no_answer(
    session, silence, premature
):
    with running_simulator("--answer", "300ms", "--ttfa", "50ms") as simulator:
        options = {"session": session(type="server_vad", silence_duration_ms=silence)}
        caller = Caller(simulator.url, turn_detection="server_vad", **options)
        with caller.call as call:
            turn = call.say(PAUSES)
        lines = simulator.truth()

    assert turn.outcome is Outcome.COMPLETED
    assert (Flag.PREMATURE in turn.flags) is premature
    assert turn.response_ids == [line["response_id"] for line in lines]
    assert len(lines) == (2 if premature else 1)
    answer = lines[-1]
    assert answer["first_out"] > turn.marks["speech_end"]
    assert turn.marks["first_audio"] >= answer["first_out"]
    assert turn.ttfa > 0


@pytest.mark.parametrize("interrupt", [True, False])
def test_an_endpoint_may_go_on_talking_when_it_is_talked_over(session, interrupt):
    options = {"session": session(type="server_vad", interrupt_response=interrupt)}
    with running_simulator("--answer", "4s", "--speed", "1", "--ttfa", "50ms") as simulator:
        caller = Caller(simulator.url, turn_detection="server_vad", listen="playback", **options)
        with caller.call as call:
            first = call.say("What's on the menu?", listen=0.3)
            second = call.say("Yes, please.", listen=0.2)
            call.send_text("That is all.", listen=0.1)
        lines = {line["response_id"]: line for line in simulator.truth()}

    (interrupted,) = (lines[name] for name in first.response_ids)
    assert first.outcome is Outcome.CANCELLED
    assert Flag.INTERRUPTED in first.flags
    assert interrupted["status"] == ("cancelled" if interrupt else "completed")
    assert first.audio_received_s == pytest.approx(interrupted["audio_s"], abs=0.001)
    assert first.audio_heard_s < 1.5
    assert (first.metrics["interrupt_stop"] > 1.5) is not interrupt
    answered = [lines[name] for name in second.response_ids]
    assert answered[0]["first_out"] >= interrupted["last_out"]


def test_who_is_told_not_to_answer_unasked_is_asked_once_it_has_heard(session):
    options = {"session": session(type="server_vad", create_response=False), "pause": "300ms"}
    with running_simulator("--answer", "2s", "--speed", "1", "--ttfa", "50ms") as simulator:
        caller = Caller(simulator.url, turn_detection="server_vad", listen="playback", **options)
        with caller.call as call:
            first = call.say("What's on the menu?", listen=0.3)
            second = call.say("Yes, please.")
            third = call.send_text("That is all.")
        simulator.stop()
        lines = {line["response_id"]: line for line in simulator.truth()}

    assert [turn.outcome for turn in (first, second, third)] == [
        *(Outcome.CANCELLED, Outcome.COMPLETED, Outcome.COMPLETED)
    ]
    for turn in (first, second):
        assert turn.marks["speech_end"] < turn.marks["detected"] <= turn.marks["request"]
        (line,) = [lines[name] for name in turn.response_ids]
        assert turn.marks["request"] <= line["created_out"]
    assert len(lines) == 3
    assert caller.ended.errors == {}
    assert caller.ended.deviations == {}


@pytest.mark.parametrize(("eagerness", "premature"), [("high", True), ("low", False)])
def test_meaning_is_waited_for_as_eagerly_as_asked(session, eagerness, premature):
    with running_simulator("--answer", "300ms", "--ttfa", "50ms") as simulator:
        vad = session(type="semantic_vad", eagerness=eagerness)
        caller = Caller(simulator.url, turn_detection="semantic_vad", session=vad)
        with caller.call as call:
            turn = call.say(PAUSES)
        lines = simulator.truth()

    assert {line["turn_detection"] for line in lines} == {"semantic_vad"}
    assert turn.outcome is Outcome.COMPLETED
    assert (Flag.PREMATURE in turn.flags) is premature
    assert "commit" not in turn.marks
    assert caller.ended.deviations == {}
    waited = (turn.marks["detected"] - turn.marks["speech_end"]) / 1e9
    assert (waited < 1.0) is premature


@pytest.mark.parametrize(
    ("level", "landing"),
    [(200, (Outcome.COMPLETED, None)), (8000, (Outcome.TIMEOUT, Phase.DETECTION))],
)
def test_an_open_microphone_hears_the_noise_around_it(session, tmp_path, level, landing):
    noise = np.random.default_rng(1).integers(-level, level, 24_000, dtype=np.int16)
    soundfile.write(tmp_path / "street.wav", noise, 24_000)
    with running_simulator("--answer", "300ms", "--ttfa", "50ms") as simulator:
        options = {
            "noise": str(tmp_path / "street.wav"),
            "timeout_detection": "2s",
            # Longer than the silence in which the utterance itself ends.
            "session": session(type="server_vad", silence_duration_ms=1000),
        }
        caller = Caller(simulator.url, turn_detection="server_vad", **options)
        with caller.call as call:
            turn = call.say("Yes, please.")

    assert (turn.outcome, turn.phase) == landing
