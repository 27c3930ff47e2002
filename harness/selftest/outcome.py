"""What a self-test comes to: errors summed up, the generator's verdict, limits kept or missed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import msgspec

from harness.percentiles import percentile_too_thin
from harness.records import Flag, Health, LagHistogram, Session, SessionOutcome, Turn
from harness.selftest.scenes import SCENES
from harness.selftest.truth import FIGURES, Line, errors
from harness.verdict import Facts, Level, reach_verdict

__all__ = ["ERROR_LIMIT_S", "Evidence", "Spread", "Tested", "as_json", "judge", "spread"]

ERROR_LIMIT_S = 0.001
"""No figure's median error may be larger."""


class Evidence(msgspec.Struct, kw_only=True):
    """All that was left behind: what was measured, and what is true."""

    turns: list[Turn]
    sessions: list[Session]  # as they ended
    health: list[Health]
    lines: dict[str, Line]  # of all endpoints, by response id
    tails: dict[str, int]  # by utterance, see truth.errors
    endpoint_lateness_s: float = 0.0  # p99 of the endpoints' own first deltas

    def merged(self, name: str) -> LagHistogram:
        """Lags of all seconds together."""
        whole = LagHistogram()
        for second in self.health:
            whole.merge(getattr(second, name))
        return whole


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Errors in seconds: what was measured minus what is true."""

    count: int
    median: float
    p99: float | None  # of their size; None where too few carry it
    max: float  # of their size

    @property
    def worst(self) -> float:
        """Their size at worst: the 99th percentile, of fewer than carry one the largest."""
        return self.max if self.p99 is None else self.p99


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a self-test."""

    sessions: int  # most that were open at once
    turns: int
    suspect_turns: int
    errors: dict[str, Spread]  # by figure
    trusted_errors: dict[str, Spread]  # of turns that are not suspect
    frame_lateness: dict[str, float]  # seconds: p50, p99, max
    read_lag: dict[str, float]
    endpoint_lateness_s: float
    cpu: float  # of a core, on average
    starved: float  # share of the time in which it was ready to run, and others had the processor
    verdict: str
    reasons: tuple[str, ...]
    missed: tuple[str, ...]  # limits, in words

    @property
    def passed(self) -> bool:
        """Whether all limits were kept."""
        return not self.missed


def spread(values: Sequence[float]) -> Spread:
    """Sum up errors; there must be one at least."""
    sizes = sorted(abs(value) for value in values)
    n = len(sizes)
    return Spread(
        count=n,
        median=median(values),
        p99=None if percentile_too_thin(0.99, n) else sizes[-(-99 * n // 100) - 1],
        max=sizes[-1],
    )


def judge(evidence: Evidence) -> Tested:
    """What it all comes to."""
    found = list(errors(evidence.turns, evidence.lines, evidence.tails))
    trusted = [error for error in found if Flag.SUSPECT not in error[1].flags]
    by_figure, verdict = _spreads(found), reach_verdict(_facts(evidence))
    missed = [
        f"{figure}: median error {errors.median * 1e3:+.2f} ms, over {ERROR_LIMIT_S * 1e3:g} ms"
        for figure, errors in by_figure.items()
        if abs(errors.median) > ERROR_LIMIT_S
    ]
    if verdict.level is not Level.VALID:
        missed += verdict.reasons
    return Tested(
        sessions=max((second.sessions for second in evidence.health), default=0),
        turns=len(evidence.turns),
        suspect_turns=sum(Flag.SUSPECT in turn.flags for turn in evidence.turns),
        errors=by_figure,
        trusted_errors=_spreads(trusted),
        frame_lateness=_lags(evidence.merged("frame_lateness")),
        read_lag=_lags(evidence.merged("read_lag")),
        endpoint_lateness_s=evidence.endpoint_lateness_s,
        cpu=_share(evidence.health, lambda second: second.cpu * second.interval_s),
        starved=_share(evidence.health, lambda second: second.starved_s),
        verdict=verdict.level.value,
        reasons=verdict.reasons,
        missed=(*missed, *_unexpected(evidence)),
    )


def _spreads(found: Iterable[tuple[str, Turn, float]]) -> dict[str, Spread]:
    values: dict[str, list[float]] = {figure: [] for figure in FIGURES}
    for figure, _, error in found:
        values[figure].append(error)
    return {figure: spread(some) for figure, some in values.items() if some}


def _facts(evidence: Evidence) -> Facts:
    told = sum(session.turns for session in evidence.sessions)
    return Facts(
        turns=len(evidence.turns),
        suspect_turns=sum(Flag.SUSPECT in turn.flags for turn in evidence.turns),
        frame_lateness=evidence.merged("frame_lateness"),
        read_lag=evidence.merged("read_lag"),
        audio_due_s=sum(second.audio_due_s for second in evidence.health),
        audio_sent_s=sum(second.audio_sent_s for second in evidence.health),
        lost_turns=max(0, told - len(evidence.turns)),
    )


def _lags(histogram: LagHistogram) -> dict[str, float]:
    quantiles = {f"p{q * 100:g}": histogram.quantile(q) for q in (0.5, 0.99)}
    return {**quantiles, "max": histogram.max}


def _share(health: Sequence[Health], spent: Callable[[Health], float]) -> float:
    """What was spent of all the time that was watched."""
    seconds = sum(second.interval_s for second in health)
    return sum(map(spent, health)) / seconds if seconds else 0.0


def _unexpected(evidence: Evidence) -> Iterable[str]:
    """Turns and sessions that did not end as their scene must, and answers that are missing."""
    scenes = {scene.name: scene for scene in SCENES}
    wrong: dict[str, int] = {}
    for turn in evidence.turns:
        scene = scenes.get(turn.scenario)
        if scene and turn.outcome not in scene.outcomes:
            label = f"{scene.name}: turns that were {turn.outcome}"
            wrong[label] = wrong.get(label, 0) + 1
    for session in evidence.sessions:
        scene = scenes.get(session.scenario)
        expected = SessionOutcome.REFUSED if scene and scene.refused else SessionOutcome.ENDED
        if session.outcome is not expected:
            label = f"{session.scenario}: sessions that were {session.outcome}"
            wrong[label] = wrong.get(label, 0) + 1
    measured = {name for turn in evidence.turns for name in turn.response_ids}
    if lost := len(evidence.lines.keys() ^ measured):
        wrong["answers that only one side knows of"] = lost
    return (f"{label}: {n}" for label, n in wrong.items())


def as_json(tested: Tested) -> Mapping[str, Any]:
    """For machines."""
    return {"schema": 1, "passed": tested.passed, **msgspec.to_builtins(tested)}
