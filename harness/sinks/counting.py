"""Records become counts: each turn, session and second of health, by the table of metrics."""

from collections.abc import Callable, Iterable, Mapping
from time import time
from typing import Any

from harness.metrics import METRICS, TURN_METRICS, Type
from harness.realtime.codes import LISTED_CODES, close_code, listed_code
from harness.realtime.deviations import DEVIATION_KINDS
from harness.records import (
    Flag,
    Health,
    LagHistogram,
    Outcome,
    Phase,
    Session,
    SessionOutcome,
    ToolCall,
    Turn,
)
from harness.sinks.tally import Exemplar, Histogram, Labels, Tally
from harness.tools import others_of

__all__ = ["MAX_SCENARIOS", "MAX_SERVED", "CountingSink"]

MAX_SCENARIOS = 4
"""
More scenarios than these are counted as ``other``: a scenario is a label of every histogram.

One in which everything happens has 600 series, and a process is to have about 3000 at most.
"""

MAX_SERVED = 10
"""
More tools of MCP servers than these have no label of their own, unless they were told in advance.

What a server lists is the endpoint's to say, and it may say something else to each session.
"""

WITH_EXEMPLARS = "ttfa"
MOST_ID = 80  # characters of a response id: OpenMetrics allows 128 to an exemplar's labels

HISTOGRAMS = {metric.name: metric for metric in METRICS if metric.type is Type.HISTOGRAM}
TOOL_OUTCOMES = frozenset({"ok", "error", "timeout", "unknown"})
SESSION_PHASES = frozenset({Phase.CONNECT, Phase.SESSION, Phase.CLOSE})
OTHER = "other"

_TOKENS = {
    "input_text": ("input_token_details", "text_tokens"),
    "input_audio": ("input_token_details", "audio_tokens"),
    "input_image": ("input_token_details", "image_tokens"),
    "input_cached": ("input_token_details", "cached_tokens"),
    "output_text": ("output_token_details", "text_tokens"),
    "output_audio": ("output_token_details", "audio_tokens"),
}

_FROM_ZERO: dict[str, list[Labels]] = {
    "turns": [(outcome,) for outcome in Outcome],
    "sessions": [(outcome,) for outcome in SessionOutcome],
    "timeouts": [(phase,) for phase in Phase],
    "interrupts": [("running",), ("after_done",)],
    "errors": [(OTHER,)],
    "tool_calls": [(OTHER, "ok")],
    "deviations": [(OTHER,)],
    "disconnects": [("1000",)],
    "tokens": [(kind,) for kind in _TOKENS],
    "premature_responses": [()],
    "suspect_turns": [()],
    "audio_gaps": [()],
    "audio_sent": [()],
    "audio_received": [()],
    "bytes_sent": [()],
    "bytes_received": [()],
}
"""
By counter, the label values whose series begin with a scenario's first session.

Not the cost: that of a model without a price is unknown, which is not 0.
"""


