"""What an answer sounds like: audio made once a process, encoded as deltas ready to be sent."""

from __future__ import annotations

import base64
from functools import cache

import numpy as np

from harness.audio import PCM16, AudioFormat
from harness.samples import encode_audio, first_audible
from harness.simulator.phrases import Phrase, phrases

__all__ = ["Track", "track"]

_START = b'","delta":"'
_END = b'"}'


class Track:
    """
    A phrase in one format, cut in deltas; each is the end of a message, from ``","delta":"`` on.

    An answer may be longer than the phrase, which is then said again: there is no last delta.

    Args:
        phrase: What is said.
        format: As negotiated.
        delta_ms: Playing time of a delta.
        silence_ms: Silence before the phrase.

    """

    def __init__(self, phrase: Phrase, format: AudioFormat, delta_ms: int, silence_ms: int) -> None:
        silence = np.zeros(PCM16.rate * silence_ms // 1000, dtype=np.int16)
        audio = encode_audio(np.concatenate([silence, phrase.samples]), format)
        size = format.frame_bytes(delta_ms)
        self.length = max(1, -(-len(audio) // size))
        """Deltas of the whole phrase; the last is filled up with silence."""
        audio += format.silence(self.length * size - len(audio))
        self._deltas = [
            _START + base64.b64encode(audio[start : start + size]) + _END
            for start in range(0, len(audio), size)
        ]
        audible = first_audible(audio, format)
        self.first_audible = None if audible is None else audible * format.sample_bytes // size
        """Which delta holds the first audible sample; ``None`` in silence."""
        self._repeats_from = min(-(-silence_ms // delta_ms), self.length - 1)
        self._words: list[list[str]] = [[] for _ in self._deltas]
        for n, (word, at) in enumerate(zip(phrase.words, phrase.begins, strict=True)):
            place = int((at * 1000 + silence_ms) / delta_ms) if n else 0
            self._words[min(place, self.length - 1)].append(word)

    def delta(self, index: int) -> bytes:
        """The end of the message with delta ``index``."""
        return self._deltas[self._place(index)]

    def words(self, index: int) -> str:
        """The words that begin in delta ``index``; the first come with the first delta."""
        return " ".join(self._words[self._place(index)])

    def _place(self, index: int) -> int:
        if index < self.length:
            return index
        again = self.length - self._repeats_from
        return self._repeats_from + (index - self.length) % again


@cache
def track(sound: str, phrase: int, format: AudioFormat, delta_ms: int, silence_ms: int) -> Track:
    """The track of a phrase in a format, made once."""
    return Track(phrases(sound)[phrase], format, delta_ms, silence_ms)
