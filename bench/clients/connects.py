"""Sessions opened as fast as they can be, some at a time; each is dropped when all are open."""

import random
import sys
from time import monotonic, process_time

import gevent
import msgspec
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from bench.clients.job import read_job
from bench.connects import Connects
from bench.workload import Job
from harness.call import Call
from harness.corpus import load_corpus
from harness.options import parse_workload
from harness.realtime.endpoint import parse_endpoint
from harness.records import Identity

__all__: list[str] = []

AT_A_TIME = 32


def main() -> None:
    job = read_job()
    _open(job, 1)  # what is loaded and made once is no part of it
    began, cpu = monotonic(), process_time()
    opened = _open(job, job.sessions)
    found = Connects(sessions=job.sessions, seconds=opened[0] - began, cpu_s=opened[1] - cpu)
    sys.stdout.buffer.write(msgspec.json.encode(found))


def _open(job: Job, sessions: int) -> tuple[float, float]:
    """Open sessions, and close them; when the last was open, and the CPU time then, seconds."""
    corpus = load_corpus()
    workload = parse_workload({"ca_file": job.ca_file})
    endpoint = parse_endpoint(job.url, model=workload.model, ca_file=workload.ca_file)
    dialling, missing, all_open = BoundedSemaphore(AT_A_TIME), [sessions], Event()

    def hold(caller: int) -> None:
        dialling.acquire()
        with Call(
            endpoint,
            workload,
            corpus=corpus,
            identity=Identity(caller=caller, target=endpoint.target),
            rng=random.Random(caller),
            on_turn=lambda turn: None,
            on_session=lambda session: None,
        ):
            dialling.release()
            missing[0] -= 1
            if not missing[0]:
                all_open.set()
            all_open.wait()

    holding = [gevent.spawn(hold, caller) for caller in range(sessions)]
    all_open.wait(timeout=60)
    opened = monotonic(), process_time()
    gevent.joinall(holding, raise_error=True)
    return opened


if __name__ == "__main__":
    main()
