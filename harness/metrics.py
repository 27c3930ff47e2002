"""The one table of what is measured: names, units, origins, buckets, labels, values of a turn."""

from enum import StrEnum

import msgspec

from harness import readings
from harness.records import LAG_BUCKETS, Kind, Turn

__all__ = [
    "LATENCY_BUCKETS",
    "LISTENING_METRICS",
    "METRICS",
    "RUN_FIGURES",
    "SEGMENTS",
    "TURN_FIGURES",
    "TURN_METRICS",
    "Metric",
    "Type",
    "measure",
]

LATENCY_BUCKETS = (
    *(0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    *(1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0),
)
"""Seconds. The usual objectives are bounds, so that the share of turns within them is exact."""

SEGMENT_BUCKETS = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Coarse: segments are looked at by their means."""

CONNECT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Type(StrEnum):
    """How a metric is kept in Prometheus."""

    HISTOGRAM = "histogram"
    COUNTER = "counter"
    GAUGE = "gauge"


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric, everywhere it appears."""

    name: str  # as in records and summary.json
    type: Type = Type.HISTOGRAM
    unit: str = "seconds"  # the suffix in Prometheus; "" for none
    help: str
    origin: str = ""  # from what to what
    labels: tuple[str, ...] = ("scenario", "model")
    buckets: tuple[float, ...] = LATENCY_BUCKETS
    value: readings.Reading | None = None  # of a finished turn
    counts_unanswered: bool = False  # an unanswered turn ranks above all answered ones
    kinds: tuple[Kind, ...] = (Kind.SPEECH, Kind.GREETING, Kind.TEXT)  # of turns it is asked of
    needs: str | None = None  # the mark it counts from: it is asked of turns that have one
    limits: str = "limits_s"  # the field of Turn that adds up the limits in force from its origin
    through_tools: bool = False  # of a tool turn it waits for the audio after the last tool output

    @property
    def prometheus(self) -> str:
        """The full name in Prometheus, as it is scraped."""
        parts = ["realtime", self.name] + ([self.unit] if self.unit else [])
        return "_".join(parts) + ("_total" if self.type is Type.COUNTER else "")

    def unanswered(self, turn: Turn) -> bool:
        """Whether ``turn`` counts as one that never got what this metric waits for."""
        return (
            self.counts_unanswered
            and turn.lacks("answer_audio" if self.through_tools and turn.tools else "first_audio")
            and turn.kind in self.kinds
            and (self.needs is None or turn.marks.get(self.needs) is not None)
        )

    def limit_of(self, turn: Turn) -> float:
        """Seconds, T of the definitions: the limits in force from where this metric counts."""
        return float(getattr(turn, self.limits)) or self.buckets[-1]


TURN_METRICS = (
    Metric(
        name="ttfa",
        help="Time to first audio: what a caller waits after speaking.",
        origin="last voiced sample spoken → first audio delta of the answer received, kernel stamp",
        value=readings.spoken("first_audio"),
        counts_unanswered=True,
        kinds=(Kind.SPEECH,),
    ),
    Metric(
        name="ttfa_audible",
        help="Time to the first sound a caller hears, through the jitter buffer.",
        origin="last voiced sample spoken → first sample above silence plays",
        value=readings.asked("first_audible"),
        counts_unanswered=True,
    ),
    Metric(
        name="ttfa_commit",
        help="Time to first audio from the commit: what the endpoint alone takes, push to talk.",
        origin="input_audio_buffer.commit written → first audio delta of the answer received",
        value=readings.between("commit", "first_audio"),
        counts_unanswered=True,
        needs="commit",
        limits="answer_limits_s",
    ),
    Metric(
        name="ttfa_detected",
        help="Time to first audio from the detected end of speech: endpointing left out.",
        origin="commit written, or speech_stopped received → first audio delta of the answer received",
        value=readings.between("detected", "first_audio"),
        counts_unanswered=True,
        needs="detected",
        limits="answer_limits_s",
    ),
    Metric(
        name="ttfa_request",
        help="Time to first audio of a greeting or a text.",
        origin="response.create written → first audio delta received",
        value=readings.requested("first_audio"),
        counts_unanswered=True,
        kinds=(Kind.GREETING, Kind.TEXT),
    ),
    Metric(
        name="ttft",
        help="Time to the first text or transcript delta.",
        origin="last voiced sample spoken (text: response.create written) → first text or transcript delta",
        value=readings.asked("first_text"),
    ),
    Metric(
        name="time_to_answer",
        help="Time to the answer proper, tool round trips included.",
        origin="last voiced sample spoken → first audio delta after the last tool output",
        value=readings.time_to_answer,
        counts_unanswered=True,
        kinds=(Kind.SPEECH,),
        through_tools=True,
    ),
    Metric(
        name="tool_call",
        help="Time until the endpoint has called a tool.",
        origin="last voiced sample spoken → arguments of the first call complete",
        value=readings.spoken("call"),
    ),
    Metric(
        name="tool_turnaround",
        help="Time from a tool's output to the answer's audio.",
        origin="last function_call_output written, or an MCP server's result received → first audio delta after it",
        value=readings.between("tool_output", "answer_audio"),
    ),
    Metric(
        name="interrupt_stop",
        help="Time until the endpoint falls silent when a caller talks over it.",
        origin="first voiced frame (VAD) or response.cancel (none) written → last audio delta of it",
        value=readings.interrupt_stop,
    ),
)
"""Latencies of a turn: histograms in Prometheus, keys of ``Turn.metrics`` and of ``summary.json``."""

TURN_FIGURES = (
    Metric(
        name="rtf",
        unit="",
        help="Real-time factor: under 1 an answer comes faster than it plays.",
        origin="first to last audio delta of each response received, added up / seconds of audio received",
        value=readings.rtf,
    ),
    Metric(
        name="own_delay",
        help="Time our own tools took.",
        origin="tool calls complete → their outputs written",
        value=readings.own_delay,
    ),
    Metric(
        name="audio_gaps",
        unit="",
        help="Silences inside the answer.",
        origin="times the playback buffer ran dry before the answer was complete",
        value=readings.gaps,
    ),
    Metric(
        name="audio_gap_seconds",
        help="All silences inside the answer together.",
        origin="playback buffer ran dry → next audio delta received, summed",
        value=readings.gap_seconds,
    ),
    Metric(
        name="audio_gap_longest",
        help="The longest silence inside the answer.",
        origin="playback buffer ran dry → next audio delta received, longest",
        value=readings.longest_gap,
    ),
    Metric(
        name="dead_air",
        help="Silences inside the answer of more than 1.5 s: callers ask whether anyone is there.",
        origin="playback buffer ran dry → next audio delta received, those over 1.5 s summed",
        value=readings.dead_air,
    ),
    Metric(
        name="overtalk",
        help="Audio of the old answer that still came while the caller talked over it.",
        origin="seconds of audio received after the caller's first voiced frame (VAD) or response.cancel (none)",
        value=readings.overtalk,
    ),
    Metric(
        name="audio_leaked",
        help="Audio that came though it had been cancelled.",
        origin="seconds of audio received after response.cancel was written",
        value=readings.leaked,
    ),
)
"""What else is known of a turn: keys of ``Turn.metrics``, no histograms."""

LISTENING_METRICS = (
    Metric(
        name="audio_gap",
        help="Silences inside an answer while the playback buffer was dry.",
        origin="playback buffer ran dry → next audio delta received",
    ),
)

RUN_FIGURES = (
    Metric(
        name="cost_per_good_minute",
        type=Type.GAUGE,
        unit="usd",
        help="What a minute costs that callers had something of.",
        origin="cost of all usage reported / minutes of answers played to callers, in turns completed or cancelled (talked over); what failed, was cut, or never played is paid for and not good",
        labels=(),
    ),
)
"""What is known of a whole run only: keys of ``spending`` in ``summary.json``, without ``cost_``."""

SEGMENTS = {
    "detect": "last voiced sample spoken → commit written, or speech_stopped received",
    "create": "turn detected → response.created received",
    "generate": "response created → first audio delta received",
    "call": "response created → tool call complete",
    "tool": "tool call complete → tool output written, or an MCP server's result received",
    "audible": "first audio delta received → first sample above silence plays",
}
"""The waterfall's segments, a chain without a gap, and from what to what each runs."""

METRICS = (
    *TURN_METRICS,
    *LISTENING_METRICS,
    Metric(
        name="turn_segment",
        help="Where the time to the first audible sample goes; the segments of a turn add up to it.",
        origin="; ".join(f"{name}: {what}" for name, what in SEGMENTS.items()),
        labels=("scenario", "model", "segment"),
        buckets=SEGMENT_BUCKETS,
    ),
    Metric(
        name="session_connect",
        help="Steps of opening a session.",
        origin="dns, tcp, tls, upgrade: one after the other; created, updated, tools: from the upgrade",
        labels=("scenario", "model", "step"),
        buckets=CONNECT_BUCKETS,
    ),
    *(
        Metric(
            name=name,
            type=Type.COUNTER,
            unit=unit,
            help=text,
            labels=("scenario", "model", *labels),
        )
        for name, unit, text, labels in (
            ("turns", "", "Turns that ended, by outcome.", ("outcome",)),
            ("sessions", "", "Sessions that ended, by outcome.", ("outcome",)),
            ("timeouts", "", "Limits reached, by what was being waited for.", ("phase",)),
            ("errors", "", "Errors of the endpoint, by listed code.", ("code",)),
            (
                "tool_calls",
                "",
                "Tool calls, by tool and by what became of them.",
                ("tool", "outcome"),
            ),
            (
                "tool_run",
                "seconds",
                "Time from tool calls complete to their answers, ours and those of MCP servers.",
                ("tool",),
            ),
            (
                "interrupts",
                "",
                "Answers talked over: while they ran, or after_done on the wire.",
                ("kind",),
            ),
            ("premature_responses", "", "Responses created before the caller had finished.", ()),
            ("suspect_turns", "", "Turns during which the generator itself was late.", ()),
            (
                "deviations",
                "",
                "What the endpoint did against the protocol, by listed kind.",
                ("kind",),
            ),
            ("audio_gaps", "", "Silences inside answers while the playback buffer was dry.", ()),
            ("disconnects", "", "Closed connections, by close code.", ("code",)),
            ("audio_sent", "seconds", "Speech and silence sent.", ()),
            ("audio_received", "seconds", "Audio received.", ()),
            ("bytes_sent", "", "Bytes of messages sent.", ()),
            ("bytes_received", "", "Bytes of messages received.", ()),
            ("tokens", "", "Tokens of the usage reported, by kind.", ("kind",)),
            ("cost_usd", "", "Cost of the usage reported, by the dated price table.", ()),
        )
    ),
    Metric(
        name="call_wait",
        help="How late calls of a schedule of open arrivals began.",
        origin="call due → dialling begun",
    ),
    *(
        Metric(name=name, type=Type.COUNTER, unit="", help=text, labels=())
        for name, text in (
            ("calls_due", "Calls that a schedule of open arrivals wanted so far."),
            ("calls_blocked", "Calls for which no caller was idle when they were due."),
        )
    ),
    *(
        Metric(name=name, type=Type.GAUGE, unit="", help=text, labels=labels)
        for name, text, labels in (
            ("calls_waiting", "Calls that are due and wait for a caller.", ()),
            ("sessions", "Sessions open now.", ()),
            ("users", "Locust users running now.", ()),
            ("callers_held", "Callers who wait to begin for the endpoint's rate limits.", ()),
            ("users_target", "Locust users wanted now.", ()),
            ("workers", "Workers of the swarm, by state.", ("state",)),
            (
                "budget_usd",
                "The money of a run: its limit, what is spent, what running turns are expected to cost.",
                ("part",),
            ),
            ("run_info", "The run, as labels; always 1.", ("run", "target", "version")),
        )
    ),
    Metric(
        name="ramp_delay",
        type=Type.COUNTER,
        help="How long callers waited to begin for the endpoint's rate limits, together.",
        labels=(),
    ),
    Metric(
        name="cpu",
        type=Type.GAUGE,
        unit="ratio",
        help="CPU time that a worker's process took in the last second, as a share of one core.",
        labels=("worker",),
    ),
    *(
        Metric(name=name, help=text, origin=origin, labels=("worker",), buckets=LAG_BUCKETS)
        for name, text, origin in (
            (
                "frame_lateness",
                "How late frames of speech were written.",
                "frame due → frame written",
            ),
            (
                "hub_lag",
                "How late the event loop of a worker was.",
                "heartbeat due → heartbeat run",
            ),
            (
                "read_lag",
                "How long messages waited to be read.",
                "kernel receive stamp → message handled",
            ),
        )
    ),
)


def measure(turn: Turn) -> None:
    """Fill ``turn.metrics`` from its marks, by the table."""
    for metric in (*TURN_METRICS, *TURN_FIGURES):
        assert metric.value is not None
        turn.metrics[metric.name] = metric.value(turn)
