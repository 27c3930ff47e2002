"""Audio on the wire: its formats, in seconds, bytes and frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PCM16", "PCMA", "PCMU", "AudioChunk", "AudioFormat"]


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
