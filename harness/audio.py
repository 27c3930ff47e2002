"""Audio on the wire: formats, seconds and bytes, samples and codes, and where a sound begins."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "PCM16",
    "PCMA",
    "PCMU",
    "SILENCE_LEVEL",
    "AudioChunk",
    "AudioDecoder",
    "AudioFormat",
    "decode_audio",
    "encode_audio",
    "first_audible",
    "resample",
    "to_int16",
]

SILENCE_LEVEL = 104  # of 32768, -50 dBFS: what a caller takes for silence

_G711 = {"pcmu": "ULAW", "pcma": "ALAW"}


class AudioFormat(msgspec.Struct, frozen=True):
    """An audio format of the protocol, mono."""

    name: str  # pcm16, pcmu or pcma
    rate: int  # samples a second
    sample_bytes: int

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second."""
        return self.rate * self.sample_bytes

    def seconds(self, n: int) -> float:
        """Duration of ``n`` bytes."""
        return n / self.bytes_per_second

    def nanoseconds(self, n: int) -> int:
        """Duration of ``n`` bytes in integer nanoseconds."""
        return n * 1_000_000_000 // (self.rate * self.sample_bytes)

    def frame_bytes(self, frame_ms: int) -> int:
        """Bytes of one frame, whole samples."""
        return self.rate * frame_ms // 1000 * self.sample_bytes

    def silence(self, n: int) -> bytes:
        """``n`` bytes of silence."""
        return {"pcm16": b"\0", "pcmu": b"\xff", "pcma": b"\xd5"}[self.name] * n

    def wire(self) -> dict[str, Any]:
        """As in ``session.audio.*.format``."""
        if self.name == "pcm16":
            return {"type": "audio/pcm", "rate": self.rate}
        return {"type": f"audio/{self.name}"}

    @classmethod
    def from_wire(cls, raw: object) -> AudioFormat | None:
        """The format a server names, GA object or beta string; ``None`` if it is none we know."""
        rate = raw.get("rate") if isinstance(raw, dict) else None
        name = raw.get("type") if isinstance(raw, dict) else raw
        match name:
            case "audio/pcm" | "pcm16":
                known = isinstance(rate, int) and 4000 <= rate <= 96000
                return cls("pcm16", rate, 2) if known else PCM16  # type: ignore[arg-type]
            case "audio/pcmu" | "g711_ulaw":
                return PCMU
            case "audio/pcma" | "g711_alaw":
                return PCMA
        return None


PCM16 = AudioFormat("pcm16", 24_000, 2)
PCMU = AudioFormat("pcmu", 8_000, 1)
PCMA = AudioFormat("pcma", 8_000, 1)


class AudioChunk(msgspec.Struct, frozen=True):
    """
    PCM16 little-endian mono audio at 24 kHz.

    Raises:
        ValueError: If the bytes are odd: half a sample.

    """

    data: bytes
    transcript: str = ""

    def __post_init__(self) -> None:
        if len(self.data) % 2:
            raise ValueError(f"PCM16 audio has two bytes a sample, got {len(self.data)} bytes")

    @property
    def duration_seconds(self) -> float:
        """Its length in seconds."""
        return PCM16.seconds(len(self.data))

    @classmethod
    def silent(cls, seconds: float) -> AudioChunk:
        """A chunk of silence."""
        return cls(PCM16.silence(round(seconds * PCM16.rate) * 2))

    def frames(self, frame_ms: int) -> Iterator[bytes]:
        """Frames of ``frame_ms``, the last may be shorter; joined they give the audio back."""
        size = PCM16.frame_bytes(frame_ms)
        for start in range(0, len(self.data), size):
            yield self.data[start : start + size]


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
    import numpy as np

    if format.name == "pcm16":
        loud = np.abs(decode_audio(data, format).astype(np.int32)) > level
    else:
        loud = _loud_codes(format.name, level)[np.frombuffer(data, dtype=np.uint8)]
    index = int(loud.argmax()) if loud.size else 0
    return index if loud.size and loud[index] else None


def to_int16(samples: Any) -> Any:
    """Samples as floats, full scale 1.0, rounded to 16 bits; what is louder is clipped."""
    import numpy as np

    return np.clip(np.rint(np.nan_to_num(samples) * 32768), -32768, 32767).astype(np.int16)


def resample(samples: Any, rate: int, to: int) -> Any:
    """``samples``, int16 mono at ``rate``, at the rate ``to``."""
    if rate == to:
        return samples
    import numpy as np
    import soxr

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
    import numpy as np

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
            import soxr

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


@cache
def _loud_codes(name: str, level: int) -> Any:
    """Which of the 256 codes of a companded format decode above ``level``."""
    import numpy as np

    codes = decode_audio(bytes(range(256)), AudioFormat(name, 8_000, 1))
    return np.abs(codes.astype(np.int32)) > level
