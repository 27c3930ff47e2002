"""
What can go wrong in the protocol, and whose fault it is.

    RealtimeError
    ├── LocalProtocolError   our own misuse; nothing has changed
    └── ServerError          an ``error`` event

What an endpoint does against the protocol raises nothing: it is counted (``deviations``). A timeout
is the builtin ``TimeoutError``. Most error events are recoverable and not the end of a turn:
classify them with ``ServerError.fatal`` and ``ServerError.rate_limited``.
"""

from harness.realtime.codes import FATAL_CODES, RATE_LIMIT_CODES, SESSION_OVER_CODES
from harness.realtime.objects import ErrorDetails

__all__ = ["LocalProtocolError", "RealtimeError", "ServerError"]


class RealtimeError(Exception):
    """Anything that goes wrong in the protocol."""


class LocalProtocolError(RealtimeError):
    """We asked for what the protocol does not allow; nothing has changed."""


class ServerError(RealtimeError):
    """
    An error event.

    Attributes ``type``, ``code``, ``message``, ``param`` and ``event_id`` (the client's event that
    caused it) are as sent, ``None`` where the server says nothing.
    """

    def __init__(self, details: ErrorDetails | None) -> None:
        details = details or ErrorDetails()
        self.type = details.type
        self.code = details.code
        self.message = details.message
        self.param = details.param
        self.event_id = details.event_id
        self.kind = details.kind
        super().__init__(f"{self.kind}: {self.message}" if self.message else self.kind)

    @property
    def fatal(self) -> bool:
        """Whether no further attempt can succeed."""
        return self._is_among(FATAL_CODES)

    @property
    def rate_limited(self) -> bool:
        """Whether the endpoint only asks for patience."""
        return self._is_among(RATE_LIMIT_CODES)

    @property
    def session_over(self) -> bool:
        """Whether the session reached its cap."""
        return self._is_among(SESSION_OVER_CODES)

    @property
    def closes_the_door(self) -> bool:
        """Whether no answer will come any more: for now, for good, or over this session."""
        return self.fatal or self.rate_limited or self.session_over

    def _is_among(self, codes: frozenset[str]) -> bool:
        # Some servers put the code in the type, beside a code of their own or none.
        return self.code in codes or self.type in codes
