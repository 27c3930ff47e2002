"""
A caller as people write one: JSON and base64 made for each frame, undone for each delta.

Its frames have absolute due times, which most such clients lack: one that sleeps after each send
speaks too slowly, and would have less to do.
"""

import base64
import json
from collections.abc import Callable
from time import monotonic_ns, sleep
from typing import Any, Protocol

import gevent
from gevent.event import Event

from bench.clients.crowd import Gate, run
from bench.clients.notes import SESSION, Notes, leave
from bench.workload import FRAME_NS, Job, frames

__all__ = ["Caller", "Line", "measure"]


class Line(Protocol):
    """A WebSocket of some library."""

    def send(self, message: str) -> object:
        """Send one text message."""

    def recv(self) -> Any:
        """Wait for the next message."""

    def close(self) -> None:
        """Hang up."""


class Caller:
    """One session: a greenlet sends, another receives."""

    def __init__(self, line: Line, audio: list[bytes], notes: Notes) -> None:
        self._line = line
        self._audio = audio
        self._notes = notes
        self._answered = Event()
        self.heard = 0  # bytes

    def configure(self) -> None:
        """Wait until the session is as it should be."""
        assert json.loads(self._line.recv())["type"] == "session.created"
        self._send(type="session.update", session=SESSION)
        assert json.loads(self._line.recv())["type"] == "session.updated"

    def listen(self) -> None:
        """Receive until the end."""
        first_audio = self._notes.first_audio
        while True:
            message = self._line.recv()
            at = monotonic_ns()
            event = json.loads(message)
            match event["type"]:
                case "response.output_audio.delta":
                    first_audio.setdefault(event["response_id"], at)
                    self.heard += len(base64.b64decode(event["delta"]))
                case "response.done":
                    self._answered.set()

    def talk(self) -> None:
        """Say the utterance, wait for the answer, and again."""
        while True:
            self._speak()
            self._send(type="input_audio_buffer.commit")
            self._send(type="response.create")
            self._answered.wait()
            self._answered.clear()

    def _speak(self) -> None:
        due = monotonic_ns()
        for frame in self._audio:
            due += FRAME_NS
            ahead = due - monotonic_ns()
            if ahead > 0:
                sleep(ahead / 1e9)
            audio = base64.b64encode(frame).decode()
            message = json.dumps({"type": "input_audio_buffer.append", "audio": audio})
            at = monotonic_ns()
            self._line.send(message)
            self._notes.sent_at.append(at)
            self._notes.late.append(at - due)

    def _send(self, **event: Any) -> None:
        self._line.send(json.dumps(event))


def measure(job: Job, dial: Callable[[str, str | None], Any]) -> None:
    """Measure such callers; ``dial`` opens a line to a URL, trusting an authority's file."""
    notes, audio = Notes(), frames(job.utterance)

    def call(caller: int, gate: Gate) -> None:
        line = dial(job.url, job.ca_file)
        one = Caller(line, audio, notes)
        one.configure()
        listening = gevent.spawn(one.listen)
        try:
            gate.wait(caller)
            one.talk()
        finally:
            listening.kill()

    leave(job, run(job, call), notes)
