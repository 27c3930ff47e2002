from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.audio import PCM16, PCMA, PCMU
from harness.corpus import load_corpus
from harness.noise import in_noise, noise_samples
from harness.realtime.client_events import Append
from harness.samples import decode_audio, encode_audio
from harness.utterances import CorpusError

SHIPPED = load_corpus()
RATE = PCM16.rate


def audio_of(frames):
    import msgspec

    return b"".join(msgspec.json.decode(frame, type=Append).audio for frame in frames)


def voiced(samples, said):
    """Where somebody speaks: between its bounds, but not in its pauses."""
    here = np.zeros(len(samples), dtype=bool)
    here[round(said.voice_start * RATE) : round(said.voice_end * RATE)] = True
    for start, end in said.pauses:
        here[round(start * RATE) : round(end * RATE)] = False
    return samples[here]


def power(samples):
    return float(np.mean(np.square(samples.astype(np.float64))))


def decibels(clean, noisy, said):
    """Of the voice over what was added, where the voice is."""
    added = noisy.astype(np.float64) - clean
    return 10 * np.log10(power(voiced(clean, said)) / power(voiced(added, said)))


@pytest.fixture
def street(tmp_path):
    path = tmp_path / "street.wav"
    samples = np.random.default_rng(1).integers(-900, 900, RATE).astype(np.int16)
    soundfile.write(path, samples, RATE)
    return path


@pytest.mark.parametrize("noise", ["white", "babble", "a file"])
@pytest.mark.parametrize("snr", [20.0, 10.0, 0.0])
def test_every_utterance_is_said_at_the_ratio_asked_for(noise, snr, street):
    corpus = in_noise(SHIPPED, street if noise == "a file" else noise, snr)

    found = [
        decibels(said.samples, corpus.heard(said).samples, said) for said in SHIPPED.utterances
    ]

    # What is cut off at full scale takes a little of the noise away.
    assert found == [pytest.approx(snr, abs=0.1)] * len(found)


def test_the_voice_is_where_it_was_and_what_is_sent_as_long():
    said = SHIPPED.get("late-order")
    noisy = in_noise(SHIPPED, "babble", 5.0)

    clean, sent = (corpus.speech(said, PCM16, 20) for corpus in (SHIPPED, noisy))

    assert audio_of(sent.frames) != audio_of(clean.frames)
    assert len(sent.frames) == len(clean.frames)
    for mark in ("voice_end_ns", "first_voiced_frame", "audio_s"):
        assert getattr(sent, mark) == getattr(clean, mark)


def test_it_is_mixed_once_and_the_messages_are_shared():
    said = SHIPPED.get("menu")
    corpus = in_noise(SHIPPED, "white", 10.0)

    assert in_noise(load_corpus(), "white", 10.0) is corpus
    assert corpus.speech(said, PCMU, 20) is corpus.speech(said, PCMU, 20)
    assert corpus.idle_frames(PCMU, 20) is corpus.idle_frames(PCMU, 20)


def test_who_is_silent_hears_it_as_loud_as_it_is_behind_voices():
    corpus = in_noise(SHIPPED, "white", 10.0)
    voices = np.concatenate([voiced(said.samples, said) for said in SHIPPED.utterances])

    heard = decode_audio(audio_of(corpus.idle_frames(PCM16, 20)), PCM16)

    assert 10 * np.log10(power(voices) / power(heard)) == pytest.approx(10, abs=0.05)


@pytest.mark.parametrize("format", [PCM16, PCMU, PCMA])
def test_without_a_ratio_only_who_is_silent_hears_it_as_it_is(street, format):
    corpus = in_noise(SHIPPED, street, None)
    said = SHIPPED.get("menu")

    frames = corpus.idle_frames(format, 30)

    samples, _ = soundfile.read(street, dtype="int16")
    assert len(frames) == 33  # whole ones, to be repeated
    assert audio_of(frames) == encode_audio(samples, format)[: len(audio_of(frames))]
    assert corpus.heard(said) is said


def test_no_noise_leaves_the_corpus_as_it_is():
    assert in_noise(SHIPPED, None, 10.0) is SHIPPED


def test_babble_is_of_voices_and_the_same_every_time():
    babble = noise_samples("babble")
    again = noise_samples.__wrapped__("babble")

    assert np.array_equal(babble, again)

    # Speech swells and ebbs where white noise does not.
    def swell(noise):
        return np.std([power(part) for part in np.array_split(noise, 240)]) / power(noise)

    assert swell(babble) > 5 * swell(noise_samples("white"))


@pytest.mark.parametrize(
    ("samples", "said"),
    [(np.ones(100, np.int16), "shorter than 200 ms"), (np.zeros(RATE, np.int16), "is silent")],
)
def test_a_file_that_is_no_noise_is_refused(tmp_path, samples, said):
    path = tmp_path / "noise.wav"
    soundfile.write(path, samples, RATE)

    with pytest.raises(CorpusError, match=said):
        in_noise(SHIPPED, path, 10.0)


def test_a_file_that_is_no_audio_is_refused():
    with pytest.raises(CorpusError, match=f"^can't read {Path(__file__)}"):
        in_noise(SHIPPED, Path(__file__), 10.0)
