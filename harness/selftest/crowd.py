"""
The callers of a self-test, in a process of their own: ``python -m harness.selftest.crowd``.

Takes its job as a line of JSON on stdin, leaves a run directory, and says where.
"""

import os
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic

import gevent
import msgspec

from harness.call import Call, CallEnded
from harness.corpus import Corpus, load_corpus
from harness.descriptors import allow_descriptors
from harness.garbage import Sweeper
from harness.health import HealthMonitor
from harness.options import parse_workload
from harness.realtime.endpoint import parse_endpoint
from harness.records import Identity
from harness.selftest.job import Job, Part
from harness.selftest.scenes import BUFFER_S
from harness.sinks.rundir import RunDirectory
from harness.workload import Workload

__all__: list[str] = []

DIAL_EVERY_S = 0.005
DIAL_AGAIN_S = 1.0
ENDS_WITHIN_S = 90.0  # after the last turn was begun


class Crowd:
    """All callers of this process."""

    def __init__(self, job: Job, directory: RunDirectory, corpus: Corpus) -> None:
        self._job = job
        self._directory = directory
        self._corpus = corpus
        self._end = float("inf")

    def talk(self) -> None:
        """Let all talk, and wait until they are done."""
        callers: list[gevent.Greenlet[..., None]] = []
        for part in self._job.parts:
            workload = _workload(part)
            for _ in range(part.sessions):
                play = partial(self._caller, len(callers) + 1, part, workload)
                callers.append(gevent.spawn(play))
                gevent.sleep(DIAL_EVERY_S)
        self._end = monotonic() + self._job.seconds
        gevent.joinall(callers, timeout=self._job.seconds + ENDS_WITHIN_S, raise_error=True)

    def _caller(self, number: int, part: Part, workload: Workload) -> None:
        calls = 0
        while not self._over():
            calls += 1
            with suppress(CallEnded):
                self._call(number, calls, part, workload)
            if not self._over():
                gevent.sleep(DIAL_AGAIN_S)

    def _call(self, number: int, ordinal: int, part: Part, workload: Workload) -> None:
        identity = Identity(
            run=self._directory.id,
            caller=number,
            call=ordinal,
            scenario=part.scene,
            model=workload.model,
            target=part.url,
        )
        with Call(
            parse_endpoint(part.url, model=workload.model, ca_file=workload.ca_file),
            workload,
            corpus=self._corpus,
            identity=identity,
            rng=random.Random(f"{number}/{ordinal}"),
            on_turn=self._directory.on_turn,
            on_session=self._directory.on_session,
            stopping=self._over,
        ) as call:
            while True:
                call.say(listen=part.talks_over)

    def _over(self) -> bool:
        return monotonic() > self._end


def _workload(part: Part) -> Workload:
    common = {
        "pause": "uniform(100ms, 400ms)",
        "jitter_buffer": f"{BUFFER_S}s",
    }
    return parse_workload({**common, **part.options})


def _warm_up(job: Job, corpus: Corpus) -> None:
    """Make the messages of all utterances: the first callers are not to be late."""
    for workload in map(_workload, job.parts):
        for utterance in corpus.utterances:
            corpus.speech(utterance, workload.audio_format, workload.frame_ms)


def _watched(directory: RunDirectory, talk: Callable[[], None]) -> None:
    monitor, sweeper = HealthMonitor(directory.on_health), Sweeper()
    sweeper.start()
    monitor.start()
    try:
        talk()
    finally:
        monitor.stop()
        sweeper.stop()


def main() -> None:
    """Do the job."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    allow_descriptors()
    if job.core is not None:
        os.sched_setaffinity(0, {job.core})
    corpus = load_corpus()
    _warm_up(job, corpus)
    directory = RunDirectory.create(Path(job.folder), {"schema": 1, "state": "running"})
    _watched(directory, Crowd(job, directory, corpus).talk)
    directory.update(state="ended")
    directory.close()
    print(directory.path, flush=True)


if __name__ == "__main__":
    main()
