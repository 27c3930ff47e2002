"""Simulated workers, all in one process: each has a socket of its own and says what workers say."""

import socket
import sys
from time import monotonic, time
from typing import Any

import gevent
import msgspec
from locust import __version__ as locust_version
from locust.rpc.protocol import Message
from locust.rpc.zmqrpc import Client
from locust.runners import HEARTBEAT_INTERVAL

from bench.swarm.job import REPORT_EVERY, Job, Said
from bench.swarm.rehearsal import NOBODY, Rehearsal
from harness.swarm.messages import ANNOUNCEMENT, CALLERS, FINAL, READY, USERS
from harness.swarm.relay import KEY
from harness.swarm.worker import TELL

__all__ = ["main"]

SPAWNING = 1.0  # seconds a worker takes to begin its sessions


class Stage:
    """What all simulated workers share."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.rehearsals: dict[str, Rehearsal] = {}

    def rehearse(self, run: str) -> Rehearsal:
        """The reports of a worker in ``run``; made once."""
        if run not in self.rehearsals:
            job = self.job
            self.rehearsals[run] = Rehearsal(run, job.sessions, job.reports, job.scenarios)
        return self.rehearsals[run]


class Worker:
    """
    One simulated worker, from its first message to the master's last.

    Args:
        stage: Shared by all.
        index: Among them.

    """

    def __init__(self, stage: Stage, index: int) -> None:
        self._stage = stage
        self._index = index
        self.name = f"{NOBODY[:-3]}{index:03d}"
        self._client_id = f"{socket.gethostname()}_{index:032x}"
        self._client = Client("127.0.0.1", stage.job.port, self._client_id)
        self._state = "ready"
        self._rehearsal: Rehearsal | None = None
        self._run = ""
        self._beaten = 0.0
        self._classes: dict[str, int] = {}
        self.heartbeats_s: list[float] = []
        self.late_s = 0.0
        self.turns = self.reports = 0

    def run(self) -> None:
        """Do what the master says until it says quit."""
        self._send("client_ready", locust_version)
        self._send(READY, {"worker": self.name})
        others = [gevent.spawn(self._beat), gevent.spawn(self._tell_users)]
        while (message := self._client.recv()).type != "quit":
            self._hear(message)
        gevent.killall(others)
        self._client.close(linger=1000)

    def _send(self, kind: str, data: Any = None) -> None:
        self._client.send(Message(kind, data, self._client_id))

    def _hear(self, message: Message) -> None:
        match message.type:
            case "heartbeat":
                self.heartbeats_s.append(monotonic() - self._beaten)
            case "spawn":
                self._classes = dict(message.data["user_classes_count"])
                self._run = message.data["parsed_options"][ANNOUNCEMENT]["run"]
                self._send("spawning")
                if self._state == "ready":
                    self._state = "spawning"
                    gevent.spawn(self._work)
            case "stop":
                self._end()

    def _work(self) -> None:
        rehearsal = self._rehearsal = self._stage.rehearse(self._run)
        self._send(CALLERS, {"run": self._run, "want": dict(self._classes)})
        # Workers are not in step.
        gevent.sleep(SPAWNING + REPORT_EVERY * self._index / self._stage.job.workers)
        self._state = "running"
        counts = {"user_classes_count": self._classes, "user_count": sum(self._classes.values())}
        self._send("spawning_complete", counts)
        due = monotonic()
        for _ in rehearsal.turns[:-1]:
            due += REPORT_EVERY
            gevent.sleep(max(0.0, due - monotonic()))
            if self._state != "running":
                return
            self.late_s = max(self.late_s, monotonic() - due)
            self._send("stats", self._report())

    def _report(self) -> dict[str, Any]:
        assert self._rehearsal is not None
        report = self._rehearsal.report(self.reports, self.name, self._index, time())
        self.turns += self._rehearsal.turns[self.reports]
        self.reports += 1
        return report

    def _end(self) -> None:
        """All calls have ended: the last parcel, and ready for another run."""
        if self._state == "running":
            report = self._report()
            report[KEY]["final"] = True
            self._send(FINAL, report)
        self._state = "ready"
        self._send("client_stopped")
        self._send("client_ready", locust_version)

    def _beat(self) -> None:
        while True:
            self._beaten = monotonic()
            load = {"current_cpu_usage": 61, "current_memory_usage": 190_000_000}
            self._send("heartbeat", {"state": self._state, **load})
            gevent.sleep(HEARTBEAT_INTERVAL)

    def _tell_users(self) -> None:
        while True:
            gevent.sleep(TELL)
            if self._state == "running":
                self._send(USERS, {"user_classes_count": self._classes})


def main() -> None:
    """Do the job that stands on stdin; what was done goes to stdout when the master has quit."""
    job = msgspec.json.decode(sys.stdin.readline(), type=Job)
    stage = Stage(job)
    workers = [Worker(stage, index) for index in range(job.workers)]
    gevent.joinall([gevent.spawn(worker.run) for worker in workers], raise_error=True)
    said = Said(
        turns=sum(worker.turns for worker in workers),
        reports=sum(worker.reports for worker in workers),
        heartbeats_s=[s for worker in workers for s in worker.heartbeats_s],
        late_s=max(worker.late_s for worker in workers),
    )
    print(msgspec.json.encode(said).decode())


if __name__ == "__main__":
    main()
