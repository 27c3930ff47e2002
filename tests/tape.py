"""Conversations as scripts of timed facts, on a clock of their own: what the unit tests fold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from harness.audio import PCM16, AudioFormat
from harness.limits import Limits
from harness.metrics import measure
from harness.realtime.events import (
    ArgumentsDone,
    AudioDelta,
    BufferCommitted,
    Error,
    McpArgumentsDone,
    McpCallCompleted,
    OutputItemAdded,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    TranscriptDelta,
)
from harness.realtime.objects import ErrorDetails, Item, Response, StatusDetails
from harness.records import Identity, Kind, Outcome, Turn
from harness.turn import TurnRecorder

MS = 1_000_000


def ms(value: float) -> int:
    """Milliseconds as the nanoseconds of the fold."""
    return round(value * MS)


def audio(
    milliseconds: float, *, response: str | None = "r1", item: str = "i1", silent: float = 0
) -> AudioDelta:
    """A delta of so much sound, its first ``silent`` milliseconds below hearing."""
    samples = np.full(round(milliseconds * 24), 5000, dtype="<i2")
    samples[: round(silent * 24)] = 3
    return AudioDelta(response_id=response, item_id=item, content_index=0, delta=samples.tobytes())


def created(response: str = "r1") -> ResponseCreated:
    return ResponseCreated(response=Response(id=response, status="in_progress"))


def done(
    response: str = "r1", status: str = "completed", *, reason=None, code=None, usage=None
) -> ResponseDone:
    error = ErrorDetails(code=code) if code else None
    details = StatusDetails(reason=reason, error=error) if reason or error else None
    return ResponseDone(
        response=Response(id=response, status=status, status_details=details, usage=usage)
    )


def words(text: str, response: str = "r1") -> TranscriptDelta:
    return TranscriptDelta(response_id=response, item_id="i1", delta=text)


def text(text: str, response: str = "r1") -> TextDelta:
    return TextDelta(response_id=response, item_id="i1", delta=text)


def calls(name: str, call_id: str = "c1", response: str = "r1") -> OutputItemAdded:
    item = Item(id="f1", type="function_call", name=name, call_id=call_id)
    return OutputItemAdded(response_id=response, item=item)


def arguments(
    json: str = "{}", call_id: str = "c1", response: str = "r1", name="look_up"
) -> ArgumentsDone:
    return ArgumentsDone(response_id=response, call_id=call_id, name=name, arguments=json)


def serves(call_id: str = "m1", response: str = "r1") -> tuple[OutputItemAdded, McpArgumentsDone]:
    """A call of an MCP server's tool, and its arguments."""
    item = Item(id=call_id, type="mcp_call", name="search", server_label="docs")
    return (
        OutputItemAdded(response_id=response, item=item),
        McpArgumentsDone(response_id=response, item_id=call_id, arguments='{"x": 1}'),
    )


def served(call_id: str = "m1") -> McpCallCompleted:
    return McpCallCompleted(item_id=call_id, output_index=0)


def error(code: str, event_id: str | None = None) -> Error:
    return Error(error=ErrorDetails(code=code, event_id=event_id))


STOPPED = SpeechStopped(item_id="u1", audio_end_ms=0)
STARTED = SpeechStarted(item_id="u1", audio_start_ms=0)
COMMITTED = BufferCommitted(item_id="u1")


EVENTS = [
    *(created("r1"), created("r2"), audio(100), audio(100, response="r2"), done("r1"), done("r2")),
    *(done("r1", "cancelled"), done("r2", "failed"), STOPPED, COMMITTED, calls("f"), arguments()),
    *(words("a"), text("b"), error("server_error"), error("rate_limit_exceeded"), ResponseDone()),
    audio(50, response="r3", silent=50),
]
"""One of each kind, for conversations in any order."""


@dataclass
class Script:
    """
    A conversation told step by step, in milliseconds.

    ``say`` begins a turn of speech from ``start`` to ``end``; push to talk commits and asks then.
    """

    vad: bool = False
    hear_out: bool = True
    buffer: float = 100
    format: AudioFormat = PCM16
    limits: Limits = field(default_factory=Limits)
    recorder_class: ClassVar[type[TurnRecorder]] = TurnRecorder

    def __post_init__(self) -> None:
        self.recorder = self.recorder_class(
            identity=Identity(run="r"),
            limits=self.limits,
            buffer=ms(self.buffer),
            format=self.format,
            vad=self.vad,
            hear_out=self.hear_out,
        )

    def say(self, start: float, end: float, *, commit: float | None = None) -> Turn:
        turn = self.recorder.begin(Kind.SPEECH, due=ms(start), at=ms(start))
        if self.vad:
            self.recorder.spoken(turn, ms(end), (end - start) / 1000)
        else:
            self.finish_saying(turn, end, commit)
        return turn

    def finish_saying(self, turn: Turn, end: float, commit: float | None = None) -> None:
        commit = end if commit is None else commit
        self.recorder.spoken(turn, ms(end), 1.0)
        self.recorder.committed(turn, ms(commit), "commit")
        self.recorder.requested(turn, ms(commit), "ask")

    def hear(self, *tape: tuple[float, object]) -> None:
        for at, event in tape:
            self.recorder.receive(event, ms(at))

    def answer_tools(self, at: float) -> None:
        """Answer every call that is complete, and ask to go on."""
        requests, self.recorder.requests = self.recorder.requests, []
        for request in requests:
            self.recorder.tool_answered(
                request.turn, request.call_id, at=ms(at), outcome="ok", valid=True
            )
            self.recorder.requested(request.turn, ms(at))

    def until(self, at: float) -> list[Turn]:
        """Let time pass, and return the turns that have closed by then."""
        self.recorder.advance(ms(at))
        for turn in self.recorder.finished:
            measure(turn)
        return list(self.recorder.finished)

    def over(self, at: float, outcome: Outcome = Outcome.CUT, code: str | None = None):
        self.recorder.end(outcome, code, ms(at))
        return self.until(at)


def hold(*tape: tuple[float, object], vad: bool = False, **settings) -> list[Turn]:
    """The turns of one thing said from 0 to 100 ms and what the endpoint sent then."""
    script = Script(vad=vad, **settings)
    script.say(0, 100)
    script.hear(*tape)
    return script.until(10_000_000)
