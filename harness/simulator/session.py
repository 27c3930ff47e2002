"""
One session of a simulated endpoint, Sans-I/O: events and instants in, messages that are due out.

The shell calls ``receive`` with each message, ``take`` until nothing more is due, ``sent`` with the
instant just before each send, and again when the clock reaches ``due``. Whatever takes time is a
script (``response.py``): a generator of messages and of instants to wait for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.realtime.client_events import (
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
from harness.simulator.agenda import Script
from harness.simulator.config import SessionConfig, parse_params, updated
from harness.simulator.conversation import Item
from harness.simulator.inbound import decode
from harness.simulator.interpreter import Interpreter
from harness.simulator.items import checked_item
from harness.simulator.listening import Listening
from harness.simulator.outbound import Out, hang_up
from harness.simulator.refusal import Refusal
from harness.simulator.responses import Responses
from harness.simulator.session_faults import outbox, strike
from harness.simulator.shared_state import SharedState

if TYPE_CHECKING:
    from harness.simulator.endpoint import Endpoint

__all__ = ["SimulatedSession"]

_TOO_OLD = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."


class SimulatedSession:
    """
    A session.

    Args:
        endpoint: Whose session it is.
        config: As the client asked for it.
        at: When it began, ns.
        epoch: The same in seconds since 1970, which only ``expires_at`` shows.
        beta: Whether the client asked for the shape that the protocol had as a beta.

    """

    def __init__(
        self,
        endpoint: Endpoint,
        config: SessionConfig,
        at: int,
        epoch: int = 0,
        *,
        beta: bool = False,
    ) -> None:
        self._endpoint = endpoint
        full = endpoint.full
        self._shared = SharedState(endpoint, endpoint.opened(), at)
        self.closing: tuple[int, str] | None = None
        """Code and reason, once the endpoint wants to close; 1006: without a word."""
        self._lasts = endpoint.settings.session_cap
        self._expires_at = epoch + round(self._lasts)
        self._config = config
        self._responses = Responses(self._shared, self._answered)
        self._listening = Listening(self._shared, self._responses, self._config)
        self._conversation = self._shared.conversation
        speaks = endpoint.settings.beta
        is_beta = speaks == "always" or (beta and speaks == "asked")
        self._interpreter = Interpreter(self._shared) if is_beta else None
        self._outbox = outbox(self._shared, self._interpreter or self._shared.agenda)
        self._ailment = strike(self._shared)
        self._begin(config.model or "", full=full, too_old=beta and speaks == "refused")

    # What the shell calls.

    @property
    def due(self) -> int | None:
        """When the next message is due, in ns; ``None`` while nothing is to come."""
        return self._outbox.due

    @property
    def read_every(self) -> float | None:
        """Seconds from one read to the next, of an endpoint that reads slowly."""
        return self._ailment.read_every

    def receive(self, message: bytes | memoryview, at: int) -> None:
        """A message of the client, read ``at``."""
        event_id = None
        try:
            event = decode(message, beta=self._interpreter is not None)
            event_id = event.event_id
            if self._interpreter is not None:
                event = self._interpreter.modernise(event)
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
            self._shared.agenda.clear()
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
        self._shared.agenda.clear()
        self._endpoint.closed()

    # What is sent.

    def _begin(self, model: str, *, full: bool, too_old: bool) -> None:
        if too_old:
            refusal = Refusal("beta_api_shape_disabled", _TOO_OLD)
            self._reject(refusal, 4000, f"invalid_request_error.{refusal.code}")
        elif not self._endpoint.knows(model):
            text = f"The model '{model}' does not exist or you do not have access to it."
            refusal = Refusal("model_not_found", text, "model")
            self._reject(refusal, 4000, "invalid_request_error.model_not_found")
        elif full:
            refusal = Refusal("session_limit_reached", "There are too many sessions. Try later.")
            self._reject(refusal, 1008, refusal.code)
        elif self._ailment.rejected is not None:
            code, closes_with = self._ailment.rejected
            refusal = Refusal(code, "This session was chosen to be refused.")
            self._reject(refusal, closes_with, code)
        elif not self._ailment.mute:
            self._shared.say("session.created", session=self._resource())
            self._shared.agenda.follow(self._expiring(), self._shared.began)

    def _reject(self, refusal: Refusal, code: int, reason: str) -> None:
        """Say why, and close."""
        self._endpoint.totals.refused += 1
        self._refuse(refusal, None)
        self.closing = (code, reason)

    def _expiring(self) -> Script:
        """What happens when a session has reached its cap."""
        yield self._shared.began + round(self._lasts * 1e9)
        text = f"Your session hit the maximum duration of {self._lasts / 60:g} minutes."
        self._refuse(Refusal("session_expired", text), None)
        yield hang_up(1001)

    def _refuse(self, refusal: Refusal, event_id: str | None) -> None:
        self._endpoint.totals.errors += 1
        self._shared.say("error", error=refusal.wire(event_id))

    def _resource(self) -> dict[str, Any]:
        """The session as events show it."""
        return self._config.resource(self._shared.session_id, self._expires_at)

    def _answered(self, at: int, audio_s: float) -> None:
        self._listening.answered(at, audio_s)

    # Events of the client.

    def _handle(self, event: ClientEvent, at: int) -> None:
        if self.closing or self._ailment.mute:
            return
        match event:
            case Append():
                self._listening.hear(event.audio, at)
            case Commit():
                self._listening.commit(at)
            case ClearBuffer():
                self._listening.clear()
            case CreateResponse():
                self._responses.create(parse_params(event.response, self._config), self._config, at)
            case CancelResponse():
                self._responses.cancel(event.response_id, at)
            case UpdateSession():
                self._configure(updated(self._config, event.session), at)
            case CreateItem():
                self._create_item(event, at)
            case RetrieveItem():
                item = self._conversation.retrieve(event.item_id)
                self._shared.say("conversation.item.retrieved", item=item.wire)
            case DeleteItem():
                self._conversation.delete(event.item_id)
                self._shared.say("conversation.item.deleted", item_id=event.item_id)
            case TruncateItem():
                self._truncate(event)

    def _configure(self, config: SessionConfig, at: int) -> None:
        if config.audio.output.voice != self._config.audio.output.voice and (
            self._conversation.has_spoken
        ):
            text = "Cannot update a conversation's voice if assistant audio is present."
            raise Refusal("cannot_update_voice", text, "session.audio.output.voice")
        self._config = config
        self._listening.configure(config)
        self._shared.say("session.updated", session=self._resource())
        self._responses.servers.meet(config.tools, at)

    def _create_item(self, event: CreateItem, at: int) -> None:
        wire = checked_item(event.item, self._shared.new_item_id())
        is_output = wire["type"] == "function_call_output"
        if is_output and not self._conversation.has_call(wire["call_id"]):
            text = f"Tool call ID '{wire['call_id']}' not found in conversation."
            raise Refusal("invalid_tool_call_id", text, "item.call_id")
        self._shared.add_item(Item(wire), event.previous_item_id)
        if is_output:
            self._responses.got_tool_output(at)
        elif wire["type"] == "mcp_approval_response":
            self._responses.servers.decide(wire, at)
        elif wire.get("role") == "user":
            self._responses.heard_text()

    def _truncate(self, event: TruncateItem) -> None:
        self._conversation.truncate(event.item_id, event.content_index, event.audio_end_ms)
        self._shared.say(
            "conversation.item.truncated",
            item_id=event.item_id,
            content_index=event.content_index,
            audio_end_ms=event.audio_end_ms,
        )
