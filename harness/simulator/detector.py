"""Hearing that a caller speaks, by the level of the audio over the noise behind it."""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.audio import AudioFormat
from harness.samples import decode_audio
from harness.simulator.config import SemanticVad, ServerVad

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Detector", "SpeechStarted", "SpeechStopped", "loudness"]

_WINDOW_MS = 20
_ONSET_WINDOWS = 2  # voiced in a row before it is speech, and no click
_LOOKED_AT = 3000  # samples a second that are looked at: enough to meet the peaks of a voice
_BLOCK = 10  # windows: some syllables
_BLOCKS = 20  # that are remembered: nobody speaks for so long without a breath
_NOISE_KNOWN = 10  # blocks without a silent window: no voice alone is like that
_ABOVE_NOISE = 3.0  # times the noise: what voices reach, and the noise itself rarely
_SEMANTIC_SILENCE_MS = {"low": 1200, "medium": 800, "auto": 800, "high": 400}


class SpeechStarted(msgspec.Struct, frozen=True):
    """The caller began, prefix included, in milliseconds of the audio clock."""

    audio_start_ms: int


class SpeechStopped(msgspec.Struct, frozen=True):
    """The caller has finished, the silence that told it included; ms of the audio clock."""

    audio_end_ms: int


def loudness(data: bytes, format: AudioFormat) -> int:
    """The peak of a sample of the samples, in 1/128 of full scale."""
    size, stride = format.sample_bytes, max(1, format.rate // _LOOKED_AT)
    # The last byte of a sample alone tells its level: the high one of PCM, the code of G.711.
    return max(data[size - 1 :: size * stride].translate(_levels(format.name)), default=0)


@cache
def _levels(name: str) -> bytes:
    """Of each last byte of a sample: its level in 1/128 of full scale."""
    if name == "pcm16":
        return bytes(min(code, 255 - code) if code >= 128 else code for code in range(256))
    codes = decode_audio(bytes(range(256)), AudioFormat(name, 8_000, 1))
    return bytes(int(level) for level in np.abs(codes.astype(np.int32)) >> 8)


class Detector:
    """
    Voice activity detection over a stream of audio.

    Noise is what never falls silent for seconds, as loud as the quietest block of them: speech is
    what stands out of it. After a silent window there is none, and speech is what is louder than a
    fixed level.

    Args:
        format: Of the audio.
        vad: The turn detection of the session.
        clock_ms: Where the stream is when this begins to listen.

    """

    def __init__(self, format: AudioFormat, vad: ServerVad | SemanticVad, clock_ms: int) -> None:
        self._format = format
        self._window = format.frame_bytes(_WINDOW_MS)
        self._clock_ms = clock_ms
        self._rest = b""
        self._onset = 0
        self._quiet_ms = 0
        self._stopped_ms = clock_ms
        self._speaking = False
        self._unbroken = 0  # windows since the last silent one
        self._sum = 0  # of the levels of the current block
        self._blocks: deque[int] = deque(maxlen=_BLOCKS)
        if isinstance(vad, ServerVad):
            self._silence_ms = max(vad.silence_duration_ms, _WINDOW_MS)
            self._prefix_ms = vad.prefix_padding_ms
            self._level = 1.0 + round(4 * vad.threshold)  # 0.5: -33 dBFS
        else:
            self._silence_ms = _SEMANTIC_SILENCE_MS[vad.eagerness]
            self._prefix_ms, self._level = 300, 3
        self._least = self._level

    def hear(self, data: bytes) -> Iterator[SpeechStarted | SpeechStopped]:
        """Listen on."""
        data = self._rest + data if self._rest else data
        whole = len(data) // self._window * self._window
        self._rest = data[whole:]
        for start in range(0, whole, self._window):
            self._clock_ms += _WINDOW_MS
            level = loudness(data[start : start + self._window], self._format)
            if level:
                self._learn_noise(level)
            elif self._unbroken:
                self._forget_noise()
            heard = self._speech(level) if self._speaking else self._silence(level)
            if heard is not None:
                yield heard

    def _learn_noise(self, level: int) -> None:
        """One window that is not silent."""
        self._sum += level
        self._unbroken += 1
        if self._unbroken % _BLOCK == 0:
            self._blocks.append(self._sum)
            self._sum = 0
            if len(self._blocks) >= _NOISE_KNOWN:
                self._level = max(self._least, _ABOVE_NOISE * min(self._blocks) / _BLOCK)

    def _forget_noise(self) -> None:
        """A silent window: what was heard before it was no noise."""
        self._unbroken = self._sum = 0
        self._blocks.clear()
        self._level = self._least

    def _silence(self, level: int) -> SpeechStarted | None:
        """One window while nobody speaks."""
        self._onset = self._onset + 1 if level >= self._level else 0
        if self._onset < _ONSET_WINDOWS:
            return None
        self._speaking, self._onset, self._quiet_ms = True, 0, 0
        begun = self._clock_ms - _ONSET_WINDOWS * _WINDOW_MS - self._prefix_ms
        return SpeechStarted(max(begun, self._stopped_ms))

    def _speech(self, level: int) -> SpeechStopped | None:
        """One window while the caller speaks."""
        self._quiet_ms = 0 if level >= self._level else self._quiet_ms + _WINDOW_MS
        if self._quiet_ms < self._silence_ms:
            return None
        self._speaking, self._stopped_ms = False, self._clock_ms
        return SpeechStopped(self._clock_ms)
