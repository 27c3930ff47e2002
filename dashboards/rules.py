"""Recording rules and alerts: what is worth waking somebody, or ending a run, for."""

from collections.abc import Iterator
from typing import Any

import msgspec

from dashboards.promql import Queries, le, metric_named
from dashboards.trust import limit
from harness.records import TURN_FAILURES, SessionOutcome
from harness.slo import Objective, parse_slo

__all__ = ["OBJECTIVE", "alerts", "groups", "recordings"]

OBJECTIVE = "ttfa:p95<0.8s"
"""What the burn alerts watch, as ``--slo`` writes it: a percentile under a bound of its buckets."""

FAILED = "~" + "|".join(sorted(TURN_FAILURES))
NOT_ENDED = "~" + "|".join(sorted(set(SessionOutcome) - {SessionOutcome.ENDED}))
PER_RUN = ("job", "scenario", "model")

SHORT = Queries(window="1m", keep=PER_RUN)
MIDDLE = Queries(window="5m", keep=PER_RUN)
LONG = Queries(window="15m", keep=PER_RUN)
JOB = Queries(window="1m", keep=("job",))
SCHEDULE = Queries(window="5m", keep=("job",))
WORKER = Queries(window="1m", keep=("job", "worker"))

ENOUGH_MISSED = 5  # in a window: what fewer do may be chance
ENOUGH = 20  # turns or sessions in five minutes, before a share of them says anything
SEVERAL = 1.5  # of what an increase tells: more than one, which is not counted to the unit
FAST_BURN = 4  # times the rate at which the objective is just met


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert, in the words of Prometheus."""

    name: str
    expr: str
    wait: str  # how long it must hold: Prometheus says "for"
    severity: str = "warning"
    summary: str
    description: str

    def rule(self) -> dict[str, Any]:
        """As a rule file has it."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.wait,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.description},
        }


def groups(objective: str = OBJECTIVE) -> list[dict[str, Any]]:
    """
    The groups of a rule file.

    Raises:
        ValueError: If ``objective`` is none that buckets can tell exactly.

    """
    wanted = _latency_objective(objective)
    return [
        {"name": "realtime-recordings", "rules": list(recordings(wanted))},
        {"name": "realtime-alerts", "rules": [alert.rule() for alert in alerts(wanted)]},
    ]


def recordings(wanted: Objective) -> Iterator[dict[str, Any]]:
    """Queries that are asked often, or over long times, computed once."""
    for q in (0.5, 0.95, 0.99):
        yield _record(f"scenario:realtime_ttfa_seconds:p{100 * q:g}_1m", SHORT.quantile(q, "ttfa"))
    for queries in (SHORT, MIDDLE, LONG):
        yield _record(_burn(queries), _missed(queries, wanted))
        yield _record(_asked(queries), queries.observed(wanted.metric))
    failed = f"{MIDDLE.rate('turns', outcome=FAILED)} / {MIDDLE.rate('turns')}"
    yield _record("scenario:realtime_turns_failed:ratio_rate5m", failed)
    yield _record("scenario:realtime_cost_usd_per_hour:rate5m", f"3600 * {MIDDLE.rate('cost_usd')}")
    for name in ("frame_lateness", "hub_lag", "read_lag"):
        record = f"job_worker:{metric_named(name).prometheus}:p99_1m"
        yield _record(record, WORKER.quantile(0.99, name))


def alerts(wanted: Objective) -> Iterator[Alert]:
    """What strikes, worst first in each subject."""
    yield from _experience(wanted)
    yield from _swarm()
    yield from _generator()


