"""An open microphone: the endpoint hears when the caller begins and ends."""

from operator import attrgetter

import numpy as np
import pytest
from dialogue import Dialogue, of, silence, speech, types

from harness.audio import PCM16, PCMA, PCMU
from harness.corpus import load_corpus
from harness.noise import in_noise
from harness.samples import encode_audio
from harness.simulator.config import SemanticVad, ServerVad
from harness.simulator.detector import Detector, SpeechStarted, SpeechStopped, loudness

VAD = {"type": "server_vad"}


def open_microphone(vad=VAD, **options):
    return Dialogue(configure={"turn_detection": vad}, **options)


def heard_by(detector, *audio):
    return [event for piece in audio for event in detector.hear(piece)]


def test_a_turn_is_heard_committed_and_answered_by_itself():
    caller = open_microphone(answer="500ms")
    caller.append(silence(1.0) + speech(1.0) + silence(0.6))

    names = types(caller.heard[2:])
    assert names[:7] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "rate_limits.updated",
    ]
    started = caller.last("input_audio_buffer.speech_started")
    stopped = caller.last("input_audio_buffer.speech_stopped")
    committed = caller.last("input_audio_buffer.committed")
    assert started["audio_start_ms"] == 700  # 300 ms of prefix
    assert stopped["audio_end_ms"] == 2500  # the silence that told it included
    assert started["item_id"] == stopped["item_id"] == committed["item_id"]


def test_time_to_first_audio_runs_from_speech_stopped():
    caller = open_microphone(ttfa="300ms")
    caller.append(speech(1.0) + silence(1.5))

    stopped = caller.last("input_audio_buffer.speech_stopped")
    first = of("response.output_audio.delta", caller.heard)[0]
    assert first["at"] - stopped["at"] == 300


@pytest.mark.parametrize(("pause", "turns"), [(0.4, 1), (0.6, 2)])
def test_a_pause_splits_an_utterance_when_it_is_long_enough(pause, turns):
    caller = open_microphone()
    caller.append(speech(0.6) + silence(pause) + speech(0.6) + silence(0.6))

    assert len(of("input_audio_buffer.committed", caller.heard)) == turns


def test_speech_during_an_answer_cancels_it():
    caller = open_microphone(answer="5s", speed=1)
    caller.append(speech(0.6) + silence(1.5))
    before = len(caller.heard)

    caller.append(speech(0.2))

    cancelled = types(caller.heard[before:])
    place = cancelled.index("input_audio_buffer.speech_started")
    assert cancelled[place + 1] == "response.output_audio.done"
    response = caller.last("response.done")["response"]
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert caller.truths[0].cancel_in is None  # nobody asked for it


def test_speech_during_an_answer_can_be_let_be_and_is_answered_after_it():
    caller = open_microphone({**VAD, "interrupt_response": False}, answer="3s", speed=1)
    caller.append(speech(0.6) + silence(1.5) + speech(0.4) + silence(5.0))

    assert not [
        e for e in of("response.done", caller.heard) if e["response"]["status"] != "completed"
    ]
    created, done = of("response.created", caller.heard), of("response.done", caller.heard)
    assert len(created) == 2
    assert created[1]["at"] == done[0]["at"]


def test_the_caller_may_ask_for_answers_itself():
    caller = open_microphone({**VAD, "create_response": False})
    caller.append(speech(0.6) + silence(1.0))
    assert not of("response.created", caller.heard)

    assert types(caller.send("response.create"))[0] == "response.created"


def test_silence_says_nothing():
    caller = open_microphone()

    assert caller.append(silence(10.0)) == []


def test_a_click_is_no_speech():
    caller = open_microphone()

    assert caller.append(silence(0.5) + speech(0.02) + silence(1.0)) == []


def test_the_audio_clock_counts_what_was_sent_not_what_was_said():
    caller = open_microphone()
    for _ in range(2):
        caller.append(speech(0.6) + silence(1.4))
        caller.wait(10_000)

    started = of("input_audio_buffer.speech_started", caller.heard)
    assert [event["audio_start_ms"] for event in started] == [0, 1700]


