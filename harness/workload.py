"""What callers do and how long they wait for what, as it is passed down whole."""

from pathlib import Path
from typing import Any

import msgspec

from harness.audio import PCM16, AudioFormat
from harness.cost import Prices
from harness.durations import Distribution
from harness.limits import Limits

__all__ = ["Timeouts", "Workload"]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of definitions, in seconds; the names are those of ``Phase``."""

    connect: float = 10.0
    session: float = 10.0
    detection: float = 12.0
    first_audio: float = 10.0
    stall: float = 5.0
    response: float = 120.0
    tool: float = 30.0
    close: float = 5.0


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """What callers do, as the options say it."""

    model: str = "gpt-realtime-2.1-mini"
    dialect: str = "auto"
    voice: str = "alloy"
    instructions: str = ""
    turn_detection: str = "none"
    audio_format: AudioFormat = PCM16
    frame_ms: int = 20
    corpus: Path | None = None  # None: the shipped one
    noise: str | Path | None = None  # white, babble, or a file; None: silence
    snr: float | None = None  # dB of voices over it; None: only who is silent hears it
    turns: int = 4  # of one call
    pause: Distribution = Distribution("lognormal", 0.4, 0.3)
    patience: float | None = None  # seconds of silence after which a caller hangs up
    listen: str = "playback"  # or done
    jitter_buffer: float = 0.1  # seconds
    speaks_first: bool = False
    renew: bool = False  # dial again when a session has reached its cap
    transcription: str | None = None  # a transcription model
    tool_choice: str | None = None
    tool_rate: float = 0.0  # share of turns that ask for a tool
    tool_latency: Distribution = Distribution("lognormal", 0.2, 0.3)
    tool_failure_rate: float = 0.0
    tool_rounds: int = 8  # of one turn
    barge_in_rate: float = 0.0
    record: int = 0  # tapes kept of the worst turns, and as many of a sample
    record_audio: bool = False
    seed: int = 1
    slo: str = ""  # objectives, ";" between several
    slo_stop: bool = False  # end the run when one can no longer be met
    session: dict[str, Any] = {}  # merged into session.update
    auth: str = "header"  # or subprotocol
    ephemeral_keys: bool = False  # each session is dialled with a key of its own
    headers: tuple[tuple[str, str], ...] = ()
    ca_file: Path | None = None
    send_key_to: str | None = None
    heed_rate_limits: bool = False  # new callers wait while too little is left for them
    max_cost: float | None = None  # USD that a run may spend
    prices: Prices | None = None  # None: the shipped table
    free: tuple[str, ...] = ()  # hosts that cost nothing, whatever they are called
    timeouts: Timeouts = Timeouts()

    @property
    def limits(self) -> Limits:
        """How long a turn may wait for what."""
        limits = self.timeouts
        return Limits(
            detection=int(limits.detection * 1e9),
            first_audio=int(limits.first_audio * 1e9),
            stall=int(limits.stall * 1e9),
            response=int(limits.response * 1e9),
            tool=int(limits.tool * 1e9),
            patience=None if self.patience is None else int(self.patience * 1e9),
        )
