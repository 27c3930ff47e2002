"""Things to say, of files and of chunks of audio."""

import numpy as np
import pytest
import soundfile
from recordings import RATE, write

from harness import utterances
from harness.audio import AudioChunk
from harness.child import ChildError
from harness.corpus import load_corpus
from harness.utterances import CorpusError, utterance_from_chunk, utterance_from_file

SHIPPED = load_corpus()

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "audio").mkdir()
    return tmp_path / "audio"


def test_samples_of_a_plain_file_are_not_touched(folder):
    known = SHIPPED.utterances[0]

    said = utterance_from_file(write(folder / "plain.wav", known.samples))

    assert np.array_equal(said.samples, known.samples)


def test_a_file_is_read_once_a_process(folder):
    path = write(folder / "menu.wav", SHIPPED.get("menu").samples)

    said = utterance_from_file(path)
    path.unlink()

    assert utterance_from_file(path) is said


def test_a_missing_file_is_refused(folder):
    with pytest.raises(CorpusError, match=r"^can't read .*gone.wav: there is no such file$"):
        utterance_from_file(folder / "gone.wav")


def test_a_chunk_is_an_utterance_too():
    known = SHIPPED.get("menu")
    chunk = AudioChunk(known.samples.tobytes(), "What's on the menu?")

    said = utterance_from_chunk(chunk)

    assert said.text == "What's on the menu?"
    assert (said.voice_start, said.voice_end) == (known.voice_start, known.voice_end)
    assert said.name == utterance_from_chunk(chunk).name != utterance_from_chunk(other()).name


def other():
    return AudioChunk(SHIPPED.get("at-eight").samples.tobytes(), "What's on the menu?")


def test_a_tone_is_no_speech():
    tone = (8000 * np.sin(np.arange(RATE) / 10)).astype("<i2")

    with pytest.raises(CorpusError, match=r"^no voice found in 1.00 s of audio"):
        utterance_from_chunk(AudioChunk(tone.tobytes()))


def test_a_detector_that_cannot_run_is_one_line(folder, monkeypatch):
    def fail(*_):
        raise ChildError("harness.voice failed: no such library")

    monkeypatch.setattr(utterances, "find_voices", fail)

    with pytest.raises(CorpusError, match=r"^can't find the voice in audio: .* no such library$"):
        utterance_from_file(write(folder / "a.wav", SHIPPED.get("menu").samples))


def test_a_file_that_says_it_has_one_sample_a_second_is_refused(folder):
    path = folder / "slow.wav"
    soundfile.write(path, SHIPPED.utterances[0].samples, 1)

    with pytest.raises(CorpusError, match=r"slow.wav: no speech has 1 samples a second"):
        utterance_from_file(path)


def test_a_name_that_is_no_utf_8_is_one_clear_line(folder):
    path = folder / "\udcff.wav"
    try:
        path.write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes no such name")

    with pytest.raises(CorpusError, match=r"its name is no UTF-8; rename it$"):
        utterance_from_file(path)
