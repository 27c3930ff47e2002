"""What it means for a session and its turns that the connection closed. Pure."""

from harness.realtime.errors import ServerError, close_code
from harness.records import Outcome, SessionOutcome
from harness.transport import Closed

__all__ = ["session_ending", "turn_ending"]

PROTOCOL_CODES = frozenset({1002, 1003, 1007, 1009})  # ours, for what a peer may not send


def session_ending(closed: Closed, *, hung_up: bool) -> tuple[SessionOutcome, str | None]:
    """Outcome and code of a session that closed; ``hung_up``: because we wanted it to."""
    if closed.error.startswith("internal"):
        return SessionOutcome.INTERNAL, "internal"
    if closed.by_us and closed.code in PROTOCOL_CODES:
        return SessionOutcome.PROTOCOL_ERROR, close_code(closed.code or 1002)
    if hung_up:
        return SessionOutcome.ENDED, None
    return SessionOutcome.DISCONNECTED, close_code(closed.code or 1006)


def turn_ending(closed: Closed, error: ServerError | None) -> tuple[Outcome, str | None]:
    """Outcome and code of a turn that was open when the session closed."""
    outcome, code = session_ending(closed, hung_up=False)
    if outcome is SessionOutcome.DISCONNECTED and error is not None:
        if error.rate_limited:
            return Outcome.RATE_LIMITED, error.kind
        if error.fatal or error.session_over:
            return Outcome.FAILED, error.kind
    return Outcome(outcome.value), code
