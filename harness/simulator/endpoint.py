"""What all sessions of a simulated endpoint share."""

from __future__ import annotations

import random
from collections.abc import Callable

from harness.audio import PCM16, PCMA, PCMU, AudioFormat
from harness.simulator.capacity import Capacity
from harness.simulator.faults import Fault, Faults, Scope
from harness.simulator.phrases import phrases
from harness.simulator.rate_limits import RateLimits
from harness.simulator.settings import Settings
from harness.simulator.track import Track, track
from harness.simulator.truth import Totals, Truth

__all__ = ["Endpoint"]


class Endpoint:
    """
    One endpoint.

    Args:
        settings: How it answers.
        record: Takes each response that is over.
        note: Takes the label of each fault that strikes a handshake, which has no session, or
            a session, with its id, and the instant.
        name: Part of all ids, to tell this process from others.

    """

    def __init__(
        self,
        settings: Settings,
        record: Callable[[Truth], None] = lambda truth: None,
        name: str = "sim",
        note: Callable[[str, str | None, int], None] = lambda label, session_id, at: None,
    ) -> None:
        self.settings = settings
        self.totals = Totals()
        self.capacity = Capacity(settings.capacity)
        self.limits = RateLimits(settings.requests_per_minute, settings.tokens_per_minute)
        self.name = name
        self.faults = Faults(settings.faults, settings.seed)
        self._record = record
        self._note = note
        self._handshakes = 0

    def prepare(self) -> None:
        """Make what answers sound like before anyone asks: it takes a moment."""
        for phrase in range(len(phrases(self.settings.answer_audio))):
            for known in (PCM16, PCMU, PCMA):
                self.track(phrase, known)

    def knows(self, model: str) -> bool:
        """Whether there is such a model."""
        return not self.settings.models or model in self.settings.models

    @property
    def full(self) -> bool:
        """Whether it has as many sessions as it takes."""
        return 0 < self.settings.max_sessions <= self.totals.open_sessions

    def opened(self) -> int:
        """Count a session; its ordinal."""
        self.totals.sessions += 1
        self.totals.open_sessions += 1
        return self.totals.sessions - 1

    def closed(self) -> None:
        """Count a session that is over."""
        self.totals.open_sessions -= 1

    def record(self, truth: Truth) -> None:
        """Count and log a response that is over."""
        self.totals.add(truth)
        self._record(truth)

    def shake_hands(self, at: int) -> Fault | None:
        """What happens to the handshake that came ``at``, if anything."""
        self._handshakes += 1
        fault = self.faults.strike(Scope.HANDSHAKE, self._handshakes)
        if fault is not None:
            self.struck(fault, None, at)
        return fault

    def struck(self, fault: Fault, session_id: str | None, at: int) -> None:
        """Count and log a fault that struck no response."""
        self.totals.struck(fault.label)
        self._note(fault.label, session_id, at)

    def rng(self, session: int, what: int | str) -> random.Random:
        """
        The randomness of a response, by its number, or of anything else, by its name.

        The same for the same seed, whatever else goes on: ids are no part of either, for they
        are new in each process.
        """
        return random.Random(f"{self.settings.seed}/{session}/{what}")

    def track(self, phrase: int, format: AudioFormat) -> Track:
        """What a phrase sounds like in a format."""
        how = self.settings
        return track(how.answer_audio, phrase, format, how.delta_ms, how.silence_ms)
