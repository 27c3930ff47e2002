"""What a local or master process shows of a run while it lasts: metrics, tab and live view."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from harness import __version__
from harness.sinks.tally import Labels, Tally, merge
from harness.swarm.audience import Audience
from harness.swarm.exchange import Exchange
from harness.swarm.guard import OvershootGuard
from harness.swarm.headline import Row, headline, judgement
from harness.swarm.live import Progress, percentile
from harness.swarm.recording import Recording
from harness.swarm.rows import VOICE
from harness.swarm.treasury import Treasury

__all__ = ["BUSY", "Display"]

BUSY = ("spawning", "running")
"""Locust's states in which users begin calls."""

ENDING = ("cleanup", "stopping")
"""Those in which their calls are heard out."""


class Shown(Protocol):
    """What is read of the station whose run it is; see ``FrontStation``."""

    environment: Any
    runner: Any
    recording: Recording | None
    reported: Recording | None
    beginning: bool
    started: float
    lasts: float | None
    guard: OvershootGuard
    treasury: Treasury | None
    exchange: Exchange | None
    audience: Audience

    def count(self) -> Tally:
        """What was counted so far."""
        ...

    def workers(self) -> dict[str, int]:
        """How many workers are in which state."""
        ...


class Display:
    """
    Figures of a run, read whenever somebody looks.

    Args:
        station: Whose run it is; nothing is changed there.

    """

    def __init__(self, station: Shown) -> None:
        self._station = station
        self._runner = station.runner

    def tally(self) -> Tally:
        """What was counted, and how many users and workers there are now."""
        station = self._station
        gauges: dict[str, dict[Labels, float]] = {
            "users": {(): self._runner.user_count},
            "users_target": {(): self._target},
            "workers": {(state,): n for state, n in station.workers().items()},
            "calls_waiting": {(): 0},
        }
        if station.treasury is not None:
            gauges["budget_usd"] = station.treasury.gauges
        if station.recording is not None:
            run = station.recording.directory
            gauges["run_info"] = {(run.id, str(run.run["target"]), __version__): 1}
        scheduled = [station.exchange.tally] if station.exchange is not None else []
        return merge([station.count(), Tally(gauges=gauges), *scheduled])

    def page_state(self) -> str:
        """
        The state of the test as Locust's page is told it.

        The page asks no more once it has heard of a state in which users don't begin calls: while
        a start waits for the report before, calls are heard out or the verdict is being reached, it
        would stand still for ever.
        """
        state = str(self._runner.state)
        if self._station.beginning:
            return "spawning"
        if state in ENDING or (state not in BUSY and self._station.recording is not None):
            return "running"
        return state

    def headline(self) -> list[Row]:
        """What the tab *Voice* shows."""
        station = self._station
        over, exact = station.guard.longest, {"ttfa": self._ttfa}
        verdict, *figures = headline(self.tally(), over_target_s=over, exact=exact)
        if station.recording is None and station.reported is not None:
            return [*judgement(station.reported.summary or {}), *figures]
        return [verdict, *station.audience.rows, *figures]

    @property
    def report(self) -> Path | None:
        """The newest report; ``None`` before the first."""
        reported = self._station.reported
        return reported.directory.path.absolute() / "report.html" if reported else None

    def progress(self) -> Progress:
        """What the live view shows."""
        station = self._station
        turn = self._station.environment.stats.entries.get(("turn", VOICE))
        elapsed = monotonic() - station.started
        return Progress(
            elapsed=elapsed,
            left=None if station.lasts is None else max(0.0, station.lasts - elapsed),
            users=self._runner.user_count,
            users_target=self._target,
            ending=self._is_ending,
            turns=turn.num_requests if turn else 0,
            failed=turn.num_failures if turn else 0,
            p50=self._ttfa(0.5),
            p95=self._ttfa(0.95),
            spent=station.treasury.shown if station.treasury else "",
            blocked=station.exchange.board.blocked if station.exchange else 0,
            notes=station.audience.lines,
        )

    def _ttfa(self, p: float) -> str:
        """A percentile to the millisecond, by Locust's own row."""
        row = self._station.environment.stats.entries.get(("ttfa", VOICE))
        return percentile(row.response_times, row.num_failures, p) if row else "–"

    @property
    def _is_ending(self) -> bool:
        return self._runner.state not in ("ready", *BUSY)

    @property
    def _target(self) -> int:
        """How many users are wanted: those who end their calls are."""
        runner = self._runner
        return int(runner.user_count if self._is_ending else runner.target_user_count)
