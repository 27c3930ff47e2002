"""What a server does against the protocol, counted by kind and by where it was seen."""

from collections import Counter

import msgspec

from harness.realtime.events import ServerEvent

__all__ = ["DEVIATION_KINDS", "Deviations"]

DEVIATION_KINDS = {
    "malformed": "a message that is no JSON object",
    "unknown_event": "an event that the protocol does not know",
    "beta_name": "an event under its beta name",
    "bad_field": "a field whose value is of the wrong type",
    "missing_field": "a required field left out or null",
    "unexpected": "an event that the state of the session does not allow",
    "duplicate": "the same event once more",
    "created_twice": "a response created that had been created or done before",
    "unknown_response": "an event of a response that was never created",
    "after_done": "an event of a response after its response.done",
    "unknown_item": "content of an item that was never added",
    "config_ignored": "a session that is not configured as asked",
    "second_answer": "more than one response to one thing said",
}
"""What a server can do wrong, and what it means: the values of the label ``kind``."""

_KEPT_UNKNOWN_NAMES = 50
_LONGEST_NAME = 80


class Deviations:
    """
    The deviations of one session.

    Attributes:
        kinds: How many, by kind.
        scorecard: How many, by kind and by wire name, with a field after it where it is about one.

    """

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.scorecard: Counter[tuple[str, str]] = Counter()
        self._unknown_names: set[str] = set()

    def count(self, kind: str, name: str = "") -> None:
        """Count one, of one of ``DEVIATION_KINDS``."""
        assert kind in DEVIATION_KINDS
        self.kinds[kind] += 1
        self.scorecard[kind, name] += 1

    def count_unknown(self, name: str) -> None:
        """Count an event of a name the protocol does not know; only so many are told apart."""
        name = name[:_LONGEST_NAME]
        if len(self._unknown_names) < _KEPT_UNKNOWN_NAMES:
            self._unknown_names.add(name)
        self.count("unknown_event", name if name in self._unknown_names else "other")

    def count_missing(self, event: ServerEvent) -> None:
        """Count the fields that an event leaves out."""
        for field, value in msgspec.structs.asdict(event).items():
            if value is None:
                self.count("missing_field", f"{event.type} {field}")
