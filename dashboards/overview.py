"""The dashboard of a run: what callers felt, what went wrong, what it cost, whether to trust it."""

import msgspec
from grafana_foundation_sdk.builders import dashboard

from dashboards.board import BEFORE, SO_FAR, TALK, Board
from dashboards.panels import Target, bars, graph, heat, number, stacked, steps
from dashboards.promql import le, metric_named
from dashboards.trust import VERDICT_WORDS, level
from harness.metrics import SEGMENTS
from harness.records import TURN_FAILURES, SessionOutcome

__all__ = ["overview"]

FAILED = "~" + "|".join(sorted(TURN_FAILURES))
NOT_ENDED = "~" + "|".join(sorted(set(SessionOutcome) - {SessionOutcome.ENDED}))
RATE_LIMITED = "~(inference_|tokens_)?rate_limit_.*"
ANSWERED = "~ok|error|unknown|timeout"
PERCENTILES = (0.5, 0.95, 0.99)
BOUNDS = (0.5, 0.8, 1.0, 2.0)
IN_TIME = 0.95  # of turns: then callers are taken to notice nothing

_COUNTS = "Counted since the run began."
_FEW = steps("green", (0.001, "orange"), (0.01, "red"))


def overview() -> dashboard.Dashboard:
    """One dashboard for one run, or for several side by side."""
    board = Board("Realtime voice load", "realtime-overview", "Experience, correctness and load.")
    board.filter_scenarios(BOUNDS)
    board.row("Run", *_run())
    board.row("Experience", *_experience())
    board.row("Correctness", *_correctness())
    board.row("Load and cost", *_load())
    board.row("Generator health", *_health())
    return board.build()


def _percentiles(name: str) -> list[Target]:
    return [Target(TALK.quantile(q, name), f"p{100 * q:g}") for q in PERCENTILES]


def _run():
    failed = f"{TALK.now('turns', outcome=FAILED)} / {TALK.now('turns')}"
    lost = f"{TALK.so_far('sessions', outcome=NOT_ENDED)} / {TALK.so_far('sessions')}"
    in_time = f"{TALK.share_within('$bound', 'ttfa')} >= {IN_TIME}"
    return (
        number("Measurement", "none", Target(level(SO_FAR)), words=VERDICT_WORDS, span=3,
               note="The verdict's rules that can be told live, over the run so far."),
        number("Calls carried in time", "short", Target(TALK.most_while("sessions", in_time)),
               note=f"The most calls at once, over the time shown, while {IN_TIME:.0%} of turns "
               "were answered within $bound s. Turns are looked at over a window: ramp slowly. "
               "Whether more would be carried is not known before it breaks.", span=3),
        number("Within $bound s, run", "percentunit",
               Target(TALK.share_within_so_far("$bound", "ttfa")), span=3,
               note="Of all turns of the run so far; exact, the bound is a bucket's.",
               limits=steps("red", (0.9, "orange"), (IN_TIME, "green"))),
        number("TTFA p50, run", "s", Target(TALK.quantile_so_far(0.5, "ttfa")),
               note="Over the run so far.", span=3),
        number("TTFA p95, run", "s", Target(TALK.quantile_so_far(0.95, "ttfa")),
               note="Over the run so far.", span=3),
        number("Failed turns", "percentunit", Target(failed), note=_COUNTS, span=3,
               limits=_FEW),
        number("Failed sessions", "percentunit", Target(lost), span=3, limits=_FEW,
               note=f"{_COUNTS} Whoever is refused has no turn that could fail."),
        number("Cost", "currencyUSD", Target(TALK.now("cost_usd")), note=_COUNTS, span=3),
        graph("Users", "short",
              Target(TALK.now("users_target"), "target"), Target(TALK.now("users"), "users"),
              Target(TALK.now("callers_held"), "waiting for rate limits"),
              Target(TALK.now("sessions"), "sessions open"), span=12),
        stacked("What breaks, a minute", "short",
                Target(f"60 * {TALK.rate('turns', 'outcome', outcome=FAILED)}",
                       "turns {{outcome}}"),
                Target(f"60 * {TALK.rate('sessions', 'outcome', outcome=NOT_ENDED)}",
                       "sessions {{outcome}}"),
                note="By outcome: codes and phases are in the row Correctness.", span=12),
        number("Turns", "short", Target(TALK.now("turns")), note=_COUNTS),
        number("Workers", "short", Target(TALK.now("workers", "state"), "{{state}}"), span=8),
        number("Run", "none",
               Target(f"max by (run, target, version) ({TALK.series(metric_named('run_info'))})",
                      "{{run}} → {{target}} ({{version}})"), span=12, show_name=True),
    )  # fmt: skip


