"""What one worker reports in a run, report by report, made by the code that workers run."""

import copy
from random import Random
from typing import Any

from locust.event import EventHook
from locust.stats import RequestStats

from bench.swarm.job import REPORT_EVERY
from bench.swarm.records import CALL_TURNS, TURN_EVERY, health, sessions, turns
from harness.sinks.counting import CountingSink
from harness.swarm.clock import Clock
from harness.swarm.relay import KEY, Shipper
from harness.swarm.rows import LocustRows

__all__ = ["NOBODY", "Rehearsal"]

NOBODY = "worker-of-nobody-000"
"""In place of a worker's name: others of the same length are put there."""


class Rehearsal:
    """
    The reports of one worker, to be given again in the names of many.

    Args:
        run: The run's name.
        sessions: Of one worker, each with a turn every ``TURN_EVERY`` seconds.
        reports: How many.
        scenarios: That callers play.

    Attributes:
        turns: In each report.

    """

    def __init__(self, run: str, sessions: int, reports: int, scenarios: int) -> None:
        self._random = Random(run)
        self._counting = CountingSink(NOBODY)
        self._shipper = Shipper(run, NOBODY, self._counting.tally, lambda: Clock().anchor)
        self._stats = RequestStats()
        self._run, self._sessions, self._scenarios = run, sessions, scenarios
        request = EventHook()
        request.add_listener(self._on_request)
        self._sinks = (self._shipper, self._counting, LocustRows(request))
        self.turns = [round((k + 1) * self._rate) - round(k * self._rate) for k in range(reports)]
        self._reports = [self._report(n) for n in self.turns]

    @property
    def _rate(self) -> float:
        """Turns in the time of a report."""
        return self._sessions * REPORT_EVERY / TURN_EVERY

    def report(self, number: int, worker: str, index: int, now: float) -> dict[str, Any]:
        """
        The report of that number, from 0, as ``worker`` sends it ``now``, seconds of the epoch.

        Args:
            number: The ordinal of the report.
            worker: As long a name as ``NOBODY``.
            index: Among the workers: each has clock and process of its own.
            now: Seconds of the epoch.

        """
        made = self._reports[number]
        parcel = dict(made[KEY])
        name = worker.encode()
        parcel["worker"], parcel["pid"] = worker, 10_000 + index
        parcel["lines"] = {
            file: lines.replace(NOBODY.encode(), name) for file, lines in parcel["lines"].items()
        }
        parcel["tally"] = parcel["tally"].replace(NOBODY.encode(), name)
        stats = [_retimed(entry, now) for entry in made["stats"]]
        total = _retimed(made["stats_total"], now)
        return {**made, "stats": stats, "stats_total": total, KEY: parcel}

    def _report(self, n: int) -> dict[str, Any]:
        self._stats.clear_all()
        whose = {"run": self._run, "worker": NOBODY, "random": self._random}
        begun = [*sessions(round(n / CALL_TURNS), scenarios=self._scenarios, **whose)]
        for sink in self._sinks:
            for session in begun:
                sink.on_session(session)
        for turn in turns(n, scenarios=self._scenarios, **whose):
            for sink in self._sinks:
                sink.on_turn(turn)
        for second in health(round(REPORT_EVERY), **whose):
            for sink in self._sinks:
                sink.on_health(second)
        report = {
            "stats": self._stats.serialize_stats(),
            "stats_total": self._stats.total.get_stripped_report(),
            "errors": self._stats.serialize_errors(),
            "user_classes_count": {"Caller": self._sessions},
            "user_count": self._sessions,
            KEY: self._shipper.pack(),
        }
        return copy.deepcopy(report)

    def _on_request(
        self,
        request_type: str,
        name: str,
        response_time: float | None,
        response_length: int,
        exception: Exception | None,
        **_: Any,
    ) -> None:
        self._stats.log_request(request_type, name, response_time, response_length)
        if exception is not None:
            self._stats.log_error(request_type, name, exception)


def _retimed(entry: dict[str, Any], now: float) -> dict[str, Any]:
    """The same statistics, as of the seconds before ``now``."""
    seconds = [int(now) - ago for ago in range(round(REPORT_EVERY))]
    share, rest = divmod(entry["num_requests"], len(seconds))
    requests = {second: share + (rest if k == 0 else 0) for k, second in enumerate(seconds)}
    failures = {seconds[0]: entry["num_failures"]} if entry["num_failures"] else {}
    return {
        **entry,
        "num_reqs_per_sec": requests,
        "num_fail_per_sec": failures,
        "last_request_timestamp": now,
        "start_time": now - REPORT_EVERY,
    }
