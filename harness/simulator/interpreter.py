"""Between a session that speaks the protocol of today and a client that speaks the beta's."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from harness.realtime.client_events import (
    ClientEvent,
    CreateItem,
    CreateResponse,
    UpdateSession,
)
from harness.simulator.beta import (
    beta_fields,
    modern_item,
    modern_params,
    modern_session,
    modern_transcription,
)
from harness.simulator.inbound import UpdateTranscription

if TYPE_CHECKING:
    from harness.simulator.agenda import Agenda
    from harness.simulator.outbound import Out
    from harness.simulator.shared_state import SharedState

__all__ = ["Interpreter"]

_TEMPERATURE = 0.8  # the beta's default
_DELTA = "response.output_audio.delta"


class Interpreter:
    """
    What one session has to send, as the beta would; and what it is sent, as today's.

    Messages keep today's names beside them: faults are asked for by those.

    Args:
        shared: What the parts of the session share.

    """

    def __init__(self, shared: SharedState) -> None:
        self._agenda: Agenda = shared.agenda
        self._shared = shared
        self._temperature = _TEMPERATURE
        self._ready: deque[Out] = deque()

    @property
    def due(self) -> int | None:
        """When the next message is due, 0 for at once; ``None`` while nothing is to come."""
        return 0 if self._ready else self._agenda.due

    def take(self, at: int) -> Out | None:
        """The next message that is due by ``at``."""
        while not self._ready:
            out = self._agenda.take(at)
            if out is None:
                return None
            self._turn(out)
        return self._ready.popleft()

    def modernise(self, event: ClientEvent) -> ClientEvent:
        """An event of the client as it would be sent today."""
        match event:
            case UpdateTranscription():
                session = modern_transcription(event.session)
                return UpdateSession(event_id=event.event_id, session=session)
            case UpdateSession():
                temperature = event.session.get("temperature")
                if isinstance(temperature, int | float):
                    self._temperature = float(temperature)
                event.session = modern_session(event.session)
            case CreateResponse() if event.response is not None:
                event.response = modern_params(event.response)
            case CreateItem():
                event.item = modern_item(event.item)
        return event

    def _turn(self, out: Out) -> None:
        """What is sent in place of a message of today."""
        if out.type == _DELTA:  # by far the most, and the longest: only the name is another
            message = out.message.replace(_DELTA.encode(), b"response.audio.delta", 1)
            self._ready.append(out._replace(message=message))
            return
        if out.closing is not None:
            self._ready.append(out)
            return
        fields = beta_fields(msgspec.json.decode(out.message), self._temperature)
        if fields is not None:
            self._ready.append(out._replace(message=msgspec.json.encode(fields)))
        if out.type == "session.created":
            conversation = {
                "id": self._shared.conversation.id,
                "object": "realtime.conversation",
            }
            self._ready.append(
                self._shared.messages.event("conversation.created", conversation=conversation)
            )
