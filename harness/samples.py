"""Samples of audio: resampled, coded as the wire has them and back, and where a sound begins."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import soxr

from harness.audio import PCM16, AudioFormat

__all__ = [
    "SILENCE_LEVEL",
    "AudioDecoder",
    "decode_audio",
    "encode_audio",
    "first_audible",
    "resample",
    "to_int16",
]

SILENCE_LEVEL = 104  # of 32768, -50 dBFS: what a caller takes for silence

_G711 = {"pcmu": "ULAW", "pcma": "ALAW"}


def to_int16(samples: Any) -> Any:
    """Samples as floats, full scale 1.0, rounded to 16 bits; what is louder is clipped."""
    scaled = np.nan_to_num(samples, posinf=1.0, neginf=-1.0) * 32768
    return np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)


def resample(samples: Any, rate: int, to: int) -> Any:
    """``samples``, int16 mono at ``rate``, at the rate ``to``."""
    if rate == to:
        return samples
    return to_int16(soxr.resample(samples.astype(np.float32) / 32768, rate, to))


def encode_audio(samples: Any, format: AudioFormat) -> bytes:
    """``samples``, int16 mono at 24 kHz, as bytes of ``format``."""
    samples = resample(samples, PCM16.rate, format.rate)
    if format.name == "pcm16":
        return bytes(samples.astype("<i2").tobytes())
    import soundfile

    file = BytesIO()
    soundfile.write(file, samples, format.rate, format="RAW", subtype=_G711[format.name])
    return file.getvalue()


def decode_audio(data: bytes | memoryview, format: AudioFormat) -> Any:
    """``data`` as int16 mono samples at the rate of ``format``; a last odd byte is left out."""
    if format.name == "pcm16":
        return np.frombuffer(data, dtype="<i2", count=len(data) // 2)
    import soundfile

    raw = {"format": "RAW", "subtype": _G711[format.name], "channels": 1}
    return soundfile.read(BytesIO(data), dtype="int16", samplerate=format.rate, **raw)[0]


class AudioDecoder:
    """
    An answer's audio as PCM16 at 24 kHz, delta by delta.

    Deltas need not hold whole samples, and a resampler looks ahead: what a delta leaves over comes
    with the next, the last of it with ``rest``.
    """

    def __init__(self, format: AudioFormat) -> None:
        self.format = format
        self._odd = b""
        self._resampler: Any = None
        if format.rate != PCM16.rate:
            self._resampler = soxr.ResampleStream(format.rate, PCM16.rate, 1, dtype="int16")

    def feed(self, data: bytes) -> bytes:
        """What can be heard once ``data`` has come."""
        data = self._odd + data
        usable = len(data) - len(data) % self.format.sample_bytes
        self._odd = data[usable:]
        return self._decode(data[:usable], last=False)

    def rest(self) -> bytes:
        """What is left at the end of an answer; half a sample is nothing."""
        self._odd = b""
        if self._resampler is None:
            return b""
        data = self._decode(b"", last=True)
        self._resampler.clear()
        return data

    def _decode(self, data: bytes, *, last: bool) -> bytes:
        if self.format == PCM16:
            return data
        samples = decode_audio(data, self.format)
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        return bytes(samples.astype("<i2").tobytes())


def first_audible(
    data: bytes | memoryview, format: AudioFormat, level: int = SILENCE_LEVEL
) -> int | None:
    """
    Offset in samples of the first sample above silence; ``None`` when there is none.

    Args:
        data: In ``format``; an odd byte at its end is left out.
        format: What the bytes are.
        level: Amplitude of a 16-bit sample from which a sound is heard.

    """
    if format.name == "pcm16":
        loud = np.abs(decode_audio(data, format).astype(np.int32)) > level
    else:
        loud = _loud_codes(format.name, level)[np.frombuffer(data, dtype=np.uint8)]
    index = int(loud.argmax()) if loud.size else 0
    return index if loud.size and loud[index] else None


@cache
def _loud_codes(name: str, level: int) -> Any:
    """Which of the 256 codes of a companded format decode above ``level``."""
    codes = decode_audio(bytes(range(256)), AudioFormat(name, 8_000, 1))
    return np.abs(codes.astype(np.int32)) > level