def _experience(wanted: Objective) -> Iterator[Alert]:
    name = metric_named(wanted.metric).prometheus
    for severity, times, short, long in (
        ("critical", FAST_BURN, SHORT, MIDDLE),
        ("warning", 1, MIDDLE, LONG),
    ):
        allowed = round(times * _budget(wanted), 6)
        yield Alert(
            name="RealtimeTTFAObjectiveBurn",
            expr=f"{_burn(short)} > {allowed} and {_burn(long)} > {allowed} "
            f"and {_asked(short)} >= {ENOUGH_MISSED / allowed:g}",
            wait="30s",
            severity=severity,
            summary=f"{{{{ $labels.scenario }}}} misses {wanted.text}",
            description=f"{{{{ $value | humanizePercentage }}}} of turns over {wanted.bound:g} s "
            f"({name}) in the last {short.window}, with {_budget(wanted):.1%} allowed.",
        )
    timeouts = MIDDLE.increase("timeouts", "phase")
    yield Alert(
        name="RealtimeTimeouts",
        expr=f"{timeouts} > ignoring(phase) group_left () 0.01 * {MIDDLE.increase('turns')} "
        f"and {timeouts} > {SEVERAL}",
        wait="30s",
        summary="Callers of {{ $labels.scenario }} wait in vain: {{ $labels.phase }}",
        description="More than 1 % of turns ran into the limit of {{ $labels.phase }} "
        "in the last 5 minutes.",
    )
    yield Alert(
        name="RealtimeTurnsFailing",
        expr="scenario:realtime_turns_failed:ratio_rate5m > 0.05 "
        f"and {MIDDLE.increase('turns')} >= {ENOUGH}",
        wait="30s",
        severity="critical",
        summary="{{ $value | humanizePercentage }} of turns of {{ $labels.scenario }} fail",
        description="By outcome and code: the dashboard's row Correctness.",
    )
    yield Alert(
        name="RealtimeSessionsFailing",
        expr=f"{MIDDLE.rate('sessions', outcome=NOT_ENDED)} / {MIDDLE.rate('sessions')} > 0.05 "
        f"and {MIDDLE.increase('sessions')} >= {ENOUGH}",
        wait="30s",
        severity="critical",
        summary="{{ $value | humanizePercentage }} of sessions of {{ $labels.scenario }} are "
        "refused or lost",
        description="Whoever is refused has no turn that could fail. By outcome and close code: "
        "the dashboard's row Correctness.",
    )


def _swarm() -> Iterator[Alert]:
    yield Alert(
        name="RealtimeWorkerMissing",
        expr=f"{JOB.now('workers', state='missing')} > 0",
        wait="0s",
        severity="critical",
        summary="Workers missing: {{ $value }}",
        description="Their callers are gone, and at most one report interval of their records. "
        "The run goes on with less load than asked for.",
    )
    yield Alert(
        name="RealtimeOvershoot",
        expr=f"{JOB.now('users')} > {JOB.now('users_target')}",
        # Longer than the guard allows, and than a graceful end takes to hang up.
        wait="20s",
        severity="critical",
        summary="More users run than were asked for",
        description="{{ $value }} users run. A paid endpoint is being overcharged: stop the run.",
    )
    yield Alert(
        name="RealtimeStandstill",
        expr=f"{JOB.now('users')} > 0 unless {JOB.rate('turns')} > 0",
        wait="2m",
        summary="Users run, but no turn ends",
        description="{{ $value }} users run and no turn ended for minutes: look at Timeouts by "
        "phase and at the workers' logs.",
    )
    yield Alert(
        name="RealtimeCallsBlocked",
        expr=f"{SCHEDULE.increase('calls_blocked')} / {SCHEDULE.increase('calls_due')} > 0.01",
        wait="30s",
        summary="{{ $value | humanizePercentage }} of due calls find no idle caller",
        description="Fewer calls came than the schedule wanted in the last 5 minutes, so the "
        "endpoint is spared. Give more users (-u), or see why calls take so long.",
    )


def _generator() -> Iterator[Alert]:
    late = "job_worker:realtime_frame_lateness_seconds:p99_1m"
    read = "job_worker:realtime_read_lag_seconds:p99_1m"
    yield Alert(
        name="RealtimeGeneratorSaturated",
        expr=f"{late} > {limit('frame_lateness_invalid')}",
        wait="10s",
        severity="critical",
        summary="{{ $labels.worker }} does not keep speaking pace: the run is INVALID",
        description="p99 frame lateness {{ $value | humanizeDuration }}. Use more workers.",
    )
    yield Alert(
        name="RealtimeGeneratorSaturated",
        expr=f"{late} > {limit('frame_lateness')} or {read} > {limit('read_lag')} "
        f"or {WORKER.now('cpu')} > 0.9",
        wait="30s",
        summary="{{ $labels.worker }} is at its limit: the run becomes SUSPECT",
        description="p99 frame lateness or read lag over 5 ms, or a core nearly full. "
        "Use more workers.",
    )


def _latency_objective(text: str) -> Objective:
    match parse_slo(text):
        case (wanted,) if wanted.percentile and wanted.bound in metric_named(wanted.metric).buckets:
            return wanted
    bounds = ", ".join(map(le, metric_named("ttfa").buckets))
    raise ValueError(f"{text!r} is no percentile under one of the bounds {bounds}")


def _budget(wanted: Objective) -> float:
    """The share of turns that may miss the bound."""
    return 1 - (wanted.percentile or 0)


def _missed(queries: Queries, wanted: Objective) -> str:
    return f"1 - {queries.share_within(le(wanted.bound), wanted.metric)}"


def _burn(queries: Queries) -> str:
    return f"scenario:realtime_objective_missed:ratio_rate{queries.window}"


def _asked(queries: Queries) -> str:
    return f"scenario:realtime_objective_turns:increase{queries.window}"


def _record(name: str, expr: str) -> dict[str, Any]:
    return {"record": name, "expr": expr}
