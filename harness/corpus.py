"""
What callers say: audio files become utterances, and these become messages, made once.

An utterance knows where its voice starts and ends. As ``Speech`` it is a tuple of complete
``input_audio_buffer.append`` messages, made once a process and shared by all its callers.
"""

from __future__ import annotations

import hashlib
import random
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from harness.audio import PCM16, AudioChunk, AudioFormat, encode_audio, resample, to_int16
from harness.child import ChildError
from harness.realtime.client_events import Append, encode
from harness.voice import Voice, find_voices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "Corpus",
    "CorpusError",
    "Entry",
    "Speech",
    "Utterance",
    "load_answers",
    "load_corpus",
    "load_utterances",
    "read_audio",
    "silence_frame",
    "utterance_from_chunk",
    "utterance_from_file",
]

_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"})
_DATA = Path(__file__).parent / "data"


class CorpusError(ValueError):
    """Audio that can't be spoken; one line that names it and says what to do."""


class Utterance(msgspec.Struct, frozen=True, eq=False):
    """Something a caller says."""

    name: str  # unique in a corpus; of a file outside it, its path
    text: str
    samples: Any  # int16 array, mono, 24 kHz
    voice_start: float  # where its first voiced sample starts, seconds
    voice_end: float  # where its last voiced sample ends, seconds
    pauses: tuple[
        tuple[float, float], ...
    ] = ()  # from, to: inner pauses of 300 ms or more, seconds


class Speech(msgspec.Struct, frozen=True, eq=False):
    """An utterance as it goes on the wire, up to and including its last voiced frame."""

    name: str
    text: str
    frames: tuple[bytes, ...]  # whole append messages, all of the same duration
    frame_ns: int  # duration of a frame
    voice_start_ns: int  # where the first voiced sample starts, from the start of the speech
    voice_end_ns: int  # where the last voiced sample ends: within the last frame
    first_voiced_frame: int  # index of the frame with the first voiced sample
    pauses: tuple[tuple[int, int], ...]  # from, to, nanoseconds
    audio_s: float  # seconds of audio in all frames


class Entry(msgspec.Struct, frozen=True):
    """A line of an index of utterances: what is known beforehand of an audio file."""

    file: str  # beside the index; its stem is the utterance's name
    text: str
    voice_start: float
    voice_end: float
    pauses: tuple[tuple[float, float], ...] = ()


