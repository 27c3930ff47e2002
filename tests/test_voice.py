"""Voices are found where they were pasted: the truth is known to the sample."""

import numpy as np
import pytest

from harness import voice
from harness.child import ChildError
from harness.corpus import load_corpus
from harness.voice import find_voice, find_voices

RATE = 24_000


def silence(seconds):
    return np.zeros(round(seconds * RATE), np.int16)


def tone(seconds, hz=440, level=8000):
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(
        np.int16
    )


def noise(count, level):
    return np.random.default_rng(7).normal(0, level, count)


@pytest.fixture(scope="module")
def words():
    """Some 1.4 s of speech that begins and ends loud, without a pause."""
    samples = load_corpus().get("table-outside").samples[round(0.3 * RATE) : round(1.7 * RATE)]
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 1500)
    return samples[loud[0] : loud[-1] + 1]


@pytest.mark.parametrize(
    ("before", "after"), [(0.5, 0.7), (0.0, 0.0), (1.2345, 0.05), (0.02, 2.0), (3.0, 0.5)]
)
def test_voice_starts_and_ends_where_it_was_pasted(words, before, after):
    found = find_voice(np.concatenate([silence(before), words, silence(after)]))

    assert found.start == pytest.approx(before, abs=0.0005)
    assert found.end == pytest.approx(before + len(words) / RATE, abs=0.0005)
    assert found.pauses == ()


@pytest.mark.parametrize("gap", [0.31, 0.5, 1.5])
def test_a_pasted_pause_is_found_to_the_sample(words, gap):
    middle = 0.25 + len(words) / RATE

    found = find_voice(np.concatenate([silence(0.25), words, silence(gap), words, silence(0.4)]))

    ((start, end),) = found.pauses
    assert start == pytest.approx(middle, abs=0.0005)
    assert end == pytest.approx(middle + gap, abs=0.0005)
    assert found.end == pytest.approx(middle + gap + len(words) / RATE, abs=0.0005)


def test_a_gap_under_300_ms_is_no_pause(words):
    assert find_voice(np.concatenate([words, silence(0.29), words])).pauses == ()


@pytest.mark.parametrize("snr", [50, 30, 15])
def test_noise_moves_neither_end_nor_pause(words, snr):
    clean = np.concatenate([silence(1), words, silence(0.6), words, silence(1)])
    level = np.sqrt(np.mean(words.astype(float) ** 2)) * 10 ** (-snr / 20)

    found = find_voice((clean + noise(len(clean), level)).astype(np.int16))

    length = len(words) / RATE
    (pause,) = found.pauses
    assert found.start == pytest.approx(1, abs=0.001)
    assert pause == pytest.approx((1 + length, 1.6 + length), abs=0.001)
    assert found.end == pytest.approx(1.6 + 2 * length, abs=0.001)


def test_loud_noise_leaves_the_windows_of_the_detector(words):
    clean = np.concatenate([silence(1), words, silence(1)])
    level = np.sqrt(np.mean(words.astype(float) ** 2)) * 10 ** (-10 / 20)

    found = find_voice((clean + noise(len(clean), level)).astype(np.int16))

    assert found.start == pytest.approx(1, abs=0.16)
    assert found.end == pytest.approx(1 + len(words) / RATE, abs=0.16)


def test_a_click_apart_from_speech_is_no_voice(words):
    click = np.full(48, 20_000, np.int16)
    audio = np.concatenate([silence(0.2), click, silence(0.6), words, silence(0.6), click])

    found = find_voice(audio)

    assert found.start == pytest.approx(0.802, abs=0.0005)
    assert found.end == pytest.approx(0.802 + len(words) / RATE, abs=0.0005)


def test_a_crash_louder_than_speech_does_not_hide_it(words):
    crash = np.where(np.arange(2400) % 2, 32_767, -32_768).astype(np.int16)
    quiet = words // 8

    found = find_voice(np.concatenate([crash, silence(1), quiet, silence(0.5)]))

    assert found.start == pytest.approx(1.1, abs=0.005)
    assert found.end == pytest.approx(1.1 + len(words) / RATE, abs=0.005)


@pytest.mark.parametrize(
    "audio",
    [silence(0), silence(2), tone(2), noise(48_000, 500).astype(np.int16)],
    ids=["nothing", "silence", "a tone", "noise"],
)
def test_what_is_no_speech_has_no_voice(audio):
    assert find_voice(audio) is None


def test_voices_are_found_apart_once_and_kept(words, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    audios = [words, silence(1), np.concatenate([silence(0.5), words])]
    steps = []

    found = find_voices(audios, lambda done, count: steps.append((done, count)))

    assert found == [find_voice(audio) for audio in audios]
    assert steps == [(3, 3)]
    monkeypatch.setattr(voice, "run_module", None)
    assert find_voices(audios) == found


def test_progress_is_told_batch_by_batch(words, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(voice, "_find_apart", lambda audios, kept: [None] * len(audios))
    steps = []

    find_voices([words] * 40, lambda done, count: steps.append((done, count)))

    assert steps == [(16, 40), (32, 40), (40, 40)]


def test_a_cache_that_cannot_be_written_is_none(words, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert find_voices([words]) == [find_voice(words)]


def test_a_kept_finding_that_is_damaged_is_found_anew(words, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = find_voices([words])
    (kept,) = tmp_path.rglob("*.json")
    kept.write_text('{"start"')

    assert find_voices([words]) == found


def test_a_detector_that_fails_says_why(words, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(voice, "run_module", failing)

    with pytest.raises(ChildError, match="out of memory"):
        find_voices([words])


def failing(module, **_):
    raise ChildError(f"{module} failed: out of memory")
