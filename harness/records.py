"""The records of a run: what one turn, one session and one second of a worker leave behind."""

from bisect import bisect_left
from collections.abc import MutableSequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec

__all__ = [
    "LAG_BUCKETS",
    "MARKS",
    "SCHEMA",
    "TURN_FAILURES",
    "UNHEARD",
    "Count",
    "Flag",
    "Health",
    "Identity",
    "Instant",
    "Kind",
    "LagHistogram",
    "Ordinal",
    "Outcome",
    "Phase",
    "Quantity",
    "Session",
    "SessionOutcome",
    "ToolCall",
    "Turn",
    "encode",
]

SCHEMA = 1

# What a number read from a file may be: beyond, it was never written by a run, and adds up to none.
Ordinal = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Instant = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]  # ns of a clock, or of the epoch until 2116
Quantity = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]  # seconds, USD or a share


class Kind(StrEnum):
    """What a turn was opened by."""

    SPEECH = "speech"
    GREETING = "greeting"  # the agent speaks first
    TEXT = "text"
    UNSOLICITED = "unsolicited"  # an idle timeout, a response nobody asked for


class Outcome(StrEnum):
    """How a turn ended."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"  # by us: a barge-in, an interrupt; a success
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    DISCONNECTED = "disconnected"
    PROTOCOL_ERROR = "protocol_error"
    ABANDONED = "abandoned"  # the caller's patience ended
    CUT = "cut"  # the run ended
    INTERNAL = "internal"  # our own fault


TURN_FAILURES = frozenset(Outcome) - {Outcome.COMPLETED, Outcome.CANCELLED, Outcome.CUT}


class SessionOutcome(StrEnum):
    """How a session ended."""

    ENDED = "ended"
    REFUSED = "refused"  # at the handshake, or by an error before the session was configured
    TIMEOUT = "timeout"
    DISCONNECTED = "disconnected"
    PROTOCOL_ERROR = "protocol_error"
    INTERNAL = "internal"


class Phase(StrEnum):
    """What was being waited for when a limit was reached."""

    CONNECT = "connect"
    SESSION = "session"
    DETECTION = "detection"
    FIRST_AUDIO = "first_audio"
    STALL = "stall"
    RESPONSE = "response"
    TOOL = "tool"
    CLOSE = "close"


class Flag(StrEnum):
    """What is remarkable about a turn, whatever its outcome."""

    SUSPECT = "suspect"  # the generator was late while it ran: see verdict.py
    PREMATURE = "premature"  # the endpoint answered before the caller had finished
    FILLER = "filler"  # speech before a tool call
    INTERRUPTED = "interrupted"  # the caller talked over it
    TEXT_ONLY = "text_only"  # an answer without audio in an audio session
    CENSORED = "censored"  # left out of percentiles: cut, cancelled before audio, premature only
    IDLE_TIMEOUT = "idle_timeout"  # the endpoint spoke since the caller did not
    SECOND_ANSWER = "second_answer"  # more than one response to one commit


MARKS = (
    "speech_end",  # last voiced sample spoken, plus the lateness of the frame that carries it
    "commit",  # input_audio_buffer.commit written
    "request",  # response.create written
    "detected",  # commit written, or speech_stopped received under VAD
    "created",  # response.created of the answer received
    "first_text",  # first text or transcript delta of the answer
    "first_audio",  # first audio delta of the answer
    "first_audible",  # the instant its first sample above silence plays
    "call",  # first tool call complete
    "tool_output",  # last tool output written
    "answer_audio",  # first audio after the last tool output
    "barge_in",  # first voiced frame (VAD) or cancel (none) written by the caller who talks over it
    "cancel",  # response.cancel written
    "last_delta",  # last audio delta received
    "done",  # response.done of the last response received
    "playback_end",  # the last sample heard, or the instant at which playback was stopped
)

UNHEARD = (Outcome.CUT, Outcome.CANCELLED)  # without audio these are censored, not unanswered


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Whose record it is: shared by all turns of one session."""

    run: str = ""
    worker: str = "local"
    caller: int = 0  # unique in the swarm, handed out by the master
    call: int = 0  # ordinal of the call of this caller
    session: str = ""  # the server's session id, ours while it has none
    scenario: str = ""  # class and task of the locustfile, or call(scenario=…)
    model: str = ""
    target: str = ""  # scheme, host and port
    tags: dict[str, str] = {}


