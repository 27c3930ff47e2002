"""What happens to sessions, where faults are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.durations import parse_duration
from harness.simulator.faults import Fault, Scope
from harness.simulator.message_faults import MessageFaults
from harness.simulator.outbound import Out, Outbox, hang_up
from harness.simulator.truth import Truth

if TYPE_CHECKING:
    from harness.simulator.agenda import Script
    from harness.simulator.shared_state import SharedState

__all__ = ["Ailment", "outbox", "strike"]

_HANGS_UP_WITHIN = 10_000_000_000  # ns
_CLOSES_WITH = {"session_limit_reached": 1008, "server_error": 1011}  # else 4000


class Ailment(msgspec.Struct, frozen=True):
    """What is wrong with a session from its beginning on."""

    rejected: tuple[str, int] | None = None  # error code and close code
    mute: bool = False  # nothing is ever said
    read_every: float | None = None  # seconds from one read to the next


def strike(shared: SharedState) -> Ailment:
    """What happens to a session, if anything."""
    faults, at = shared.endpoint.faults, shared.began
    fault = faults.strike(Scope.SESSION, shared.ordinal)
    if fault is None:
        return Ailment()
    if fault.name == "hang-up":
        wait = faults.rng("hang-up", shared.ordinal).randrange(_HANGS_UP_WITHIN)
        shared.agenda.follow(_hanging_up(shared, fault, at + wait), at)
        return Ailment()
    shared.endpoint.struck(fault, shared.session_id, at)
    match fault.name:
        case "reject":
            return Ailment(rejected=(fault.detail, _CLOSES_WITH.get(fault.detail, 4000)))
        case "no-session":
            return Ailment(mute=True)
    return Ailment(read_every=parse_duration(fault.detail))


def _hanging_up(shared: SharedState, fault: Fault, at: int) -> Script:
    yield at
    shared.endpoint.struck(fault, shared.session_id, at)
    yield hang_up(int(fault.detail))


def outbox(shared: SharedState, source: Outbox) -> Outbox:
    """What a session has to send, past the faults that strike messages."""
    faults = shared.endpoint.faults

    def note(fault: Fault, out: Out, at: int) -> None:
        if not isinstance(out.on, Truth):
            shared.endpoint.struck(fault, shared.session_id, at)
            return
        shared.endpoint.totals.struck(fault.label)
        if fault.label not in out.on.faults:
            out.on.faults.append(fault.label)

    if not faults.of_messages:
        return source
    rng = faults.rng("messages", shared.ordinal)
    return MessageFaults(source, faults.of_messages, rng, note)
