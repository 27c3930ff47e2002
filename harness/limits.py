"""How long a turn may wait for what comes next, and what it has become when that does not come."""

import msgspec

from harness.records import Outcome, Phase

__all__ = ["Limit", "Limits"]


class Limit(msgspec.Struct, frozen=True, order=True):
    """An instant (monotonic ns) at which a turn ends, unless what it waits for comes before."""

    at: int
    outcome: Outcome
    phase: Phase | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits in force in one call, in nanoseconds; ``None``: a caller of endless patience."""

    detection: int = 12_000_000_000
    first_audio: int = 10_000_000_000
    stall: int = 5_000_000_000
    response: int = 120_000_000_000
    tool: int = 30_000_000_000
    patience: int | None = None

    def timeout(self, start: int, phase: Phase) -> Limit:
        """The limit of ``phase``, counted from ``start``."""
        return Limit(start + int(getattr(self, phase.value)), Outcome.TIMEOUT, phase)

    def unanswered(self, *, vad: bool, rounds: int = 0) -> float:
        """
        Seconds from the end of speech after which an answer can no longer have come.

        Args:
            vad: Whether the turn has to be detected first.
            rounds: How often it called tools: first audio is not waited for while they run.

        """
        detection = self.detection if vad else 0
        return self._at_most(detection + self.first_audio + rounds * self.tool)

    def unanswered_since(self, detected: int, *, speech_end: int, rounds: int = 0) -> float:
        """The same from when the turn was ``detected``; patience runs since ``speech_end``."""
        limit = self.first_audio + rounds * self.tool
        return self._at_most(limit, patient_from=speech_end - detected)

    def unanswered_after(self, called: int, *, heard: int) -> float:
        """
        The same if something was heard first, as seconds from the end of speech.

        First audio is then waited for anew once the tools have answered.

        Args:
            called: Nanoseconds from the end of speech to the last round of calls.
            heard: To the end of what was heard: patience runs from there.

        """
        return self._at_most(called + self.tool + self.first_audio, patient_from=heard)

    def _at_most(self, limit: int, patient_from: int = 0) -> float:
        if self.patience is None:
            return limit / 1e9
        return min(limit, max(0, patient_from + self.patience)) / 1e9
