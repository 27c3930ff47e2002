"""
A realtime session that a script can talk and listen through, by blocking verbs.

Greenlets make them concurrent: one may send while another receives. ``Call`` has no use for them:
it follows a ``Connection`` event by event.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from enum import StrEnum
from time import monotonic_ns
from typing import Any, ClassVar

import msgspec
import numpy as np

from harness.audio import AudioChunk
from harness.connection import Connection, NotConnected, SessionFailed
from harness.hearing import Hearing, Stage
from harness.realtime.client_events import (
    CancelResponse,
    Commit,
    CreateItem,
    CreateResponse,
    approval,
)
from harness.realtime.dialects import DIALECTS, dialect_of
from harness.realtime.endpoint import Endpoint, parse_endpoint
from harness.realtime.events import Received, ResponseDone, SpeechStopped
from harness.realtime.keys import resolve_key
from harness.realtime.objects import Response
from harness.realtime.session import split_append
from harness.realtime.states import State
from harness.samples import encode_audio
from harness.tools import Tool
from harness.workload import Workload

__all__ = ["Capabilities", "NotConnected", "RealtimeAdapter", "Role", "SessionFailed"]

logger = logging.getLogger("harness.adapter")

TRANSCRIBER = "gpt-4o-transcribe"


class Role(StrEnum):
    """Whose part the endpoint plays in a conversation."""

    AGENT = "agent"
    USER = "user"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What can be asked of an adapter."""

    streaming_transcripts: bool = True
    native_vad: bool = True
    interruption: bool = True
    dtmf: bool = False
    input_formats: tuple[str, ...] = ("pcm16/24000",)  # of AudioChunk; the wire's may differ
    output_formats: tuple[str, ...] = ("pcm16/24000",)


