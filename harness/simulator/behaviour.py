"""
One session of a simulated endpoint, Sans-I/O: events and instants in, messages that are due out.

The shell calls ``receive`` with each message, ``take`` until nothing more is due, ``sent`` with the
instant just before each send, and again when the clock reaches ``due``. Whatever takes time is a
script (``response.py``): a generator of messages and of instants to wait for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harness.durations import parse_duration
from harness.realtime.events import (
    Append,
    CancelResponse,
    ClearBuffer,
    ClientEvent,
    Commit,
    CreateItem,
    CreateResponse,
    DeleteItem,
    RetrieveItem,
    TruncateItem,
    UpdateSession,
)
from harness.simulator.agenda import Agenda, Script
from harness.simulator.config import SessionConfig, parse_params, updated
from harness.simulator.conversation import Conversation, Item
from harness.simulator.detector import SpeechStarted, SpeechStopped
from harness.simulator.faults import Fault, Scope
from harness.simulator.inbound import MAX_APPEND, decode
from harness.simulator.input_buffer import InputBuffer
from harness.simulator.items import checked_item
from harness.simulator.message_faults import MessageFaults
from harness.simulator.outbound import Messages, Out, hang_up
from harness.simulator.refusal import Refusal
from harness.simulator.responses import Place, Responses
from harness.simulator.transcription import transcription
from harness.simulator.truth import Said, Truth

if TYPE_CHECKING:
    from harness.simulator.endpoint import Endpoint

__all__ = ["SimulatedSession"]

_SHORTEST_COMMIT = 0.1  # seconds of audio
_EXPIRES_AFTER = 3600  # seconds
_HANGS_UP_WITHIN = 10_000_000_000  # ns
_REJECTED_WITH = {"session_limit_reached": 1008, "server_error": 1011}  # else 4000


class SimulatedSession:
    """
    A session.

    Args:
        endpoint: Whose session it is.
        model: As the client asked for it.
        at: When it began, ns.
        epoch: The same in seconds since 1970, which only ``expires_at`` shows.

    """

    def __init__(self, endpoint: Endpoint, model: str, at: int, epoch: int = 0) -> None:
        self._endpoint = endpoint
        full = endpoint.full
        ordinal = endpoint.opened()
        self._name = f"{endpoint.name}{ordinal:05d}"
        self._id = f"sess_{self._name}"
        self.closing: tuple[int, str] | None = None
        """Code and reason, once the endpoint wants to close; 1006: without a word."""
        self.read_every: float | None = None
        """Seconds from one read to the next, for an endpoint that reads slowly."""
        self._expires_at = epoch + _EXPIRES_AFTER
        self._config = SessionConfig(model=model)
        self._agenda = Agenda()
        self._outbox: Agenda | MessageFaults = self._agenda
        self._messages = Messages(self._name)
        self._conversation = Conversation(f"conv_{self._name}")
        self._input = InputBuffer(self._config)
        self._speech: tuple[str, int] | None = None  # item and start of what is being said
        self._items = 0
        self._responses = Responses(
            Place(
                endpoint=endpoint,
                ordinal=ordinal,
                began=at,
                name=self._name,
                conversation=self._conversation,
                agenda=self._agenda,
                messages=self._messages,
                new_item_id=self._new_item_id,
            )
        )
        self._mute = False  # nothing is ever said
        self._wire_faults(ordinal)
        self._begin(model, full=full, fault=self._strike(ordinal, at))

    # What the shell calls.

    @property
    def due(self) -> int | None:
        """When the next message is due, in ns; ``None`` while nothing is to come."""
        return self._outbox.due

    def receive(self, message: bytes | memoryview, at: int) -> None:
        """A message of the client, read ``at``."""
        event_id = None
        try:
            event = decode(message)
            event_id = event.event_id
            self._handle(event, at)
        except Refusal as refusal:
            self._refuse(refusal, event_id)

    def refuse(self, code: str, message: str) -> None:
        """Answer something that is no event at all."""
        self._refuse(Refusal(code, message), None)

    def take(self, at: int) -> Out | None:
        """The next message that is due by ``at``."""
        out = self._outbox.take(at)
        if out is not None and out.closing is not None:
            self.closing = (out.closing, "")
            return None
        return out

    def sent(self, out: Out, at: int) -> None:
        """A message goes out now."""
        for stamp in out.stamps:
            setattr(out.on, stamp, at)
        if out.stamps:
            self._responses.sent(out, at)

    def end(self) -> None:
        """The connection is gone."""
        self._responses.end()
        self._agenda.clear()
        self._endpoint.closed()

    # What is sent.

    def _begin(self, model: str, *, full: bool, fault: Fault | None) -> None:
        if not self._endpoint.knows(model):
            text = f"The model '{model}' does not exist or you do not have access to it."
            refusal = Refusal("model_not_found", text, "model")
            self._reject(refusal, 4000, "invalid_request_error.model_not_found")
        elif full:
            refusal = Refusal("session_limit_reached", "There are too many sessions. Try later.")
            self._reject(refusal, 1008, "session_limit_reached")
        elif fault is not None and fault.name == "reject":
            refusal = Refusal(fault.detail, "This session was chosen to be refused.")
            self._reject(refusal, _REJECTED_WITH.get(fault.detail, 4000), fault.detail)
        elif not self._mute:
            self._say("session.created", session=self._resource())

    def _wire_faults(self, ordinal: int) -> None:
        """Let messages be struck by the faults that strike messages."""
        faults = self._endpoint.faults
        if faults.of_messages:
            rng = faults.rng("messages", ordinal)
            self._outbox = MessageFaults(self._agenda, faults.of_messages, rng, self._struck)

    def _strike(self, ordinal: int, at: int) -> Fault | None:
        """What happens to this session, if anything."""
        faults = self._endpoint.faults
        fault = faults.strike(Scope.SESSION, ordinal)
        if fault is None:
            return None
        match fault.name:
            case "hang-up":
                wait = faults.rng("hang-up", ordinal).randrange(_HANGS_UP_WITHIN)
                self._agenda.follow(self._hanging_up(fault, at + wait), at)
                return fault
            case "no-session":
                self._mute = True
            case "slow-read":
                self.read_every = parse_duration(fault.detail)
        self._endpoint.struck(fault, self._id, at)
        return fault

    def _hanging_up(self, fault: Fault, at: int) -> Script:
        yield at
        self._endpoint.struck(fault, self._id, at)
        yield hang_up(int(fault.detail))

    def _struck(self, fault: Fault, out: Out, at: int) -> None:
        """Note what happened to a message."""
        if not isinstance(out.on, Truth):
            self._endpoint.struck(fault, self._id, at)
            return
        self._endpoint.totals.struck(fault.label)
        if fault.label not in out.on.faults:
            out.on.faults.append(fault.label)

    def _reject(self, refusal: Refusal, code: int, reason: str) -> None:
        """Say why, and close."""
        self._endpoint.totals.refused += 1
        self._refuse(refusal, None)
        self.closing = (code, reason)

    def _say(self, type: str, /, **fields: Any) -> None:
        self._agenda.add(self._messages.event(type, **fields))

    def _refuse(self, refusal: Refusal, event_id: str | None) -> None:
        self._endpoint.totals.errors += 1
        self._say("error", error=refusal.wire(event_id))

    def _resource(self) -> dict[str, Any]:
        """The session as events show it."""
        config = msgspec.to_builtins(self._config)
        return {
            **config,
            "object": "realtime.session",
            "id": self._id,
            "expires_at": self._expires_at,
        }

    def _new_item_id(self) -> str:
        self._items += 1
        return f"item_{self._name}_{self._items}"

    # Events of the client.

    def _handle(self, event: ClientEvent, at: int) -> None:
        if self.closing or self._mute:
            return
        match event:
            case Append():
                self._append(event, at)
            case Commit():
                self._commit(at)
            case ClearBuffer():
                self._input.clear()
                self._speech = None
                self._say("input_audio_buffer.cleared")
            case CreateResponse():
                self._responses.create(parse_params(event.response), self._config, at)
            case CancelResponse():
                self._responses.cancel(event.response_id, at)
            case UpdateSession():
                self._update(event)
            case CreateItem():
                self._create_item(event, at)
            case RetrieveItem():
                item = self._conversation.retrieve(event.item_id)
                self._say("conversation.item.retrieved", item=item.wire)
            case DeleteItem():
                self._conversation.delete(event.item_id)
                self._say("conversation.item.deleted", item_id=event.item_id)
            case TruncateItem():
                self._truncate(event)

    def _update(self, event: UpdateSession) -> None:
        before, self._config = self._config, updated(self._config, event.session)
        if before.audio.input != self._config.audio.input:
            self._input.configure(self._config)
            self._speech = None
        self._say("session.updated", session=self._resource())

    def _create_item(self, event: CreateItem, at: int) -> None:
        wire = checked_item(event.item, self._new_item_id())
        is_output = wire["type"] == "function_call_output"
        if is_output and not self._conversation.has_call(wire["call_id"]):
            text = f"Tool call ID '{wire['call_id']}' not found in conversation."
            raise Refusal("invalid_tool_call_id", text, "item.call_id")
        before = self._conversation.add(Item(wire), event.previous_item_id)
        if is_output:
            self._responses.got_tool_output(at)
        elif wire.get("role") == "user":
            self._responses.heard_text()
        self._say("conversation.item.added", previous_item_id=before, item=wire)
        self._say("conversation.item.done", previous_item_id=before, item=wire)

    def _truncate(self, event: TruncateItem) -> None:
        self._conversation.truncate(event.item_id, event.content_index, event.audio_end_ms)
        self._say(
            "conversation.item.truncated",
            item_id=event.item_id,
            content_index=event.content_index,
            audio_end_ms=event.audio_end_ms,
        )

    # What the caller says.

    def _append(self, event: Append, at: int) -> None:
        if len(event.audio) > MAX_APPEND:
            raise Refusal("invalid_value", "An append holds at most 15 MiB of audio.", "audio")
        self._endpoint.totals.audio_in_ns += self._input.nanoseconds(event.audio)
        for heard in self._input.append(event.audio, at):
            match heard:
                case SpeechStarted():
                    self._speech_started(heard.audio_start_ms, at)
                case SpeechStopped():
                    self._speech_stopped(heard.audio_end_ms, at)

    def _commit(self, at: int) -> None:
        if self._input.seconds < _SHORTEST_COMMIT:
            raise Refusal(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: the buffer is too small. Expected at least "
                f"100ms of audio, but buffer only has {self._input.seconds * 1000:.2f}ms of audio.",
            )
        said = Said(voiced_in=self._input.voiced_in, commit_in=at)
        self._heard(self._new_item_id(), self._input.commit(), said, at)
        self._speech = None

    def _speech_started(self, audio_start_ms: int, at: int) -> None:
        item_id = self._new_item_id()
        self._speech = (item_id, audio_start_ms)
        self._say(
            "input_audio_buffer.speech_started", audio_start_ms=audio_start_ms, item_id=item_id
        )
        vad = self._config.vad
        if vad is not None and vad.interrupt_response:
            self._responses.interrupt(at)

    def _speech_stopped(self, audio_end_ms: int, at: int) -> None:
        assert self._speech is not None
        (item_id, start_ms), self._speech = self._speech, None
        said = Said(voiced_in=self._input.voiced_in)
        self._agenda.add(
            self._messages.about(
                said,
                ("speech_stopped_out",),
                "input_audio_buffer.speech_stopped",
                audio_end_ms=audio_end_ms,
                item_id=item_id,
            )
        )
        self._heard(item_id, self._input.commit(start_ms), said, at)
        if self._config.vad is not None and self._config.vad.create_response:
            self._responses.create_unasked(self._config, at)

    def _heard(self, item_id: str, seconds: float, said: Said, at: int) -> None:
        """What was said becomes an item."""
        wire = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        before = self._conversation.add(Item(wire, seconds))
        self._responses.heard_speech(said)
        self._say("input_audio_buffer.committed", previous_item_id=before, item_id=item_id)
        self._say("conversation.item.added", previous_item_id=before, item=wire)
        self._say("conversation.item.done", previous_item_id=before, item=wire)
        asked = self._config.audio.input.transcription
        if asked is not None:
            self._agenda.follow(transcription(wire, seconds, asked, self._messages, at), at)
