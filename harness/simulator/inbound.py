"""A message of the client, decoded to an event or refused."""

import msgspec

from harness.realtime.client_events import (
    CLIENT_EVENTS,
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
from harness.simulator.refusal import Refusal, missing, refusal_of

__all__ = ["MAX_APPEND", "UpdateTranscription", "decode"]

MAX_APPEND = 15 * 1024 * 1024  # bytes of one append, the API's limit


class UpdateTranscription(UpdateSession, tag="transcription_session.update", kw_only=True):
    """Configure a session that only writes down what is said: of the beta, which had two events."""


_Known = (
    Append
    | CancelResponse
    | ClearBuffer
    | Commit
    | CreateItem
    | CreateResponse
    | DeleteItem
    | RetrieveItem
    | TruncateItem
    | UpdateSession
)
_today: msgspec.json.Decoder[ClientEvent] = msgspec.json.Decoder(_Known)
_beta: msgspec.json.Decoder[ClientEvent] = msgspec.json.Decoder(_Known | UpdateTranscription)


def decode(message: bytes | memoryview, *, beta: bool = False) -> ClientEvent:
    """
    The event of a message, of today's protocol or of its beta.

    Raises:
        Refusal: If it is none; what can be told of the fault is in it.

    """
    try:
        try:
            return (_beta if beta else _today).decode(message)
        except msgspec.ValidationError as error:
            # It may still turn out to be no JSON: the decoder stops where it finds a fault.
            raise _explained(msgspec.json.decode(message), error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("invalid_json", f"The message is not JSON: {error}") from None


def _explained(raw: object, error: msgspec.ValidationError) -> Refusal:
    """What is wrong with JSON that is no event we know."""
    if not isinstance(raw, dict):
        return Refusal("invalid_type", "An event is a JSON object.")
    name, event_id = raw.get("type"), raw.get("event_id")
    if not isinstance(name, str):
        refusal = missing("type")
    elif name not in CLIENT_EVENTS:
        supported = ", ".join(f"'{known}'" for known in sorted(CLIENT_EVENTS))
        refusal = Refusal(
            "invalid_value", f"Invalid value: '{name}'. Supported values are: {supported}.", "type"
        )
    elif name == "output_audio_buffer.clear":
        refusal = Refusal(
            "invalid_value", "There is an output buffer over WebRTC and SIP only.", "type"
        )
    else:
        refusal = refusal_of(error)
    refusal.event_id = event_id if isinstance(event_id, str) else None
    return refusal
