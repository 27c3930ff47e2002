"""
Things to say: recordings, each with its text and where its voice starts and ends.

They come from audio files, from chunks of audio, or from an index that says where the voice is.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from harness.audio import PCM16, AudioChunk
from harness.child import ChildError
from harness.samples import resample, to_int16
from harness.voice import Voice, find_voices

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "DATA",
    "CorpusError",
    "Entry",
    "Utterance",
    "listen",
    "load_answers",
    "load_utterances",
    "read_audio",
    "utterance_from_chunk",
    "utterance_from_file",
]

DATA = Path(__file__).parent / "data"
"""What is shipped."""

_RATES = (4_000, 768_000)  # samples a second: beyond, what the file says of itself is wrong


class CorpusError(ValueError):
    """Audio that can't be spoken; one line that names it and says what to do."""


class Utterance(msgspec.Struct, frozen=True, eq=False):
    """Something a caller says."""

    name: str  # unique in a corpus; of a file outside it, its path
    text: str
    samples: Any  # int16 array, mono, 24 kHz
    voice_start: float  # where its first voiced sample starts, seconds
    voice_end: float  # where its last voiced sample ends, seconds
    pauses: tuple[tuple[float, float], ...] = ()  # inner ones of 300 ms or more: from, to, seconds


class Entry(msgspec.Struct, frozen=True):
    """A line of an index of utterances: what is known beforehand of an audio file."""

    file: str  # beside the index; its stem is the utterance's name
    text: str
    voice_start: float
    voice_end: float
    pauses: tuple[tuple[float, float], ...] = ()


def load_answers() -> tuple[Utterance, ...]:
    """The shipped utterances of an agent, to answer callers with."""
    return load_utterances(DATA / "answers.json")


def load_utterances(index: Path) -> tuple[Utterance, ...]:
    """Utterances whose voice is known, from an index of entries, in its order."""
    entries = msgspec.json.decode(index.read_bytes(), type=tuple[Entry, ...])
    return tuple(
        Utterance(
            Path(entry.file).stem,
            entry.text,
            read_audio(index.parent / entry.file),
            entry.voice_start,
            entry.voice_end,
            entry.pauses,
        )
        for entry in entries
    )


@cache
def utterance_from_file(path: Path) -> Utterance:
    """
    The utterance in an audio file of any rate and number of channels, which are mixed.

    A file is read once a process: whoever says it again must not keep the others waiting.

    Raises:
        CorpusError: If it can't be read or has no voice in it.

    """
    return listen([str(path)], [path])[0]


def utterance_from_chunk(chunk: AudioChunk) -> Utterance:
    """
    The utterance in a chunk of audio.

    Raises:
        CorpusError: If it has no voice in it.

    """
    name = f"audio-{hashlib.sha256(chunk.data).hexdigest()[:16]}"
    samples = np.frombuffer(chunk.data, dtype="<i2")
    (voice,) = _find([samples])
    return _voiced(
        name, chunk.transcript, samples, voice, f"{chunk.duration_seconds:.2f} s of audio"
    )


def listen(
    names: Sequence[str],
    paths: Sequence[Path],
    progress: Callable[[int, int], None] | None = None,
) -> list[Utterance]:
    """
    Read audio files and find the voice in each.

    Args:
        names: Of the utterances.
        paths: Of their files, in the same order.
        progress: Called with how many are ready, and how many there are.

    Raises:
        CorpusError: If one can't be read or has no voice in it.

    """
    audios = [read_audio(path) for path in paths]
    voices = _find(audios, progress)
    return [
        _voiced(name, _text(path), samples, voice, str(path))
        for name, path, samples, voice in zip(names, paths, audios, voices, strict=True)
    ]


def _find(
    audios: Sequence[Any], progress: Callable[[int, int], None] | None = None
) -> list[Voice | None]:
    try:
        return find_voices(audios, progress)
    except ChildError as error:
        raise CorpusError(f"can't find the voice in audio: {error}") from None


def _voiced(name: str, text: str, samples: Any, voice: Voice | None, source: str) -> Utterance:
    if voice is None:
        raise CorpusError(f"no voice found in {source}: only speech can be said")
    return Utterance(name, text, samples, voice.start, voice.end, voice.pauses)


def _text(path: Path) -> str:
    beside = path.with_suffix(".txt")
    if not beside.is_file():
        return path.stem
    return " ".join(beside.read_text(encoding="utf-8-sig", errors="replace").split())


def read_audio(path: Path) -> Any:
    """
    Samples of an audio file: int16, mono, 24 kHz.

    Raises:
        CorpusError: If it can't be read.

    """
    import soundfile

    if not path.is_file():
        raise CorpusError(f"can't read {path}: there is no such file")
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise CorpusError(f"can't read {str(path)!r}: its name is no UTF-8; rename it") from None
    try:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".").lower()
        raise CorpusError(f"can't read {path}: {reason}; repair, convert or remove it") from None
    if not _RATES[0] <= rate <= _RATES[1]:
        raise CorpusError(f"can't say {path}: no speech has {rate} samples a second; convert it")
    return resample(to_int16(audio.mean(axis=1)), rate, PCM16.rate)