def _experience():
    origins = (
        *("ttfa", "ttfa_audible", "ttfa_commit", "ttfa_detected"),
        *("ttfa_request", "ttft", "time_to_answer"),
    )
    within = [Target(TALK.share_within(le(b), "ttfa"), f"≤ {b:g} s") for b in BOUNDS]
    median, *slower = _percentiles("ttfa")
    with_turns = (msgspec.structs.replace(median, exemplars=True), *slower)
    return (
        graph("Time to first audio", "s", *with_turns, span=12,
              note="Unanswered turns rank above all answered ones. Points are single turns."),
        heat("Time to first audio, spread", "s", Target(TALK.buckets("ttfa"), "{{le}}"), span=12),
        graph("Turns answered in time", "percentunit", *within,
              note="Exact: the bounds are bounds of buckets."),
        graph("TTFA p95, now and $before ago", "s",
              Target(TALK.quantile(0.95, "ttfa"), "now"),
              Target(BEFORE.quantile(0.95, "ttfa"), "$before ago"),
              note="Is it slower than before? Exactly: `realtime-harness compare`."),
        graph("p95 by where it is counted from", "s",
              *(Target(TALK.quantile(0.95, name), name) for name in origins)),
        stacked("Where the time goes", "s",
                *(Target(TALK.mean_part("turn_segment", "segment", part, once="audible"), part)
                  for part in SEGMENTS),
                note="Means over all turns that were answered: they add up to the mean time to "
                "the first audible sample."),
        graph("Opening a session, p95", "s",
              Target(TALK.quantile(0.95, "session_connect", "step"), "{{step}}")),
        graph("Audible gaps, a minute", "short", Target(f"60 * {TALK.rate('audio_gaps')}", "gaps")),
        graph("Length of audible gaps", "s", *_percentiles("audio_gap")),
        graph("Silent after barge-in", "s", *_percentiles("interrupt_stop")),
        graph("Answers talked over, a minute", "short",
              Target(f"60 * {TALK.rate('interrupts', 'kind')}", "{{kind}}")),
    )  # fmt: skip


def _correctness():
    return (
        stacked("Turns by outcome, a minute", "short",
                Target(f"60 * {TALK.rate('turns', 'outcome')}", "{{outcome}}")),
        stacked("Timeouts by phase, a minute", "short",
                Target(f"60 * {TALK.rate('timeouts', 'phase')}", "{{phase}}")),
        bars("Errors by code", "short", Target(TALK.now("errors", "code"), "{{code}}"),
             note=_COUNTS),
        stacked("Tool calls, a minute", "short",
                Target(f"60 * {TALK.rate('tool_calls', 'tool', 'outcome')}",
                       "{{tool}} {{outcome}}")),
        graph("How long tools take, mean", "s",
              Target(f"{TALK.rate('tool_run', 'tool')}"
                     f" / {TALK.rate('tool_calls', 'tool', outcome=ANSWERED)}", "{{tool}}")),
        graph("Tool turns, p95", "s",
              Target(TALK.quantile(0.95, "tool_call"), "until the call"),
              Target(TALK.quantile(0.95, "tool_turnaround"), "from our output to audio"),
              Target(TALK.quantile(0.95, "time_to_answer"), "until the answer")),
        bars("Closed connections by code", "short",
             Target(TALK.now("disconnects", "code"), "{{code}}"), note=_COUNTS),
        stacked("Sessions by outcome, a minute", "short",
                Target(f"60 * {TALK.rate('sessions', 'outcome')}", "{{outcome}}")),
        graph("Rate limits, a minute", "short",
              Target(f"60 * {TALK.rate('turns', outcome='rate_limited')}", "turns"),
              Target(f"60 * ({TALK.rate('errors', code=RATE_LIMITED)} or vector(0))", "errors"),
              Target(TALK.rate("ramp_delay"), "callers who wait to begin")),
        graph("Against the protocol, a minute", "short",
              Target(f"60 * {TALK.rate('deviations', 'kind')}", "{{kind}}"),
              Target(f"60 * {TALK.rate('premature_responses')}", "premature responses")),
    )  # fmt: skip


def _load():
    return (
        graph("Sessions open", "short", Target(TALK.now("sessions"), "sessions")),
        graph("Turns and sessions, a second", "short",
              Target(TALK.rate("turns"), "turns"), Target(TALK.rate("sessions"), "sessions")),
        graph("Audio, seconds a second", "short",
              Target(TALK.rate("audio_sent"), "sent"),
              Target(TALK.rate("audio_received"), "received"),
              note="As many voices as speak at once."),
        graph("Bytes", "Bps", Target(TALK.rate("bytes_sent"), "sent"),
              Target(TALK.rate("bytes_received"), "received"),
              note="Counted as sessions end.", span=6),
        stacked("Tokens, a second", "short", Target(TALK.rate("tokens", "kind"), "{{kind}}"),
                span=6),
        graph("USD an hour", "currencyUSD", Target(f"3600 * {TALK.rate('cost_usd')}", "now"),
              span=6),
        graph("Budget", "currencyUSD", Target(TALK.now("budget_usd", "part"), "{{part}}"),
              note="Of a run with --max-cost.", span=6),
        graph("Calls of a schedule, a minute", "short",
              Target(f"60 * {TALK.rate('calls_due')}", "due"),
              Target(f"60 * {TALK.rate('calls_blocked')}", "blocked"),
              Target(TALK.now("calls_waiting"), "waiting now"),
              note="Open arrivals: a call for which no caller is idle when it is due is blocked, "
              "and waits.", span=12),
        graph("Calls begin late", "s", *_percentiles("call_wait"),
              note="Open arrivals: from when a call was due.", span=12),
    )  # fmt: skip


def _health():
    lags = ("frame_lateness", "hub_lag", "read_lag")
    return (
        graph("Our own lateness, p99", "s",
              *(Target(TALK.quantile(0.99, name), name) for name in lags)),
        graph("CPU by worker", "percentunit", Target(TALK.now("cpu", "worker"), "{{worker}}")),
        graph("Suspect turns", "percentunit",
              Target(f"{TALK.rate('suspect_turns')} / {TALK.rate('turns')}", "share"),
              note="Turns during which the generator itself was late."),
    )  # fmt: skip
