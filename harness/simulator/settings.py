"""What a simulated endpoint does, as numbers: the options of ``realtime-harness simulate``."""

import msgspec

from harness.durations import Distribution
from harness.simulator.faults import Fault

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the endpoint answers; the same for all its sessions."""

    ttfa: Distribution = Distribution("fixed", 0.3)  # asked, or speech_stopped, to first audio
    drift: float = 0.0  # seconds that ttfa grows by in each minute of a session
    answer: Distribution | None = None  # seconds of audio; None: as long as what is said
    answer_audio: str = "speech"  # tone, silence
    delta_ms: int = 100  # audio per delta
    silence_ms: int = 0  # before the answer begins
    speed: float = 4.0  # of generation, as a multiple of playing speed; 0 is all at once
    jitter: Distribution = Distribution("fixed", 0.0)  # by which each further delta is late
    stall_rate: float = 0.0  # share of answers that stall once
    stall: Distribution = Distribution("uniform", 0.5, 2.0)  # seconds, in mid-answer
    capacity: int = 0  # responses that are made at a time, the others wait; 0: any number
    requests_per_minute: int = 0  # 0: any number
    tokens_per_minute: int = 0  # 0: any number
    max_sessions: int = 0  # open at a time; 0: any number
    session_cap: float = 3600.0  # seconds that a session lasts at most
    when_full: str = "reject"  # after the upgrade, or 429 at the handshake
    faults: tuple[Fault, ...] = ()
    tool_rate: float = 0.5  # share of turns that call a tool, when the session has tools
    tool_calls: int = 1  # that one response makes at most
    filler_rate: float = 0.0  # share of tool calls before which something is said
    mcp_delay: Distribution = Distribution("fixed", 0.3)  # to list its tools, or to run one
    mcp_failure_rate: float = 0.0  # share of these that fail
    beta: str = "asked"  # always, refused: what a client that asks for that shape gets
    seed: int = 1
    models: tuple[str, ...] = ()  # those that exist; none named: all do

    @property
    def delta_ns(self) -> int:
        """Playing time of one delta."""
        return self.delta_ms * 1_000_000

    @property
    def pace_ns(self) -> int:
        """From one audio delta to the next."""
        return round(self.delta_ns / self.speed) if self.speed else 0
