"""Text to utterance: the embedded voice says it in a child process, into the user's cache."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.audio import PCM16
from harness.cache import cache_folder, write_whole
from harness.child import ChildError, run_module
from harness.samples import to_int16
from harness.utterances import CorpusError, Entry, Utterance, load_utterances
from harness.voice import find_voice

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Speaker", "SpeechError", "store", "synthesize"]

_PACKAGE = "hibari-tts"
_VOICE = "heart"  # the one inside the wheel; others would be downloaded
_SEED = 1  # of the noise in the voice: the same text gives the same samples
_LIMIT = 120.0  # seconds a child may take: 100 times real time, so hours of speech


class SpeechError(CorpusError):
    """Text that can't be spoken; one line that says what to do."""


class Speaker:
    """
    Says any text in English, each one once; greenlets and threads may share it.

    Make it once a process. The child's work is on no account done in the process that carries
    the load, where it would hold up every call.

    Args:
        folder: Where speech is kept; ``None``: in the user's cache.

    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_folder("speech")
        self._spoken: dict[str, Utterance] = {}
        self._lock = threading.Lock()  # many callers ask for one text at once: one child makes it

    def speak(self, text: str) -> Utterance:
        """
        The utterance that says ``text``; takes a second or two the first time.

        Raises:
            SpeechError: If the extra ``speech`` is not installed, or the voice can't say it.

        """
        with self._lock:
            if text not in self._spoken:
                self._spoken[text] = self._recall(text)
            return self._spoken[text]

    def _recall(self, text: str) -> Utterance:
        key = f"{_PACKAGE} {_version(text)} {_VOICE} {_SEED} {text}"
        folder = self._folder / hashlib.sha256(key.encode()).hexdigest()[:32]
        index = folder.with_suffix(".json")
        if not index.is_file():
            _speak_apart(text, folder)
        (utterance,) = load_utterances(index)
        return msgspec.structs.replace(utterance, name=text)


def synthesize(text: str, *, speed: float = 1.0) -> Any:
    """
    Samples of the embedded voice saying ``text``: int16, mono, 24 kHz.

    Args:
        text: English.
        speed: 1.0 is the voice's own pace, 2.0 twice as fast.

    """
    from hibari import Hibari  # loads a neural net: child process only

    return to_int16(Hibari(voice=_VOICE)(text, speed=speed, seed=_SEED))


def store(utterances: Sequence[Utterance], folder: Path) -> None:
    """
    Write utterances as FLAC files into ``folder``, and their index beside it.

    The index comes last and whole, so that where one stands its files do too.
    """
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    for said in utterances:
        soundfile.write(folder / f"{said.name}.flac", said.samples, PCM16.rate, subtype="PCM_16")
    entries = [
        Entry(f"{folder.name}/{u.name}.flac", u.text, u.voice_start, u.voice_end, u.pauses)
        for u in utterances
    ]
    index = msgspec.json.format(msgspec.json.encode(entries), indent=1) + b"\n"
    write_whole(folder.with_suffix(".json"), index)


def _version(text: str) -> str:
    try:
        return version(_PACKAGE)
    except PackageNotFoundError:
        raise SpeechError(
            f"can't say {text!r}: it isn't in the corpus, and the embedded voice isn't installed: "
            "pip install 'realtime-harness[speech]', or say a text of the corpus or a file"
        ) from None


def _speak_apart(text: str, folder: Path) -> None:
    """Have ``text`` spoken by a child process into ``folder``."""
    try:
        run_module("harness.speech", str(folder), message=text.encode(), limit=_LIMIT)
    except ChildError as error:
        raise SpeechError(f"can't say {text!r}: {error}") from None


def _main(folder: Path) -> None:
    """Say the text on stdin into ``folder``."""
    os.nice(10)  # the load generator comes first
    text = sys.stdin.buffer.read().decode()
    samples = synthesize(text)
    voice = find_voice(samples)
    if voice is None:
        sys.exit("no voice came out of it; the text must be English words")
    store([Utterance("speech", text, samples, voice.start, voice.end, voice.pauses)], folder)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
