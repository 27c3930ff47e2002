"""What answers sound like, and that their words are those that are heard."""

import base64
from operator import attrgetter

import numpy as np
import pytest
from dialogue import Dialogue, of

from harness.audio import PCM16, PCMA, PCMU
from harness.samples import first_audible
from harness.simulator.phrases import phrases
from harness.simulator.track import Track
from harness.utterances import load_answers

TEXTS = [utterance.text for utterance in load_answers()]


def audio_of(heard):
    return b"".join(base64.b64decode(e["delta"]) for e in of("response.output_audio.delta", heard))


def answers(count, **options):
    """Audio, transcript and truth of each of some answers."""
    caller = Dialogue(configure={}, answer_audio="speech", **options)
    for _ in range(count):
        caller.say()
        heard = caller.wait(60_000)
        (done,) = of("response.output_audio_transcript.done", heard)
        yield audio_of(heard), done["transcript"], caller.truths[-1]


def voiced(phrase):
    """Seconds in which somebody speaks, as the shipped index tells."""
    text = " ".join(phrase.words)
    whole = next(u for u in load_answers() if u.text.startswith(text))
    return whole.voice_start, whole.voice_end, whole.pauses


def test_every_shipped_answer_can_be_said_whole():
    assert [" ".join(p.words) for p in phrases("speech") if p.whole] == TEXTS


def test_what_is_said_ends_with_a_sentence():
    assert {" ".join(phrase.words)[-1] for phrase in phrases("speech")} == {".", "?"}
    beginnings = [" ".join(phrase.words) for phrase in phrases("speech") if not phrase.whole]
    assert "Of course, a table for two." in beginnings


@pytest.mark.parametrize("phrase", phrases("speech"), ids=lambda phrase: phrase.words[0])
def test_words_begin_while_somebody_speaks(phrase):
    start, end, pauses = voiced(phrase)

    assert list(phrase.begins) == sorted(phrase.begins)
    assert start <= phrase.begins[0]
    assert phrase.begins[-1] < end
    assert not [at for at in phrase.begins for a, b in pauses if a < at < b]


def test_the_transcript_is_what_is_said():
    known = {" ".join(phrase.words): phrase for phrase in phrases("speech")}

    for audio, transcript, truth in answers(8):
        samples = np.frombuffer(audio, dtype="<i2")
        phrase = known[transcript]
        assert np.array_equal(samples[: len(phrase.samples)], phrase.samples)
        assert not samples[len(phrase.samples) :].any()  # to the end of the last delta
        assert truth.audio_s == pytest.approx(PCM16.seconds(len(audio)))


def test_an_answer_is_cut_to_the_length_that_was_asked_for_and_its_words_with_it():
    for audio, transcript, _ in answers(5, answer="1s"):
        assert PCM16.seconds(len(audio)) == pytest.approx(1.0)
        whole = next(text for text in TEXTS if text.startswith(transcript))
        assert 0 < len(transcript) < len(whole)


def test_a_longer_one_is_said_again():
    for audio, transcript, _ in answers(3, answer="9s"):
        assert PCM16.seconds(len(audio)) == pytest.approx(9.0)
        whole = next(text for text in TEXTS if transcript.startswith(text))
        assert transcript.removeprefix(f"{whole} ").startswith(whole)


@pytest.mark.parametrize("silence_ms", [0, 250])
def test_the_truth_tells_the_delta_that_is_first_heard(silence_ms):
    for audio, _, truth in answers(5, speed=1, silence_ms=silence_ms):
        index = first_audible(audio, PCM16) * 2 // PCM16.frame_bytes(100)
        assert truth.first_audible_out - truth.first_out == index * 100_000_000
        assert index >= silence_ms // 100


@pytest.mark.parametrize("format", [PCM16, PCMU, PCMA], ids=attrgetter("name"))
def test_silence_is_never_heard(format):
    track = Track(phrases("silence")[0], format, 100, 0)

    assert track.first_audible is None


def test_a_text_answer_has_all_the_words():
    caller = Dialogue(configure={"output_modalities": ["text"]}, answer_audio="speech", seed=3)
    caller.say()

    (done,) = of("response.output_text.done", caller.wait(10_000))

    assert done["text"] in {" ".join(phrase.words) for phrase in phrases("speech")}
