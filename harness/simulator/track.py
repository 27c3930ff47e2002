"""What an answer sounds like: audio made once a process, encoded as deltas ready to be sent."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import numpy as np

from harness.audio import PCM16, AudioFormat, encode_audio, first_audible

__all__ = ["DELTA_END", "DELTA_START", "Track", "track"]

TONE_SECONDS = 4.0  # then it repeats
DELTA_START = b'","delta":"'
DELTA_END = b'"}'

_PITCH = 125.0  # Hz
_SYLLABLES = 4.0  # a second
_PEAK = 9000  # of 32768, -11 dBFS


class Track:
    """
    Audio in one format, cut in deltas; each is the end of a message, from ``","delta":"`` on.

    Args:
        format: As negotiated.
        delta_ms: Playing time of a delta.
        silence_ms: Silence before the first audible sample.

    """

    def __init__(self, format: AudioFormat, delta_ms: int, silence_ms: int) -> None:
        silence = np.zeros(PCM16.rate * silence_ms // 1000, dtype=np.int16)
        audio = encode_audio(np.concatenate([silence, _speech_like(TONE_SECONDS)]), format)
        size = format.frame_bytes(delta_ms)
        whole = len(audio) // size * size
        self._deltas = [
            DELTA_START + base64.b64encode(audio[start : start + size]) + DELTA_END
            for start in range(0, whole, size)
        ]
        audible = first_audible(audio, format)
        self.first_audible = (audible or 0) * format.sample_bytes // size
        """Which delta holds the first audible sample."""
        self._repeats_from = self.first_audible + (silence_ms % delta_ms > 0)

    def delta(self, index: int) -> bytes:
        """The end of the message with delta ``index``; there is no last one."""
        known = len(self._deltas)
        if index < known:
            return self._deltas[index]
        return self._deltas[self._repeats_from + (index - known) % (known - self._repeats_from)]


@cache
def track(format: AudioFormat, delta_ms: int, silence_ms: int) -> Track:
    """The track of a format, made once."""
    return Track(format, delta_ms, silence_ms)


@cache
def _speech_like(seconds: float) -> Any:
    """A hum of syllables, loud from its first sample and never silent: int16 at 24 kHz."""
    at = np.arange(int(seconds * PCM16.rate)) / PCM16.rate
    phase = 2 * np.pi * _PITCH * at + 0.4 * np.sin(2 * np.pi * 2.5 * at)
    tone = sum(np.cos(n * phase) / n for n in range(1, 16))
    loudness = 0.55 + 0.45 * np.cos(2 * np.pi * _SYLLABLES * at)
    sound = tone * loudness
    return (sound / np.abs(sound).max() * _PEAK).astype(np.int16)
