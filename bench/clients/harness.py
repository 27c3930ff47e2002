"""
The harness: its own calls, records encoded and written to a run directory, without Locust.

Frame lateness is what its health records say: the upper bound of a bucket.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.clients.crowd import Gate, run
from bench.clients.job import read_job
from bench.clients.recorded import leave_recorded
from bench.workload import utterance
from harness.call import Call
from harness.corpus import load_corpus
from harness.garbage import Sweeper
from harness.health import HealthMonitor
from harness.options import parse_workload
from harness.realtime.endpoint import parse_endpoint
from harness.records import Identity
from harness.sinks.rundir import RunDirectory

__all__: list[str] = []


def main() -> None:
    job = read_job()
    directory = RunDirectory.create(Path(job.folder), {})
    given = {"listen": "done", "pause": "0ms", "ca_file": job.ca_file, **job.options}
    workload = parse_workload(given)
    endpoint = parse_endpoint(job.url, model=workload.model, ca_file=workload.ca_file)
    corpus, said = load_corpus(), utterance(job.utterance)

    def talk(caller: int, gate: Gate) -> None:
        with Call(
            endpoint,
            workload,
            corpus=corpus,
            identity=Identity(run=directory.id, caller=caller, target=endpoint.target),
            rng=random.Random(caller),
            on_turn=directory.on_turn,
            on_session=directory.on_session,
        ) as call:
            gate.wait(caller)
            while True:
                call.say(said)

    Sweeper().start()
    window = run(job, talk, _watched(directory))
    directory.close()
    leave_recorded(job, window, directory.path)


@contextmanager
def _watched(directory: RunDirectory) -> Iterator[None]:
    monitor = HealthMonitor(directory.on_health)
    monitor.start()
    yield
    monitor.stop()


if __name__ == "__main__":
    main()
