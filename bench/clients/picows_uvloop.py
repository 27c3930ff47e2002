"""
``picows`` on uvloop: the fastest WebSocket that Python has, with no load test around it.

It makes and undoes JSON and base64 for each frame and delta, as the plain clients do.
"""

import asyncio
import base64
import json
import ssl
from collections.abc import Coroutine
from time import monotonic, monotonic_ns
from typing import Any

import psutil
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.clients.job import DIAL_EVERY_S, Window, read_job
from bench.clients.notes import SESSION, Notes, leave
from bench.workload import FRAME_NS, Job, frames, offset

__all__: list[str] = []

OPEN_WITHIN_S = 60.0


class Caller(WSListener):
    """One session: events come in callbacks, a task talks."""

    def __init__(self, audio: list[bytes], notes: Notes) -> None:
        super().__init__()
        self._audio = audio
        self._notes = notes
        self._answered = asyncio.Event()
        self._transport: WSTransport | None = None
        self.configured = asyncio.Event()
        self.heard = 0  # bytes

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        at = monotonic_ns()
        if frame.msg_type != WSMsgType.TEXT:
            return
        event = json.loads(frame.get_payload_as_utf8_text())
        match event["type"]:
            case "response.output_audio.delta":
                self._notes.first_audio.setdefault(event["response_id"], at)
                self.heard += len(base64.b64decode(event["delta"]))
            case "response.done":
                self._answered.set()
            case "session.created":
                self._send(type="session.update", session=SESSION)
            case "session.updated":
                self.configured.set()

    async def talk(self) -> None:
        """Say the utterance, wait for the answer, and again."""
        while True:
            await self._speak()
            self._send(type="input_audio_buffer.commit")
            self._send(type="response.create")
            await self._answered.wait()
            self._answered.clear()

    async def _speak(self) -> None:
        due = monotonic_ns()
        for frame in self._audio:
            due += FRAME_NS
            ahead = due - monotonic_ns()
            if ahead > 0:
                await asyncio.sleep(ahead / 1e9)
            audio = base64.b64encode(frame).decode()
            message = json.dumps({"type": "input_audio_buffer.append", "audio": audio})
            at = monotonic_ns()
            self._transport.send(WSMsgType.TEXT, message.encode())
            self._notes.sent_at.append(at)
            self._notes.late.append(at - due)

    def _send(self, **event: Any) -> None:
        self._transport.send(WSMsgType.TEXT, json.dumps(event).encode())


async def dial(job: Job, caller: int, audio: list[bytes], notes: Notes) -> Caller:
    await asyncio.sleep(caller * DIAL_EVERY_S)
    trust = ssl.create_default_context(cafile=job.ca_file) if job.ca_file else None
    _, one = await ws_connect(lambda: Caller(audio, notes), job.url, ssl_context=trust)
    await one.configured.wait()
    return one


async def later(seconds: float, what: Coroutine[Any, Any, None]) -> None:
    await asyncio.sleep(seconds)
    await what


async def run(job: Job, notes: Notes) -> Window:
    """Let all callers call, and measure while they talk."""
    window, process, audio = Window(), psutil.Process(), frames(job.utterance)
    before, dialling = process.memory_info().rss, monotonic()
    dials = (dial(job, caller, audio, notes) for caller in range(job.sessions))
    callers = await asyncio.wait_for(asyncio.gather(*dials), OPEN_WITHIN_S)
    window.connect_s = monotonic() - dialling
    talking = [
        asyncio.create_task(later(offset(job, number), caller.talk()))
        for number, caller in enumerate(callers)
    ]
    await asyncio.sleep(job.warm_up_s)
    window.begin()
    await asyncio.sleep(job.seconds)
    window.end()
    window.memory_bytes = process.memory_info().rss - before
    assert not any(task.done() for task in talking), "a session was lost"
    for task in talking:
        task.cancel()
    await asyncio.gather(*talking, return_exceptions=True)
    return window


if __name__ == "__main__":
    job, notes = read_job(), Notes()
    leave(job, uvloop.run(run(job, notes)), notes)