class ToolCall(msgspec.Struct, kw_only=True):
    """One tool call of a response, and our answer to it, or an MCP server's."""

    name: str
    call_id: str  # of an MCP server's: the id of its item
    valid: bool = True  # its arguments were a JSON object that fits the tool's schema
    called_at: Instant | None = None  # ns, arguments complete
    answered_at: Instant | None = None  # ns, function_call_output written, or MCP's result received
    outcome: str = ""  # ok, error, timeout, unknown
    server: str = ""  # label of the MCP server whose tool the endpoint ran; empty: it was ours
    listed: bool = False  # the endpoint had imported a tool of that name from that server

    @property
    def label(self) -> str:
        """Its name; that of a server's tool after the server's, which no function has a dot in."""
        return f"{self.server}.{self.name}" if self.server else self.name

    @property
    def took_s(self) -> float | None:
        """Complete to answered, in seconds; ``None`` if it never was."""
        if self.called_at is None or self.answered_at is None:
            return None
        return (self.answered_at - self.called_at) / 1e9


class Turn(msgspec.Struct, kw_only=True):
    """
    One thing said (or greeting, text, unsolicited answer) and everything the endpoint answers.

    Instants are integer nanoseconds of this worker's monotonic clock; durations are seconds.
    Live until it closes: ``outcome`` is ``None`` while it runs, then filled once.
    """

    schema: int = SCHEMA
    run: str = ""
    worker: str = "local"
    caller: int = 0
    call: int = 0
    session: str = ""
    turn: int = 0  # ordinal in its call
    scenario: str = ""
    model: str = ""
    target: str = ""
    tags: dict[str, str] = {}
    kind: Kind = Kind.SPEECH
    said: str = ""  # name of the utterance, never a label
    audio: bool = True  # its session was asked to answer in audio
    outcome: Outcome | None = None
    phase: Phase | None = None  # of a timeout
    code: str | None = None  # the server's error code, reason or close code
    message: str = ""  # what the server said of its failure, for people, never a label
    response_ids: list[str] = []
    item_ids: list[str] = []
    due_at: int = 0  # when it should have begun
    written_at: int | None = None  # when its first frame, or its request, was written
    marks: dict[str, int | None] = {}  # the names are MARKS
    uncertainty: dict[str, int] = {}  # ns by which a mark may be too late, where there is some
    metrics: dict[str, float | None] = {}  # seconds; see TURN_METRICS, TURN_FIGURES
    segments: dict[str, float] = {}  # the waterfall, seconds: adds up to ttfa_audible
    gaps: list[float] = []  # seconds of each silence while the playback buffer was dry
    limits_s: float = 0.0  # the sum of the limits in force from the end of speech, tools' too
    answer_limits_s: float = 0.0  # of those in force once the turn was detected
    own_delay_s: float = 0.0  # time our own tools took
    audio_sent_s: float = 0.0
    audio_received_s: float = 0.0
    receiving_s: float = 0.0  # that took: first to last audio delta of each response, added up
    audio_heard_s: float = 0.0
    overtalk_s: float = 0.0  # received after the caller began to talk over it
    leaked_s: float = 0.0  # received after response.cancel was written
    transcript: str = ""  # what the agent said
    tools: list[ToolCall] = []
    usage: dict[str, Any] | None = None
    cost_usd: float | None = None
    flags: list[Flag] = []
    session_age_s: float = 0.0  # of the session when the turn began
    worker_concurrency: int = 0  # sessions open in this process when it began

    @property
    def ttfa(self) -> float | None:
        """Last voiced sample spoken to first audio delta of the answer, in seconds."""
        return self.metrics.get("ttfa")

    @property
    def failed(self) -> bool:
        """Whether its outcome is a failure."""
        return self.outcome in TURN_FAILURES

    @property
    def censored(self) -> bool:
        """Whether it is left out of percentiles."""
        return Flag.CENSORED in self.flags

    @property
    def unanswered(self) -> bool:
        """Whether it was asked for, in an audio session, and no answer audio ever came."""
        return self.lacks("first_audio")

    def lacks(self, mark: str) -> bool:
        """Whether it was asked for, in an audio session, and ``mark`` never came."""
        return (
            self.audio
            and self.kind is not Kind.UNSOLICITED
            and self.marks.get(mark) is None
            and self.outcome not in UNHEARD
            and not self.censored
        )


