"""
The harness: its own calls, records encoded and written to a run directory, without Locust.

Frame lateness is what its health records say: the upper bound of a bucket.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.clients.crowd import Gate, finish, read_job, run
from bench.workload import utterance
from harness.call import Call
from harness.corpus import load_corpus
from harness.health import HealthMonitor
from harness.options import parse_workload
from harness.realtime.dialects import parse_endpoint
from harness.records import Health, Identity, LagHistogram, Turn
from harness.sinks.rundir import RunDirectory

__all__: list[str] = []


def main() -> None:
    job = read_job()
    directory = RunDirectory.create(Path(job.folder), {})
    workload = parse_workload({"listen": "done", "pause": "0ms", **job.options})
    endpoint = parse_endpoint(job.url, model=workload.model)
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

    window = run(job, talk, _watched(directory))
    directory.close()
    lateness = _lateness(directory.path)
    finish(
        job,
        window,
        frames=lateness.count,
        lateness=(lateness.quantile(0.5), lateness.quantile(0.99)),
        first_audio=_first_audio(directory.path),
    )


@contextmanager
def _watched(directory: RunDirectory) -> Iterator[None]:
    monitor = HealthMonitor(directory.on_health)
    monitor.start()
    yield
    monitor.stop()


def _lateness(run: Path) -> LagHistogram:
    whole = LagHistogram()
    for line in (run / "health.jsonl").read_bytes().splitlines():
        whole.merge(msgspec.json.decode(line, type=Health).frame_lateness)
    return whole


def _first_audio(run: Path) -> dict[str, int]:
    lines = (run / "turns.jsonl").read_bytes().splitlines()
    turns = [msgspec.json.decode(line, type=Turn) for line in lines]
    return {
        turn.response_ids[0]: at
        for turn in turns
        if turn.response_ids and (at := turn.marks.get("first_audio")) is not None
    }


if __name__ == "__main__":
    main()