class Corpus:
    """
    The utterances callers choose from, in a fixed order.

    Load it once a process and share it: it keeps the messages of each utterance.
    """

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        self.utterances = tuple(utterances)
        self._by_words = {_words(known.text): known for known in reversed(self.utterances)}
        self._by_words |= {_words(known.name): known for known in reversed(self.utterances)}
        self._speeches: dict[tuple[str, AudioFormat, int], Speech] = {}
        self._idle: dict[tuple[AudioFormat, int], tuple[bytes, ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the utterances, in order."""
        return tuple(utterance.name for utterance in self.utterances)

    def get(self, name_or_text: str) -> Utterance | None:
        """The utterance of that name or text; case, spaces and final punctuation don't matter."""
        return self._by_words.get(_words(name_or_text))

    def choose(self, rng: random.Random) -> Utterance:
        """Any of the utterances, each as likely as another."""
        return rng.choice(self.utterances)

    def speech(self, utterance: Utterance, format: AudioFormat, frame_ms: int) -> Speech:
        """
        The messages that say ``utterance``, made the first time they are asked for.

        Args:
            utterance: Of this corpus, or from elsewhere with a name of its own.
            format: Of the audio in the messages.
            frame_ms: Audio in each message, milliseconds.

        """
        key = (utterance.name, format, frame_ms)
        if key not in self._speeches:
            self._speeches[key] = _speech(self.heard(utterance), format, frame_ms)
        return self._speeches[key]

    def heard(self, utterance: Utterance) -> Utterance:
        """``utterance`` as it sounds where it is said."""
        return utterance

    def idle_audio(self) -> Any:
        """What a microphone hears while nobody speaks: int16, mono, 24 kHz; ``None``: nothing."""
        return None

    def idle_frames(self, format: AudioFormat, frame_ms: int) -> tuple[bytes, ...]:
        """Append messages of an open microphone while nobody speaks: a loop."""
        key = (format, frame_ms)
        if key not in self._idle:
            audio = self.idle_audio()
            self._idle[key] = (
                (silence_frame(format, frame_ms),)
                if audio is None
                else _loop(audio, format, frame_ms)
            )
        return self._idle[key]


def load_corpus(
    folder: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> Corpus:
    """
    The corpus of a folder of audio files, or the shipped one.

    An utterance is named after its file, without suffix; its text stands in ``NAME.txt`` beside
    it, else the name is its text.

    Args:
        folder: Searched with its subfolders; ``None`` takes the shipped utterances.
        progress: Called with how many files are ready and how many there are: finding the voice
            in a file takes a while the first time.

    Raises:
        CorpusError: If there is no audio file, or one that can't be read or has no voice in it.

    """
    if folder is None:
        return _shipped()
    paths = _audio_files(folder)
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    first: dict[str, Path] = {}
    for name, path in zip(names, paths, strict=True):
        if first.setdefault(name, path) is not path:
            raise CorpusError(f"{first[name]} and {path} have one name: rename one of them")
    return Corpus(_listen(names, paths, progress))


def load_answers() -> tuple[Utterance, ...]:
    """The shipped utterances of an agent, to answer callers with."""
    return load_utterances(_DATA / "answers.json")


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


def utterance_from_file(path: Path) -> Utterance:
    """
    The utterance in an audio file of any rate and number of channels, which are mixed.

    Raises:
        CorpusError: If it can't be read or has no voice in it.

    """
    return _listen([str(path)], [path])[0]


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


@cache
def silence_frame(format: AudioFormat, frame_ms: int) -> bytes:
    """The append message of a frame of silence."""
    return encode(Append(audio=format.silence(format.frame_bytes(frame_ms))))


def _loop(samples: Any, format: AudioFormat, frame_ms: int) -> tuple[bytes, ...]:
    """``samples`` as append messages, whole frames only."""
    audio, size = encode_audio(samples, format), format.frame_bytes(frame_ms)
    return _appends(audio[: len(audio) // size * size], size)


@cache
def _shipped() -> Corpus:
    return Corpus(load_utterances(_DATA / "utterances.json"))


def _words(text: str) -> str:
    """What makes two texts the same."""
    return " ".join(text.replace("’", "'").casefold().split()).rstrip(".!?… ")


def _audio_files(folder: Path) -> list[Path]:
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        kinds = "wav, flac, ogg or mp3"
        raise CorpusError(f"no audio file in {folder}: give a folder with {kinds} files of speech")
    return paths


def _listen(
    names: Sequence[str],
    paths: Sequence[Path],
    progress: Callable[[int, int], None] | None = None,
) -> list[Utterance]:
    """Read audio files and find the voice in each."""
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
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".").lower()
        raise CorpusError(f"can't read {path}: {reason}; repair, convert or remove it") from None
    return resample(to_int16(audio.mean(axis=1)), rate, PCM16.rate)


def _speech(utterance: Utterance, format: AudioFormat, frame_ms: int) -> Speech:
    size = format.frame_bytes(frame_ms)
    frame_ns = format.nanoseconds(size)
    start, end = _nanoseconds(utterance.voice_start), _nanoseconds(utterance.voice_end)
    length = -(-end // frame_ns) * size
    audio = encode_audio(utterance.samples, format)[:length]
    audio += format.silence(length - len(audio))
    return Speech(
        name=utterance.name,
        text=utterance.text,
        frames=_appends(audio, size),
        frame_ns=frame_ns,
        voice_start_ns=start,
        voice_end_ns=end,
        first_voiced_frame=start // frame_ns,
        pauses=tuple((_nanoseconds(a), _nanoseconds(b)) for a, b in utterance.pauses),
        audio_s=format.seconds(length),
    )


def _appends(audio: bytes, size: int) -> tuple[bytes, ...]:
    """``audio`` as append messages of ``size`` bytes of it each."""
    return tuple(
        encode(Append(audio=audio[start : start + size])) for start in range(0, len(audio), size)
    )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1_000_000_000)