class Session(msgspec.Struct, kw_only=True):
    """A session when it starts, and again, filled, when it ends."""

    schema: int = SCHEMA
    event: str = "start"  # start or end
    at: int = 0  # ns: dialling began, or the session was over
    run: str = ""
    worker: str = "local"
    caller: int = 0
    call: int = 0
    session: str = ""
    scenario: str = ""
    model: str = ""
    target: str = ""
    tags: dict[str, str] = {}
    started_at: int = 0  # ns, on both lines: joins them with caller and call
    arrival: int = 0  # ordinal in the schedule of open arrivals; 0: there is none
    due_at: int | None = None  # ns, when that schedule wanted the call to begin
    blocked: bool = False  # no caller was idle then: it waited for one
    steps: dict[str, float | None] = {}  # seconds: dns, tcp, tls, upgrade, created, updated, tools
    outcome: SessionOutcome | None = None
    phase: Phase | None = None
    code: str | None = None
    message: str = ""  # free text for people, never a label; no key in it
    close_code: int | None = None
    deviations: dict[str, int] = {}
    scorecard: dict[str, dict[str, int]] = {}  # the same by kind, then event and field
    imports: dict[str, str] = {}  # of tools, by MCP server: ok, empty, failed, late, ignored
    errors: dict[str, int] = {}  # error events by code, but those that ended a turn or refused it
    turns: int = 0
    responses: int = 0
    messages_sent: int = 0
    messages_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    audio_due_s: float = 0.0  # audio time that should have been sent by the frames' due times
    audio_sent_s: float = 0.0
    audio_received_s: float = 0.0
    stale_audio_s: float = 0.0  # received after its response was cancelled: never heard
    usage: dict[str, Any] | None = None
    cost_usd: float | None = None


LAG_BUCKETS = (
    *(0.00005, 0.0001, 0.0002, 0.0003, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005),
    *(0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0),
)
"""Seconds, upper bounds. The limits of verdict.py are among them."""


def _no_lags() -> list[int]:
    return [0] * (len(LAG_BUCKETS) + 1)


_Buckets = Annotated[
    MutableSequence[Count],
    msgspec.Meta(min_length=len(LAG_BUCKETS) + 1, max_length=len(LAG_BUCKETS) + 1),
]


class LagHistogram(msgspec.Struct, kw_only=True):
    """How late something was, counted by upper bound, so that seconds and workers add up."""

    count: Count = 0
    sum: Quantity = 0.0  # seconds
    max: Quantity = 0.0  # seconds
    # Not cumulative; the last is +Inf.
    buckets: _Buckets = msgspec.field(default_factory=_no_lags)

    def add(self, seconds: float) -> None:
        """Count one lag."""
        self.count += 1
        self.sum += seconds
        if seconds > self.max:  # noqa: PLR1730 - for each frame and each message: max() is slow
            self.max = seconds
        self.buckets[bisect_left(LAG_BUCKETS, seconds)] += 1

    def merge(self, other: "LagHistogram") -> None:
        """Add another's counts."""
        self.count += other.count
        self.sum += other.sum
        self.max = max(self.max, other.max)
        self.buckets = [a + b for a, b in zip(self.buckets, other.buckets, strict=True)]

    def quantile(self, q: float) -> float:
        """The bound in seconds under which a share ``q`` lies; the maximum in the last bucket."""
        rank, seen = q * self.count, 0
        for bound, n in zip(LAG_BUCKETS, self.buckets, strict=False):
            seen += n
            if seen >= rank and seen:
                return min(bound, self.max)
        return self.max


class Health(msgspec.Struct, kw_only=True):
    """The generator itself, a line per worker and second."""

    schema: int = SCHEMA
    run: str = ""
    worker: str = "local"
    at: Instant = 0  # ns, end of the second
    interval_s: Quantity = 1.0  # really elapsed since the line before
    users: Count = 0
    sessions: Count = 0
    frame_lateness: LagHistogram = msgspec.field(default_factory=LagHistogram)
    hub_lag: LagHistogram = msgspec.field(default_factory=LagHistogram)
    read_lag: LagHistogram = msgspec.field(default_factory=LagHistogram)
    stalls: Count = 0  # the hub blocked for 20 ms or more
    longest_stall_s: Quantity = 0.0
    culprit: str = ""  # who blocked the hub for longest, over 100 ms: file:line function ← caller
    cpu: Quantity = 0.0  # share of one core
    starved_s: Quantity = 0.0  # the hub's thread was ready to run, and had no processor
    preemptions: Count = 0  # times it had to hand its processor over
    rss_bytes: Count = 0
    gc_s: Quantity = 0.0  # seconds spent in garbage collection
    gc_longest_s: Quantity = 0.0  # in one of them
    queued_bytes: Count = 0  # waiting in send queues
    descriptors: Count = 0
    audio_due_s: Quantity = 0.0
    audio_sent_s: Quantity = 0.0
    turns: Count = 0
    suspect_turns: Count = 0
    internal_errors: Count = 0


_encoder = msgspec.json.Encoder()


def encode(record: Turn | Session | Health) -> bytes:
    """A record as one JSON line, newline included."""
    return _encoder.encode(record) + b"\n"
