"""Records as rows of Locust's own statistics, one each for connect, session, ttfa, turn, tool."""

from collections.abc import Mapping
from typing import Any

from harness.metrics import TURN_METRICS
from harness.realtime.codes import listed_code
from harness.records import Health, Session, SessionOutcome, ToolCall, Turn

__all__ = ["VOICE", "LocustRows", "Unsuccessful", "log_request", "to_the_millisecond"]

LINE, VOICE = "WS", "VOICE"
CONNECT_STEPS = ("dns", "tcp", "tls", "upgrade")
TOOL_SUCCESSES = frozenset({"ok", ""})
TTFA = next(metric for metric in TURN_METRICS if metric.name == "ttfa")


class Unsuccessful(Exception):
    """What a failed row shows: outcome, and what was waited for or the listed code; few texts."""

    def __repr__(self) -> str:
        return str(self)


def to_the_millisecond(response_time: float) -> int:
    """Locust's bucket of a response time; its own rounds to two digits, up to 5 % wrong."""
    return round(response_time)


def log_request(
    stats: Any, method: str, name: str, response_time: float | None, content_length: int
) -> None:
    """
    Log a request as ``RequestStats`` does, but of our rows only ``ttfa`` counts in all together.

    Dialling, first audio and whole turns together have no response time: Locust's chart of it, and
    the row *Aggregated*, show the time to first audio instead.
    """
    apart = method in (LINE, VOICE) and name != TTFA.name
    stats.total.log(None if apart else response_time, content_length)
    stats.entries[name, method].log(response_time, content_length)


class LocustRows:
    """
    Fires Locust's ``request`` event for each record.

    Args:
        request: ``environment.events.request``.

    """

    def __init__(self, request: Any) -> None:
        self._request = request

    def on_turn(self, turn: Turn) -> None:
        """Rows of a finished turn."""
        failure = _failure(turn.outcome, turn.phase, turn.code) if turn.failed else None
        self._fire(VOICE, "turn", _duration(turn), failure, int(turn.audio_received_s * 1000))
        if TTFA.unanswered(turn):
            # Without a time Locust would leave it out of the percentiles, above which it ranks.
            no_answer = failure or Unsuccessful("no answer audio")
            self._fire(VOICE, TTFA.name, TTFA.limit_of(turn), no_answer)
        elif turn.ttfa is not None and not turn.censored:
            self._fire(VOICE, TTFA.name, turn.ttfa)
        for call in turn.tools:
            self._fire(VOICE, "tool call", _until_call(turn, call), _tool_failure(call))

    def on_session(self, session: Session) -> None:
        """Rows of a session that ended."""
        if session.event == "start":
            return
        failure = None
        if session.outcome is not SessionOutcome.ENDED:
            failure = _failure(session.outcome, session.phase, session.code)
        upgraded = session.steps.get("upgrade") is not None
        if not upgraded and failure is None:
            return  # stopped while it dialled
        self._fire(LINE, "connect", _connect_time(session.steps), None if upgraded else failure)
        if upgraded:
            self._fire(LINE, "session", session.steps.get("updated"), failure)

    def on_health(self, health: Health) -> None:
        """Locust has no row for the generator itself."""

    def _fire(
        self,
        request_type: str,
        name: str,
        seconds: float | None,
        exception: Exception | None = None,
        length: int = 0,
    ) -> None:
        self._request.fire(
            request_type=request_type,
            name=name,
            response_time=None if seconds is None else seconds * 1000,
            response_length=length,
            exception=exception,
            context={},
        )


def _failure(outcome: str | None, phase: str | None, code: str | None) -> Unsuccessful:
    detail = phase or (listed_code(code) if code else None)
    return Unsuccessful(f"{outcome}: {detail}" if detail else str(outcome))


def _tool_failure(call: ToolCall) -> Unsuccessful | None:
    if not call.valid:
        return Unsuccessful("tool call: invalid arguments")
    if call.outcome not in TOOL_SUCCESSES:
        return Unsuccessful(f"tool call: {call.outcome}")
    return None


def _connect_time(steps: Mapping[str, float | None]) -> float | None:
    if steps.get("upgrade") is None:
        return None
    return sum(steps.get(step) or 0.0 for step in CONNECT_STEPS)


def _duration(turn: Turn) -> float | None:
    """First frame, or request, written to the last instant of the turn, in seconds."""
    instants = [at for at in turn.marks.values() if at is not None]
    if turn.written_at is None or not instants:
        return None
    return max(0.0, (max(instants) - turn.written_at) / 1e9)


def _until_call(turn: Turn, call: ToolCall) -> float | None:
    """End of speech, or request, to the arguments complete, in seconds."""
    asked = turn.marks.get("speech_end") or turn.marks.get("request")
    if asked is None or call.called_at is None:
        return None
    return max(0.0, (call.called_at - asked) / 1e9)
