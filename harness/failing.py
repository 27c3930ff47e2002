"""Why a session did not come about, as it is recorded. Pure."""

from harness.realtime.codes import http_code
from harness.records import Phase, SessionOutcome
from harness.transport import ConnectError, Refused

__all__ = ["SessionFailed", "refused", "too_late", "unreached"]


class SessionFailed(Exception):
    """
    A session did not come about; the message is one line, without a key.

    Attributes:
        outcome: As it is recorded.
        phase: What was being waited for, if that took too long.
        code: ``http_401``, the endpoint's error code, ``close_1008``, or the step that failed.

    """

    def __init__(
        self, outcome: SessionOutcome, message: str, *, code: str, phase: Phase | None = None
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.phase = phase
        self.code = code


def unreached(error: ConnectError) -> SessionFailed:
    """There is no WebSocket."""
    if isinstance(error, Refused):
        return refused(str(error), http_code(error.handshake.status))
    if error.timed_out:
        outcome, phase = SessionOutcome.TIMEOUT, Phase.CONNECT
        return SessionFailed(outcome, str(error), code=error.step, phase=phase)
    return refused(str(error), error.step)


def too_late(awaited: str, limit: float) -> SessionFailed:
    """The WebSocket is open, and ``awaited``, an event, did not come within ``limit`` seconds."""
    text = f"no {awaited} within {limit:g} s of the upgrade"
    return SessionFailed(SessionOutcome.TIMEOUT, text, code=awaited, phase=Phase.SESSION)


def refused(message: str, code: str) -> SessionFailed:
    """It was refused, by the endpoint or on the way to it."""
    return SessionFailed(SessionOutcome.REFUSED, message, code=code)
