"""
What callers choose from, and the messages that say it.

An utterance becomes ``Speech``: a tuple of complete ``input_audio_buffer.append`` messages, made
once a process and shared by all its callers.
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.audio import AudioFormat
from harness.realtime.client_events import Append, encode
from harness.samples import encode_audio
from harness.utterances import DATA, CorpusError, Utterance, listen, load_utterances

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Corpus", "Speech", "load_corpus", "silence_frame"]

_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"})


class Speech(msgspec.Struct, frozen=True, eq=False):
    """An utterance as it goes on the wire, up to and including its last voiced frame."""

    name: str
    frames: tuple[bytes, ...]  # whole append messages, all of the same duration
    frame_ns: int  # duration of a frame
    voice_end_ns: int  # where the last voiced sample ends, from the start: within the last frame
    first_voiced_frame: int  # index of the frame with the first voiced sample
    audio_s: float  # seconds of audio in all frames


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
    return Corpus(listen(names, paths, progress))


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
    return Corpus(load_utterances(DATA / "utterances.json"))


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


def _speech(utterance: Utterance, format: AudioFormat, frame_ms: int) -> Speech:
    size = format.frame_bytes(frame_ms)
    frame_ns = format.nanoseconds(size)
    start, end = _nanoseconds(utterance.voice_start), _nanoseconds(utterance.voice_end)
    length = -(-end // frame_ns) * size
    audio = encode_audio(utterance.samples, format)[:length]
    audio += format.silence(length - len(audio))
    return Speech(
        name=utterance.name,
        frames=_appends(audio, size),
        frame_ns=frame_ns,
        voice_end_ns=end,
        first_voiced_frame=start // frame_ns,
        audio_s=format.seconds(length),
    )


def _appends(audio: bytes, size: int) -> tuple[bytes, ...]:
    """``audio`` as append messages of ``size`` bytes of it each."""
    return tuple(
        encode(Append(audio=audio[start : start + size])) for start in range(0, len(audio), size)
    )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1_000_000_000)
