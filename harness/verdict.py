"""The rules by which a run's own numbers are VALID, SUSPECT or INVALID, and a run's exit code."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from harness.records import TURN_FAILURES, LagHistogram, SessionOutcome

__all__ = [
    "RULES",
    "Facts",
    "Level",
    "Rule",
    "Verdict",
    "exit_code",
    "failures",
    "reach_verdict",
    "unproven",
]


class Level(StrEnum):
    """Whether what was measured can be trusted, best first."""

    VALID = "VALID"
    SUSPECT = "SUSPECT"
    INVALID = "INVALID"


class Facts(msgspec.Struct, kw_only=True):
    """What is known of the generator over a run, of one worker, or in ten seconds."""

    turns: int = 0  # recorded
    suspect_turns: int = 0  # those during which the generator was late
    frame_lateness: LagHistogram = msgspec.field(default_factory=LagHistogram)
    read_lag: LagHistogram = msgspec.field(default_factory=LagHistogram)
    audio_due_s: float = 0.0  # audio time due by the frames' schedule
    audio_sent_s: float = 0.0
    lost_turns: int = 0  # ended but not recorded, with no dead worker to explain it
    damaged_turns: int = 0  # lines of turns that can't be read, but a last one left half-written
    over_target_s: float = 0.0  # seconds with more users than were asked for
    unanchored_workers: int = 0  # without clock anchor: their times can't be placed
    uncompared_workers: int = 0  # of other hosts, their clocks never compared with the master's
    unwatched_workers: int = 0  # with turns, but without a line of health


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a generator spoils its own numbers."""

    name: str
    level: Level
    limit: float
    formula: Callable[[Facts], float | None]  # None: nothing to judge
    text: str  # says what struck: {value}, {limit}; {ms}, {limit_ms} of seconds
    under: bool = False  # strikes below its limit, not above

    def reason(self, facts: Facts) -> str | None:
        """Why it strikes, for people; ``None`` if it doesn't."""
        value = self.formula(facts)
        if value is None or not (value < self.limit if self.under else value > self.limit):
            return None
        return self.text.format(
            value=value, limit=self.limit, ms=value * 1e3, limit_ms=self.limit * 1e3
        )


class Verdict(msgspec.Struct, frozen=True):
    """The worst level of the rules that struck, and their reasons, worst first."""

    level: Level
    reasons: tuple[str, ...] = ()


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


RULES = (
    Rule(
        name="frame_lateness_invalid",
        level=Level.INVALID,
        limit=0.2,
        formula=lambda facts: facts.frame_lateness.quantile(0.99),
        text="not speaking pace: p99 frame lateness {ms:.0f} ms, over {limit_ms:.0f} ms",
    ),
    Rule(
        name="audio_sent",
        level=Level.INVALID,
        limit=0.98,
        formula=lambda facts: _share(facts.audio_sent_s, facts.audio_due_s),
        text="only {value:.1%} of the audio time due was sent, under {limit:.0%}",
        under=True,
    ),
    Rule(
        name="lost_turns",
        level=Level.INVALID,
        limit=0,
        formula=lambda facts: facts.lost_turns,
        text="turns that ended but were not recorded, with no lost worker to blame: {value:.0f}",
    ),
    Rule(
        name="damaged_turns",
        level=Level.INVALID,
        limit=0.01,
        formula=lambda facts: _share(facts.damaged_turns, facts.turns + facts.damaged_turns),
        text="{value:.1%} of the lines in turns.jsonl are damaged, over {limit:.0%}",
    ),
    Rule(
        name="over_target",
        level=Level.INVALID,
        limit=2.0,
        formula=lambda facts: facts.over_target_s,
        text="more users than asked for: {value:.0f} s, over {limit:.0f} s",
    ),
    Rule(
        name="clock_anchor",
        level=Level.INVALID,
        limit=0,
        formula=lambda facts: facts.unanchored_workers,
        text="workers without clock anchor, whose times can't be compared: {value:.0f}",
    ),
    Rule(
        name="suspect_turns",
        level=Level.SUSPECT,
        limit=0.01,
        formula=lambda facts: _share(facts.suspect_turns, facts.turns),
        text="the generator was late during {value:.1%} of turns, over {limit:.0%}",
    ),
    Rule(
        name="frame_lateness",
        level=Level.SUSPECT,
        limit=0.005,
        formula=lambda facts: facts.frame_lateness.quantile(0.99),
        text="p99 frame lateness {ms:.1f} ms, over {limit_ms:.0f} ms",
    ),
    Rule(
        name="read_lag",
        level=Level.SUSPECT,
        limit=0.005,
        formula=lambda facts: facts.read_lag.quantile(0.99),
        text="messages waited to be read: p99 read lag {ms:.1f} ms, over {limit_ms:.0f} ms",
    ),
    Rule(
        name="clock_offset",
        level=Level.SUSPECT,
        limit=0,
        formula=lambda facts: facts.uncompared_workers,
        text=(
            "workers of other hosts placed by their own clocks, never compared with the "
            "master's: {value:.0f}"
        ),
    ),
    Rule(
        name="unwatched",
        level=Level.SUSPECT,
        limit=0,
        formula=lambda facts: facts.unwatched_workers,
        text="workers that left no record of their own health: {value:.0f}",
    ),
)
"""All rules, worst first. A run is judged by its whole, a worker and a slice by their own facts."""


def reach_verdict(facts: Facts) -> Verdict:
    """The verdict over ``facts`` by ``RULES``."""
    struck = [(rule.level, reason) for rule in RULES if (reason := rule.reason(facts))]
    if not struck:
        return Verdict(Level.VALID)
    return Verdict(struck[0][0], tuple(reason for _, reason in struck))


def failures(summary: Mapping[str, Any]) -> tuple[int, int]:
    """How many turns and how many sessions of a summary failed."""
    turns = summary.get("outcomes", {})
    sessions = summary.get("session_outcomes", {})
    return (
        sum(n for outcome, n in turns.items() if outcome in TURN_FAILURES),
        sum(n for outcome, n in sessions.items() if outcome != SessionOutcome.ENDED),
    )


def unproven(summary: Mapping[str, Any]) -> str | None:
    """Why a run proves nothing, whatever its figures; ``None`` if it does."""
    if summary.get("preflight"):
        return f"the run never began: {summary['preflight']}"
    if summary.get("master_lost"):
        return "it never ended: its master was lost, is still at it, or its records are not here"
    if summary.get("damaged", {}).get("run.json"):
        return "run.json is missing or damaged: how it ended and what was to hold can't be told"
    if not summary.get("turns"):
        return "no turn was begun"
    if summary.get("verdict") == Level.INVALID:
        return "INVALID: " + "; ".join(summary.get("reasons", ()))
    return None


def exit_code(summary: Mapping[str, Any]) -> int:
    """
    What a run says to a shell: ``check`` and Locust end with it.

    Args:
        summary: As in ``summary.json``.

    Returns:
        2 if the run proves nothing: INVALID, master lost, ``run.json`` damaged, no turn begun, a
        pre-flight failure, or an objective that can't be decided; else 1 if an objective is missed
        or, without objectives, any turn or session failed; else 0.

    """
    objectives = [judgement["met"] for judgement in summary.get("slo", ())]
    if unproven(summary) or None in objectives:
        return 2
    missed = False in objectives if objectives else any(failures(summary))
    return int(missed)
