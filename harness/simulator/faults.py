"""What an endpoint does wrong on demand: the table of faults, and who is struck by which."""
# ruff: noqa: E501  a table: one row a line

from __future__ import annotations

import random
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from harness.durations import parse_duration
from harness.realtime.events import SERVER_EVENTS
from harness.values import parse_share

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "EVENT",
    "FAULTS",
    "TIME",
    "Fault",
    "FaultKind",
    "Faults",
    "Scope",
    "parse_fault",
]

EVENT = "EVENT"  # in place of choices: any event of the server, or * for all
TIME = "TIME"  # in place of choices: a duration


class Scope(StrEnum):
    """What a fault strikes: its rate is a share of these."""

    HANDSHAKE = "handshake"
    SESSION = "session"
    UTTERANCE = "utterance"
    RESPONSE = "response"
    MESSAGE = "message"


class FaultKind(msgspec.Struct, frozen=True):
    """One fault: its name, what it strikes, its detail (the default first), what happens."""

    name: str
    scope: Scope
    details: tuple[str, ...]
    help: str


# fmt: off
FAULTS = {
    kind.name: kind
    for kind in (
        FaultKind("refuse", Scope.HANDSHAKE, ("503", "401", "403", "429"), "an HTTP status instead of the upgrade; 429 and 503 say when to come again"),
        FaultKind("hold", Scope.HANDSHAKE, (), "the handshake is never answered"),
        FaultKind("reject", Scope.SESSION, ("session_limit_reached", "insufficient_quota", "invalid_api_key", "server_error"), "an error after the upgrade, then a close"),
        FaultKind("no-session", Scope.SESSION, (), "nothing at all is said after the upgrade"),
        FaultKind("hang-up", Scope.SESSION, ("1006", "1000", "1011"), "the connection ends within 10 s, whatever goes on"),
        FaultKind("slow-read", Scope.SESSION, (TIME, "1s"), "what the client sends is read only once in so long"),
        FaultKind("no-transcript", Scope.UTTERANCE, (), "what was said is answered, but its transcription fails"),
        FaultKind("disconnect", Scope.RESPONSE, ("1006", "1000", "1011"), "the connection ends at any point of an answer"),
        FaultKind("no-answer", Scope.RESPONSE, (), "a response is created, and nothing follows"),
        FaultKind("stop", Scope.RESPONSE, (), "an answer stops in the middle and never ends"),
        FaultKind("fail", Scope.RESPONSE, ("server_error", "rate_limit_exceeded"), "a response ends as failed, with or without some audio"),
        FaultKind("incomplete", Scope.RESPONSE, ("content_filter", "max_output_tokens"), "a response ends as incomplete in mid-answer"),
        FaultKind("stale", Scope.RESPONSE, (), "audio of a response goes on after it was cancelled"),
        FaultKind("text-only", Scope.RESPONSE, (), "an answer in text, though audio was asked for"),
        FaultKind("drop", Scope.MESSAGE, (EVENT,), "the message is never sent"),
        FaultKind("delay", Scope.MESSAGE, (EVENT,), "the message comes 300 ms late, others overtake it"),
        FaultKind("duplicate", Scope.MESSAGE, (EVENT,), "the message is sent twice"),
        FaultKind("cut", Scope.MESSAGE, (EVENT,), "the message is cut off somewhere: no JSON"),
        FaultKind("corrupt", Scope.MESSAGE, (EVENT,), "the fields of the message are of other types"),
        FaultKind("oversize", Scope.MESSAGE, (EVENT,), "the message claims to be a gigabyte long"),
        FaultKind("fragment", Scope.MESSAGE, (EVENT,), "the message is sent in fragments, which is legal"),
    )
}
"""One row a fault."""
# fmt: on


class Fault(msgspec.Struct, frozen=True):
    """A fault that strikes a share of what it can."""

    name: str
    detail: str  # 429, response.done, 2s; empty where there is none
    rate: float

    @property
    def scope(self) -> Scope:
        """What it strikes."""
        return FAULTS[self.name].scope

    @property
    def label(self) -> str:
        """As it is written, without its rate."""
        return f"{self.name}:{self.detail}" if self.detail else self.name


def parse_fault(text: str) -> Fault:
    """
    The fault of ``NAME=RATE`` or ``NAME:DETAIL=RATE``: ``refuse:429=2%``.

    Raises:
        ValueError: If it is none.

    """
    what, equals, rate = text.partition("=")
    name, _, detail = what.strip().partition(":")
    kind = FAULTS.get(name)
    if kind is None or not equals:
        known = ", ".join(FAULTS)
        raise ValueError(f"{text!r} is no fault: write NAME=RATE, NAME one of {known}")
    return Fault(name, _detail(kind, detail), parse_share(rate))


def _detail(kind: FaultKind, detail: str) -> str:
    """What a fault is about, or its default."""
    if kind.details[:1] == (TIME,):
        parse_duration(detail or kind.details[1])
        return detail or kind.details[1]
    if kind.details[:1] == (EVENT,):
        if detail not in ("*", *SERVER_EVENTS):
            raise ValueError(
                f"{kind.name} needs an event, or * for all: {kind.name}:response.done=1%"
            )
        return detail
    if not detail and kind.details:
        return kind.details[0]
    if detail and detail not in kind.details:
        choices = ", ".join(kind.details) or "nothing"
        raise ValueError(f"{kind.name} takes {choices} after the colon, not {detail!r}")
    return detail


class Faults:
    """
    The faults of one endpoint.

    Who is struck follows from the seed alone, whatever else goes on.

    Raises:
        ValueError: If the shares of what can happen to one thing add up to more than all.

    """

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        self._seed = seed
        self._by_scope: dict[Scope, list[Fault]] = {scope: [] for scope in Scope}
        for fault in faults:
            self._by_scope[fault.scope].append(fault)
        for scope in (Scope.HANDSHAKE, Scope.SESSION, Scope.RESPONSE):
            if sum(fault.rate for fault in self._by_scope[scope]) > 1 + 1e-9:
                raise ValueError(f"the rates of what strikes a {scope} add up to more than 100%")

    def rng(self, *key: object) -> random.Random:
        """The randomness of one thing."""
        return random.Random("/".join(map(str, ("fault", self._seed, *key))))

    def strike(self, scope: Scope, *ordinals: int) -> Fault | None:
        """What happens to one handshake, session or response; one fault at most."""
        candidates = self._by_scope[scope]
        if not candidates:
            return None
        draw = self.rng(scope, *ordinals).random()
        for fault in candidates:
            draw -= fault.rate
            if draw < 0:
                return fault
        return None

    @property
    def of_messages(self) -> tuple[Fault, ...]:
        """Those that strike messages, each by itself."""
        return tuple(self._by_scope[Scope.MESSAGE])
