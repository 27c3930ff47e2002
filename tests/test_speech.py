"""Text that the embedded voice says."""

import re
import threading
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from harness import speech
from harness.child import ChildError
from harness.corpus import load_corpus
from harness.speech import Speaker, SpeechError, store
from harness.utterances import CorpusError, Utterance, load_utterances
from harness.voice import find_voice

TEXT = "Do you deliver to the old harbour?"


@pytest.fixture
def children(monkeypatch):
    """Texts that a child was started for; it says what a shipped utterance says."""
    said = load_corpus().get("menu")
    texts = []

    def run_module(module, folder, *, message, limit):
        texts.append(message.decode())
        spoken = Utterance(
            "speech", texts[-1], said.samples, said.voice_start, said.voice_end, said.pauses
        )
        store([spoken], Path(folder))

    monkeypatch.setattr(speech, "run_module", run_module)
    monkeypatch.setattr(speech, "version", lambda name: "0.2.1")
    return texts


def test_each_text_is_spoken_once(tmp_path, children):
    speaker = Speaker(tmp_path)

    said = speaker.speak(TEXT)

    assert said.name == said.text == TEXT
    assert np.array_equal(said.samples, load_corpus().get("menu").samples)
    assert speaker.speak(TEXT) is said
    assert speaker.speak("Goodbye.").text == "Goodbye."
    assert children == [TEXT, "Goodbye."]


def test_what_was_spoken_is_kept_on_disk(tmp_path, children):
    said = Speaker(tmp_path).speak(TEXT)

    again = Speaker(tmp_path).speak(TEXT)

    assert children == [TEXT]
    assert np.array_equal(again.samples, said.samples)
    assert (again.voice_start, again.voice_end) == (said.voice_start, said.voice_end)


def test_it_is_kept_in_the_cache_of_the_user(tmp_path, children, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    Speaker().speak(TEXT)

    assert len(list(tmp_path.glob("realtime-harness/speech/*.json"))) == 1


def test_another_version_of_the_voice_speaks_anew(tmp_path, children, monkeypatch):
    Speaker(tmp_path).speak(TEXT)
    monkeypatch.setattr(speech, "version", lambda name: "0.3.0")

    Speaker(tmp_path).speak(TEXT)

    assert children == [TEXT, TEXT]


def test_many_who_ask_at_once_start_one_child(tmp_path, children):
    speaker = Speaker(tmp_path)
    spoken = []
    threads = [
        threading.Thread(target=lambda: spoken.append(speaker.speak(TEXT))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert children == [TEXT]
    assert len(spoken) == 20
    assert all(said is spoken[0] for said in spoken)


def test_without_the_extra_it_says_what_to_do(tmp_path, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(speech, "version", missing)
    message = (
        "can't say 'Good day.': it isn't in the corpus, and the embedded voice isn't installed: "
        "pip install 'realtime-harness[speech]', or say a text of the corpus or a file"
    )

    with pytest.raises(SpeechError, match=f"^{re.escape(message)}$") as refusal:
        Speaker(tmp_path).speak("Good day.")

    assert isinstance(refusal.value, CorpusError)


def test_a_voice_that_fails_is_one_line(tmp_path, children, monkeypatch):
    def fail(*_, **__):
        raise ChildError("harness.speech failed: no voice came out of it")

    monkeypatch.setattr(speech, "run_module", fail)

    with pytest.raises(SpeechError, match=r"^can't say '\?': harness.speech failed: no voice"):
        Speaker(tmp_path).speak("?")


def test_utterances_stored_are_loaded_again(tmp_path):
    shipped = load_corpus().utterances[:3]

    store(shipped, tmp_path / "some")
    loaded = load_utterances(tmp_path / "some.json")

    assert [said.name for said in loaded] == [said.name for said in shipped]
    for said, known in zip(loaded, shipped, strict=True):
        assert np.array_equal(said.samples, known.samples)
        assert (said.text, said.voice_start, said.voice_end, said.pauses) == (
            *(known.text, known.voice_start, known.voice_end, known.pauses),
        )


@pytest.mark.e2e
def test_the_embedded_voice_speaks(tmp_path):
    pytest.importorskip("hibari")

    said = Speaker(tmp_path).speak(TEXT)

    voice = find_voice(said.samples)
    assert 1.2 < voice.end - voice.start < 3.0
    assert (said.voice_start, said.voice_end) == (voice.start, voice.end)
    assert sorted(path.suffix for path in tmp_path.rglob("*") if path.is_file()) == [
        *(".flac", ".json"),
    ]


@pytest.mark.e2e
def test_text_without_words_is_refused(tmp_path):
    pytest.importorskip("hibari")

    with pytest.raises(
        SpeechError, match="no voice came out of it; the text must be English words"
    ):
        Speaker(tmp_path).speak("…")
