"""What a listener hears: an answer at playing speed, through a jitter buffer. Pure."""

__all__ = ["Playback"]


class Playback:
    """
    One listener's loudspeaker, folded over the arrivals of audio.

    Playing starts ``buffer`` after the first audio, and stalls when what has arrived is played.
    All instants and durations are integer nanoseconds.
    """

    __slots__ = (
        *("_earlier", "_earlier_ends", "_fresh", "_heard", "buffer", "ends_at", "gaps"),
        *("received", "started_at", "stopped_at"),
    )

    def __init__(self, buffer: int) -> None:
        self.buffer = buffer
        self.received = 0  # audio that has arrived
        self.started_at: int | None = None
        self.ends_at = 0  # when all that has arrived is played
        self.stopped_at: int | None = None
        self.gaps: list[tuple[int, int]] = []  # silences inside an answer: from, to
        self._fresh = True
        self._earlier = 0  # audio of the parts before the one that arrives now
        self._earlier_ends = 0
        self._heard = 0  # once stopped

    def arrive(self, at: int, duration: int) -> int:
        """Take audio that arrived ``at``; return the instant at which it begins to play."""
        begins = self.ends_at
        if self._fresh:
            begins = self._begin_part(at)
        elif at > begins:
            self.gaps.append((begins, at))
            begins = at
        self.received += duration
        self.ends_at = begins + duration
        return begins

    def _begin_part(self, at: int) -> int:
        self._fresh = False
        self._earlier, self._earlier_ends = self.received, self.ends_at
        begins = max(self.ends_at, at + self.buffer)
        if self.started_at is None:
            self.started_at = begins
        return begins

    def pause(self) -> None:
        """Expect another part, after a tool call say: the silence before it is no gap."""
        self._fresh = True

    def stop(self, at: int) -> None:
        """Fall silent: the caller talks over it, or hangs up."""
        if self.stopped_at is None:
            self._heard = self.heard(at)
            self.stopped_at = at
            self.ends_at = min(self.ends_at, at)

    def heard(self, now: int) -> int:
        """Audio heard until ``now``; gaps are silence, not audio."""
        if self.stopped_at is not None:
            return self._heard
        # Gaps lie in the past only: what is left of a part plays without a break.
        part = self.received - self._earlier
        part -= min(part, max(0, self.ends_at - now))
        return part + self._earlier - min(self._earlier, max(0, self._earlier_ends - now))
