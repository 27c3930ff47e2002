"""What it means for a session and its turns that the connection closed. Pure."""

from harness.realtime.codes import close_code
from harness.realtime.errors import ServerError
from harness.records import Outcome, SessionOutcome
from harness.transport import Closed

__all__ = ["session_ending", "turn_ending"]

PROTOCOL_CODES = frozenset({1002, 1003, 1007, 1009})  # ours, for what a peer may not send


def session_ending(
    closed: Closed, error: ServerError | None = None, *, hung_up: bool
) -> tuple[SessionOutcome, str | None]:
    """
    Outcome and code of a session that closed.

    Args:
        closed: How.
        error: What the endpoint gave as its reason.
        hung_up: It closed because we wanted it to.

    """
    if closed.error.startswith("internal"):
        return SessionOutcome.INTERNAL, "internal"
    if closed.by_us and closed.code in PROTOCOL_CODES:
        return SessionOutcome.PROTOCOL_ERROR, close_code(closed.code)
    if hung_up:
        return SessionOutcome.ENDED, error.kind if error and error.session_over else None
    return SessionOutcome.DISCONNECTED, _reason(error) or close_code(closed.code)


def turn_ending(closed: Closed, error: ServerError | None) -> tuple[Outcome, str | None]:
    """Outcome and code of a turn that was open when the session closed."""
    outcome, code = session_ending(closed, error, hung_up=False)
    if outcome is SessionOutcome.DISCONNECTED and error is not None and _reason(error):
        return Outcome.RATE_LIMITED if error.rate_limited else Outcome.FAILED, code
    return Outcome(outcome.value), code


def _reason(error: ServerError | None) -> str | None:
    """The code of an error after which a session is closed; most are none."""
    return error.kind if error is not None and error.closes_the_door else None
