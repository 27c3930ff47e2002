"""The audio a caller sent, until it is committed; its length is the session's audio clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audio import AudioFormat
from harness.simulator.detector import Detector, SpeechStarted, SpeechStopped, loudness

if TYPE_CHECKING:
    from harness.simulator.config import SessionConfig

__all__ = ["InputBuffer"]


class InputBuffer:
    """
    What was appended since the last commit.

    Only its length and level are kept: nobody listens to it.
    """

    def __init__(self, config: SessionConfig) -> None:
        self._clock_ns = 0  # of all audio appended in the session
        self._start_ns = 0  # where the uncommitted part begins
        self.voiced_in: int | None = None
        """When the append that carried the last voiced samples was read."""
        self.configure(config)

    def configure(self, config: SessionConfig) -> None:
        """Hear as ``config`` says from now on; a turn being spoken is forgotten."""
        self._format: AudioFormat = config.input_format
        self._vad = config.vad
        self._listen_anew()

    def _listen_anew(self) -> None:
        vad = self._vad
        self._detector = Detector(self._format, vad, self.clock_ms) if vad else None

    @property
    def clock_ms(self) -> int:
        """Milliseconds of audio appended in the session."""
        return self._clock_ns // 1_000_000

    @property
    def seconds(self) -> float:
        """Seconds of audio not yet committed."""
        return (self._clock_ns - self._start_ns) / 1e9

    def nanoseconds(self, data: bytes) -> int:
        """Playing time of audio as it is sent now."""
        return self._format.nanoseconds(len(data))

    def append(self, data: bytes, at: int) -> list[SpeechStarted | SpeechStopped]:
        """More audio, read ``at``; what the detector heard in it."""
        self._clock_ns += self.nanoseconds(data)
        if loudness(data, self._format):
            self.voiced_in = at
        return list(self._detector.hear(data)) if self._detector else []

    def commit(self, start_ms: int | None = None) -> float:
        """
        Forget what was appended and say how many seconds that were.

        Args:
            start_ms: Where on the audio clock the speech began, if a detector said so.

        """
        if start_ms is not None:
            self._start_ns = start_ms * 1_000_000
        seconds = self.seconds
        self.clear(keep_listening=start_ms is not None)
        return seconds

    def clear(self, *, keep_listening: bool = False) -> None:
        """Forget what was appended."""
        self._start_ns = self._clock_ns
        self.voiced_in = None
        if not keep_listening:
            self._listen_anew()