class RealtimeAdapter(Connection):
    """
    A realtime session with blocking verbs, used as a context manager.

    Example::

        with RealtimeAdapter("wss://api.openai.com", instructions="Be brief.") as agent:
            agent.send_audio(chunk)
            while chunk := agent.recv_audio(timeout=10).data:
                play(chunk)

    Args:
        where: A host as ``--host`` takes it, or an endpoint.
        workload: Formats, turn detection, limits, and what is not given here.
        model: Or the deployment, on Azure.
        voice: Of the answers.
        instructions: System instructions of the session.
        tools: Functions made tools by ``@tool``, or their schemas.
        api_key: Instead of the environment's.
        role: Whose part the endpoint plays.
        speaks_first: The agent greets before anything is said.

    Raises:
        ValueError: If there can be no such endpoint.

    """

    capabilities: ClassVar[Capabilities] = Capabilities()

    def __init__(
        self,
        where: str | Endpoint,
        workload: Workload | None = None,
        *,
        model: str | None = None,
        voice: str | None = None,
        instructions: str | None = None,
        tools: Sequence[Tool | dict[str, Any]] = (),
        api_key: str | None = None,
        role: Role | str = Role.AGENT,
        speaks_first: bool | None = None,
    ) -> None:
        told = {"model": model, "voice": voice, "speaks_first": speaks_first}
        workload = msgspec.structs.replace(
            workload or Workload(transcription=TRANSCRIBER),
            **{name: value for name, value in told.items() if value is not None},
        )
        self.role = Role(role)
        super().__init__(
            _endpoint(where, workload, api_key),
            workload,
            listener=self._on_event,
            tools=[each.schema if isinstance(each, Tool) else each for each in tools],
            instructions=instructions,
        )

    def __repr__(self) -> str:
        workload, key = self.workload, self.endpoint.api_key
        return (
            f"RealtimeAdapter({self.endpoint.target}, model={workload.model!r}, "
            f"voice={workload.voice!r}, role={self.role.value!r}, api_key={key!r})"
        )

    def _reset(self) -> None:
        super()._reset()
        self._hearing = Hearing()
        self._said = False  # audio that no commit has followed
        self._agent_is_next = self.workload.speaks_first
        self._deferred: CreateResponse | None = None  # waits for the response that is active
        self._gave_up = False  # waiting for the answer
        self._questions = 0

    # What is known.

    @property
    def connected(self) -> bool:
        """Whether something can be sent."""
        return self.session.state is State.READY and self.closed is None

    @property
    def agent_hung_up(self) -> bool:
        """Whether the endpoint ended the session."""
        return self.closed is not None and not self.closed.by_us

    @property
    def last_user_transcript(self) -> str | None:
        """What the endpoint understood last."""
        return self._hearing.user_transcript

    @property
    def last_agent_transcript(self) -> str | None:
        """What the last answer said; ``None`` until it has said something whole."""
        return self._hearing.agent_transcript

    @property
    def streaming_transcript(self) -> str:
        """What the running answer has said so far."""
        return self._hearing.words

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The last answer's function calls that are complete, as chat messages have them."""
        return self._hearing.calls.shown()

    @property
    def last_response(self) -> Response | None:
        """How the last answer ended; ``None`` while it has not."""
        return self._hearing.response

    @property
    def last_messages(self) -> list[dict[str, Any]]:
        """The last answer as chat messages: what was said, and what was called, if anything was."""
        said = {"role": "assistant", "content": self.last_agent_transcript}
        if not (calls := self.tool_calls):
            return [said]
        return [said, {"role": "assistant", "content": None, "tool_calls": calls}]

    # Saying.

    def send_audio(self, chunk: AudioChunk) -> None:
        """
        Append audio of the caller, all at once.

        Push to talk, the next ``recv_audio`` commits it and asks for the answer.

        Raises:
            NotConnected: If there is no session.

        """
        self._require("send_audio")
        wire = self.session.input_format
        # Each chunk is resampled by itself: a resampler of the stream would hold 60 ms back.
        audio = encode_audio(np.frombuffer(chunk.data, dtype="<i2"), wire)
        for append in split_append(audio, wire):
            self.send(append)
        self._said = True
        if self._endpoint_detects:
            self._hearing.said()

    def send_text(self, text: str) -> None:
        """
        Say something in writing, and ask for an answer.

        Raises:
            NotConnected: If there is no session.

        """
        self._require("send_text")
        content = [{"type": "input_text", "text": text}]
        self._add({"type": "message", "role": "user", "content": content})
        logger.debug("sent a text of %d characters", len(text))

    def send_tool_output(self, call_id: str, output: str) -> None:
        """
        Answer a function call, and ask for the answer to go on; nothing else ever does.

        Raises:
            NotConnected: If there is no session.

        """
        self._require("send_tool_output")
        self._add({"type": "function_call_output", "call_id": call_id, "output": output})

    def notify_agent_turn(self) -> None:
        """Let the agent speak next though nobody says anything; the next ``recv_audio`` asks."""
        if self.role is Role.AGENT:
            self._agent_is_next = True

    def interrupt(self) -> None:
        """
        Stop the answer; what still comes of it is not heard.

        Raises:
            NotConnected: If there is no session.

        """
        self._require("interrupt")
        sent = self._deferred is None
        self._deferred = None
        if self.session.active or (sent and self._hearing.stage is Stage.AWAITED):
            self.send(CancelResponse())
        self._hearing.interrupt(sent=sent)

    # Hearing.

    def recv_audio(self, timeout: float = 60.0) -> AudioChunk:
        """
        The next audio of the answer; empty when it is complete, or when there is nothing to hear.

        Args:
            timeout: Seconds.

        Raises:
            TimeoutError: If nothing came in time.
            ServerError: If the answer failed, or the endpoint refused to give one.
            NotConnected: If the session is gone and all that was received has been returned.
            LocalProtocolError: If less than 100 ms of audio were said, which no endpoint takes.

        """
        if self.transport is None:
            raise NotConnected("recv_audio: not connected")
        self._take_turn()
        deadline = monotonic_ns() + int(timeout * 1e9)
        while True:
            data = self._hearing.take(self.session.output_format)
            if data is not None:
                return AudioChunk(data)
            if self.closed is not None:
                raise NotConnected(f"the session has ended: close code {self.closed.code}")
            if not self._hearing.waits:
                return AudioChunk(b"")
            if not self.wait(deadline):
                self._gave_up = True
                raise TimeoutError(self._nothing_within(timeout))

    def recv_answer(self, timeout: float = 60.0) -> AudioChunk:
        """
        The whole answer, with its transcript.

        Args:
            timeout: Seconds without audio.

        Raises:
            the same as ``recv_audio``.

        """
        heard = []
        while data := self.recv_audio(timeout).data:
            heard.append(data)
        return AudioChunk(b"".join(heard), transcript=self.last_agent_transcript or "")

    def _nothing_within(self, timeout: float) -> str:
        error = f"; the last error was {self.last_error}" if self.last_error else ""
        return self.one_line(f"no audio within {timeout:g} s{error}")

    # Taking turns.

    @property
    def _endpoint_detects(self) -> bool:
        """Whether the endpoint decides that something was said."""
        return self.session.turn_detection != "none"

    def _take_turn(self) -> None:
        """Commit what was said, ask for an answer, unless one is being heard."""
        hearing = self._hearing
        if hearing.stage in (Stage.AWAITED, Stage.HEARD, Stage.SERVED) and not self._gave_up:
            return
        if not self.connected:
            return
        if self._said and not self._endpoint_detects:
            commit = Commit(event_id=self._event_id())
            self.send(commit)
            self._ask(str(commit.event_id))
        elif self._agent_is_next:
            self._ask()

    def _ask(self, *event_ids: str) -> None:
        """Ask for an answer: at once, or when the response that is active is done."""
        question = CreateResponse(event_id=self._event_id())
        self._said = self._agent_is_next = self._gave_up = False
        self._hearing.expect(str(question.event_id), *event_ids)
        if self.session.active:
            self._deferred = question
        else:
            self.send(question)

    def _add(self, item: dict[str, Any]) -> None:
        addition = CreateItem(item=item, event_id=self._event_id())
        self.send(addition)
        self._ask(str(addition.event_id))

    def _event_id(self) -> str:
        self._questions += 1
        return f"adapter_{self._questions}"

    def _require(self, verb: str) -> None:
        if not self.connected:
            raise NotConnected(f"{verb}: not connected")

    def _on_event(self, event: Received, at: int, uncertainty: int) -> bool:
        """Called in the hub."""
        look = self._hearing.receive(event)
        if type(event) is SpeechStopped and self.connected and not self.session.creates_responses:
            self._ask()
        if type(event) is ResponseDone and self._deferred is not None and not self.session.active:
            question, self._deferred = self._deferred, None
            if self.connected:
                self.send(question)
        if self.connected:
            self._let_tools_run()
        return look

    def _let_tools_run(self) -> None:
        """Allow the endpoint to run tools of MCP servers, and ask it to go on when it has."""
        requests, self._hearing.approvals = self._hearing.approvals, []
        for request_id in requests:
            self.send(approval(request_id, self._event_id()))
        if self._hearing.to_go_on and not self.session.active:
            question = CreateResponse(event_id=self._event_id())
            self._hearing.go_on(str(question.event_id))
            self.send(question)


def _endpoint(where: str | Endpoint, workload: Workload, api_key: str | None) -> Endpoint:
    """The endpoint of a script: its edge, where the environment is read."""
    if isinstance(where, Endpoint):
        return where if api_key is None else where.with_key(api_key)
    endpoint = parse_endpoint(
        where,
        model=workload.model,
        dialect=workload.dialect,
        api_key=resolve_key(
            DIALECTS[dialect_of(where, workload.dialect)].vendor, os.environ, api_key
        ),
        headers=workload.headers,
        ca_file=workload.ca_file,
        auth=workload.auth,
    )
    if endpoint.notice:
        logger.warning("%s", endpoint.notice)
    return endpoint