def test_the_prefix_never_reaches_into_the_turn_before():
    caller = open_microphone({**VAD, "silence_duration_ms": 200, "prefix_padding_ms": 1000})
    caller.append(speech(0.5) + silence(0.3) + speech(0.5) + silence(0.3))

    second = of("input_audio_buffer.speech_started", caller.heard)[1]
    assert second["audio_start_ms"] == 700


def test_a_higher_threshold_hears_less():
    quiet = (b"\x00\x04\x00\xfc" * 2)[:4] * 6000  # -30 dBFS
    low, high = (Detector(PCM16, ServerVad(threshold=t), 0) for t in (0.1, 0.9))

    assert heard_by(low, quiet) == [SpeechStarted(0)]
    assert heard_by(high, quiet) == []


@pytest.mark.parametrize("format", [PCM16, PCMU, PCMA], ids=attrgetter("name"))
@pytest.mark.parametrize("frame_ms", [10, 20, 33, 100, 5000])
def test_what_is_heard_does_not_depend_on_format_or_frames(format, frame_ms):
    audio = silence(0.4, format) + speech(1.0, format) + silence(1.0, format)
    detector = Detector(format, ServerVad(), 0)
    size = format.frame_bytes(frame_ms)

    heard = heard_by(detector, *(audio[n : n + size] for n in range(0, len(audio), size)))

    assert heard == [SpeechStarted(100), SpeechStopped(1900)]


@pytest.mark.parametrize("noise", ["white", "babble"])
def test_in_noise_that_never_falls_silent_the_end_of_speech_is_heard(noise):
    corpus = in_noise(load_corpus(), noise, snr=10.0)
    said, rate = corpus.heard(corpus.get("table-for-two")), PCM16.rate
    alone = np.resize(corpus.idle_audio(), 3 * rate)
    detector = Detector(PCM16, ServerVad(), 0)

    heard = heard_by(
        detector, *(encode_audio(part, PCM16) for part in (alone, said.samples, alone))
    )

    *_, stopped = [event for event in heard if isinstance(event, SpeechStopped)]
    assert stopped.audio_end_ms / 1000 == pytest.approx(3 + said.voice_end + 0.5, abs=0.35)
    assert heard[-1] is stopped


def test_a_voice_without_noise_is_heard_as_if_nobody_minded_noise():
    whole = b"".join(
        encode_audio(utterance.samples, PCM16) + silence(1.0)
        for utterance in load_corpus().utterances
    )
    minding, plain = (Detector(PCM16, ServerVad(), 0) for _ in range(2))
    plain._learn_noise = lambda level: None

    assert heard_by(minding, whole) == heard_by(plain, whole)


@pytest.mark.parametrize(("eagerness", "end_ms"), [("low", 1800), ("auto", 1400), ("high", 1000)])
def test_semantic_detection_waits_by_its_eagerness(eagerness, end_ms):
    detector = Detector(PCM16, SemanticVad(eagerness=eagerness), 0)

    assert heard_by(detector, speech(0.6), silence(2.0))[-1] == SpeechStopped(end_ms)


def test_loudness_is_the_peak_in_128ths_of_full_scale():
    assert loudness(b"", PCM16) == 0
    assert loudness(silence(0.02), PCM16) == 0
    assert loudness(speech(0.02), PCM16) == 8000 // 256
    assert loudness(b"\x00\x80" * 100, PCM16) == 127
    assert abs(loudness(speech(0.02, PCMU), PCMU) - 31) <= 1
    assert abs(loudness(speech(0.02, PCMA), PCMA) - 31) <= 1


def test_an_odd_byte_does_no_harm():
    caller = open_microphone()
    caller.append(speech(0.5)[:-1] + silence(1.0))

    assert not of("error", caller.heard)