class CountingSink:
    """
    Counts the records of one process into a ``Tally``.

    Label values are few whatever a server says: codes, kinds, outcomes and tools are those listed,
    all else is ``other``.

    Args:
        worker: Label of the generator's own metrics.
        clock: Seconds of the epoch.

    """

    def __init__(self, worker: str = "local", clock: Callable[[], float] = time) -> None:
        self.tally = Tally()
        self._worker = worker
        self._clock = clock
        self._tools: set[str] = set()
        self._served: set[str] = set()  # of MCP servers, as endpoints listed them
        self._scenarios: set[Labels] = set()
        self._begun: set[Labels] = set()  # scenarios whose series are there
        self._counted: dict[tuple[int, int], dict[str, float]] = {}  # by caller and call
        for gauge in ("sessions", "callers_held"):
            self.tally.change(gauge, (), 0)
        self.tally.count("ramp_delay", (), 0)

    def list_tools(self, names: Iterable[str]) -> None:
        """Make tool names label values of their own: those the user defined, or named."""
        self._tools.update(names)

    def on_turn(self, turn: Turn) -> None:
        """Count a finished turn."""
        scenario = self._label(turn)
        self._observe_latencies(turn, scenario)
        self._count_outcome(turn, scenario)
        self._count_flags(turn, scenario)
        for call in turn.tools:
            tool = self._tool_label(call)
            outcome = call.outcome if call.outcome in TOOL_OUTCOMES else OTHER
            self.tally.count("tool_calls", (*scenario, tool, outcome))
            if call.took_s is not None:
                self.tally.count("tool_run", (*scenario, tool), call.took_s)
        amounts = _amounts(turn.audio_sent_s, turn.audio_received_s, turn.cost_usd, turn.usage)
        self._count_amounts(scenario, amounts)
        self._remember((turn.caller, turn.call), amounts)

    def on_session(self, session: Session) -> None:
        """Count a session that starts, or one that ended."""
        scenario = self._label(session)
        if session.event == "start":
            self.tally.change("sessions", (), 1)
            self._begin(scenario)
            if session.due_at is not None:
                waited = (session.started_at - session.due_at) / 1e9
                self._histogram("call_wait", scenario).add(waited, HISTOGRAMS["call_wait"].buckets)
            return
        self.tally.change("sessions", (), -1)
        for step, seconds in session.steps.items():
            if seconds is not None:
                self._histogram("session_connect", (*scenario, step)).add(
                    seconds, HISTOGRAMS["session_connect"].buckets
                )
        self._count_end(session, scenario)
        self._count_rest(session, scenario)

    def on_health(self, health: Health) -> None:
        """Add a second of the generator's own lags, and note its load."""
        self.tally.set("cpu", (self._worker,), health.cpu)
        for name in ("frame_lateness", "hub_lag", "read_lag"):
            lags: LagHistogram = getattr(health, name)
            histogram = self._histogram(name, (self._worker,))
            histogram.counts = [a + b for a, b in zip(histogram.counts, lags.buckets, strict=True)]
            histogram.sum += lags.sum

    def _begin(self, scenario: Labels) -> None:
        """
        Begin the series of a scenario at zero, before anything is counted in them.

        ``rate`` knows a series from its first scrape on: one that began with the first timeout
        would never show it.
        """
        if scenario in self._begun:
            return
        self._begun.add(scenario)
        for name in ("ttfa", "audio_gap", "interrupt_stop"):
            self._histogram(name, scenario)
        for name, values in _FROM_ZERO.items():
            for value in values:
                self.tally.count(name, (*scenario, *value), 0)

    def _label(self, record: Turn | Session) -> Labels:
        label = (record.scenario, record.model)
        if label not in self._scenarios:
            if len(self._scenarios) >= MAX_SCENARIOS:
                return (OTHER, record.model if self._knows_model(record.model) else OTHER)
            self._scenarios.add(label)
        return label

    def _tool_label(self, call: ToolCall) -> str:
        """A tool by its name if that is known in advance or was listed, else by its server's."""
        label = call.label
        if call.listed and len(self._served) < MAX_SERVED and label not in self._tools:
            self._served.add(label)
        if label in self._tools or label in self._served:
            return label
        others = others_of(call.server)
        return others if others in self._tools else OTHER

    def _knows_model(self, model: str) -> bool:
        return any(known == model for _, known in self._scenarios)

    def _histogram(self, name: str, labels: Labels) -> Histogram:
        return self.tally.histogram(name, labels, HISTOGRAMS[name].buckets)

    def _observe_latencies(self, turn: Turn, scenario: Labels) -> None:
        for metric in TURN_METRICS:
            value = turn.metrics.get(metric.name)
            if metric.unanswered(turn):
                self._histogram(metric.name, scenario).add_beyond(metric.limit_of(turn))
            elif value is not None and not turn.censored:
                histogram = self._histogram(metric.name, scenario)
                bucket = histogram.add(value, metric.buckets)
                if metric.name == WITH_EXEMPLARS:
                    histogram.exemplars[bucket] = self._exemplar(turn, value)
        for segment, seconds in turn.segments.items():
            histogram = self._histogram("turn_segment", (*scenario, segment))
            histogram.add(seconds, HISTOGRAMS["turn_segment"].buckets)
        for gap in turn.gaps:
            histogram = self._histogram("audio_gap", scenario)
            histogram.add(gap, HISTOGRAMS["audio_gap"].buckets)

    def _exemplar(self, turn: Turn, value: float) -> Exemplar:
        name = f"{turn.caller}.{turn.call}.{turn.turn}"
        response = turn.response_ids[0] if turn.response_ids else ""
        return Exemplar(round(self._clock(), 3), value, name, response[:MOST_ID])

    def _count_outcome(self, turn: Turn, scenario: Labels) -> None:
        self.tally.count("turns", (*scenario, turn.outcome or OTHER))
        if turn.outcome is Outcome.TIMEOUT and turn.phase is not None:
            self.tally.count("timeouts", (*scenario, turn.phase))
        if turn.failed and turn.code is not None:
            self.tally.count("errors", (*scenario, listed_code(turn.code)))

    def _count_flags(self, turn: Turn, scenario: Labels) -> None:
        if Flag.INTERRUPTED in turn.flags:
            self.tally.count("interrupts", (*scenario, _interrupt_kind(turn)))
        if Flag.PREMATURE in turn.flags:
            self.tally.count("premature_responses", scenario)
        if Flag.SUSPECT in turn.flags:
            self.tally.count("suspect_turns", scenario)
        if turn.gaps:
            self.tally.count("audio_gaps", scenario, len(turn.gaps))

    def _count_end(self, session: Session, scenario: Labels) -> None:
        self.tally.count("sessions", (*scenario, session.outcome or OTHER))
        # Limits and codes that struck in a turn were counted with it.
        if session.outcome is SessionOutcome.TIMEOUT and session.phase in SESSION_PHASES:
            self.tally.count("timeouts", (*scenario, session.phase or OTHER))
        if session.outcome is SessionOutcome.REFUSED:
            self.tally.count("errors", (*scenario, listed_code(session.code)))
        for code, n in session.errors.items():
            self.tally.count("errors", (*scenario, listed_code(code)), n)
        for kind, n in session.deviations.items():
            listed = kind if kind in DEVIATION_KINDS else OTHER
            self.tally.count("deviations", (*scenario, listed), n)
        if session.close_code is not None:
            self.tally.count("disconnects", (*scenario, _close_label(session.close_code)))
        self.tally.count("bytes_sent", scenario, session.bytes_sent)
        self.tally.count("bytes_received", scenario, session.bytes_received)

    def _count_rest(self, session: Session, scenario: Labels) -> None:
        """Count what no turn of the session has: silence sent between turns, say."""
        counted = self._counted.pop((session.caller, session.call), {})
        whole = _amounts(
            session.audio_sent_s, session.audio_received_s, session.cost_usd, session.usage
        )
        rest = {name: max(0.0, n - counted.get(name, 0.0)) for name, n in whole.items()}
        self._count_amounts(scenario, rest)

    def _remember(self, call: tuple[int, int], amounts: Mapping[str, float]) -> None:
        counted = self._counted.setdefault(call, {})
        for name, amount in amounts.items():
            counted[name] = counted.get(name, 0.0) + amount

    def _count_amounts(self, scenario: Labels, amounts: Mapping[str, float]) -> None:
        for name, amount in amounts.items():
            if amount:
                counter, _, kind = name.partition("/")
                self.tally.count(counter, (*scenario, kind) if kind else scenario, amount)


def _interrupt_kind(turn: Turn) -> str:
    done, cut_in = turn.marks.get("done"), turn.marks.get("barge_in")
    after = done is not None and cut_in is not None and done < cut_in
    return "after_done" if after else "running"


def _close_label(code: int) -> str:
    return str(code) if close_code(code) in LISTED_CODES else OTHER


def _amounts(
    sent_s: float, received_s: float, cost: float | None, usage: Mapping[str, Any] | None
) -> dict[str, float]:
    """What counters add up, as ``counter`` or ``counter/kind``."""
    return {
        "audio_sent": sent_s,
        "audio_received": received_s,
        "cost_usd": cost or 0.0,
        **{f"tokens/{kind}": n for kind, n in _tokens(usage or {}).items()},
    }


def _tokens(usage: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for kind, (group, name) in _TOKENS.items():
        details = usage.get(group)
        n = details.get(name) if isinstance(details, Mapping) else None
        if isinstance(n, int | float):
            found[kind] = float(n)
    return found
