"""What the verbs of an adapter hear: the audio, words and function calls of one answer. Pure."""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

from harness.audio import PCM16, AudioFormat
from harness.chat import FunctionCalls
from harness.realtime.errors import ServerError
from harness.realtime.events import (
    ArgumentsDelta,
    ArgumentsDone,
    AudioDelta,
    Error,
    InputTranscript,
    ItemDone,
    McpCallCompleted,
    McpCallFailed,
    OutputItemAdded,
    OutputItemDone,
    ResponseCreated,
    ResponseDone,
    TextDelta,
    TextDone,
    TranscriptDelta,
    TranscriptDone,
)
from harness.realtime.objects import ErrorDetails, Item, Response
from harness.samples import AudioDecoder
from harness.serving import REQUEST, SERVED, ServedCalls

__all__ = ["Hearing", "Stage"]

KEPT_RESPONSES = 64


class Stage(Enum):
    """How far an answer has come."""

    NOTHING = "nothing"  # has been said by anybody
    AWAITED = "awaited"  # something was said
    HEARD = "heard"  # its response was created
    SERVED = "served"  # the endpoint runs tools that it called, and will be asked to go on
    OVER = "over"


class Hearing:
    """
    One answer at a time, from its ``response.created`` to its ``response.done``.

    What comes of any other response, one that was interrupted say, is not heard.

    Attributes:
        stage: How far the answer has come.
        user_transcript: What the endpoint understood last.
        agent_transcript: What the answer said; ``None`` until it has said something whole.
        calls: The answer's function calls.
        response: How the answer ended.
        approvals: Calls of MCP servers' tools that the endpoint asks to be allowed.

    """

    def __init__(self) -> None:
        self.stage = Stage.NOTHING
        self.user_transcript: str | None = None
        self.agent_transcript: str | None = None
        self.calls = FunctionCalls()
        self.response: Response | None = None
        self.approvals: list[str] = []
        self._requested: deque[str] = deque(maxlen=KEPT_RESPONSES)  # of them, told apart
        self._served = ServedCalls()  # of this answer
        self._id: str | None = None  # of the response that is heard
        self._known: dict[str | None, None] = {}  # responses heard or passed over, oldest first
        self._asked: frozenset[str] = frozenset()  # event ids of what asked for the answer
        self._unwanted: deque[frozenset[str]] = deque()  # the same, interrupted since
        self._sounds: deque[bytes | ServerError | None] = deque()  # None: the end of an answer
        self._decoder = AudioDecoder(PCM16)
        self._words = ""  # of the part that is being said

    @property
    def words(self) -> str:
        """What the answer has said so far."""
        return " ".join(filter(None, (self.agent_transcript, self._words)))

    @property
    def waits(self) -> bool:
        """Whether something is to be heard, or nothing was said yet."""
        return self.stage is not Stage.OVER

    @property
    def to_go_on(self) -> bool:
        """Whether the endpoint has run the tools that it called, and has to be asked to go on."""
        return self.stage is Stage.SERVED and all(call.outcome for call in self._served)

    # What we do.

    def go_on(self, event_id: str) -> None:
        """The answer is asked by this event to go on."""
        self._asked = frozenset({event_id})
        self._served = ServedCalls()
        self.stage = Stage.AWAITED

    def expect(self, *event_ids: str) -> None:
        """An answer is asked for by these events: what is left of the one before is forgotten."""
        self._forget()
        self._asked = frozenset(event_ids)
        self.stage = Stage.AWAITED

    def said(self) -> None:
        """Something was said to an endpoint that answers unasked."""
        if self.stage is Stage.OVER and not self._sounds:
            self.stage = Stage.AWAITED

    def interrupt(self, *, sent: bool) -> None:
        """Hear no more of the answer, though it be created later; ``sent``: the question was."""
        if sent and self._asked and self.stage is Stage.AWAITED:
            self._unwanted.append(self._asked)
        self._forget()
        self.stage = Stage.OVER

    def take(self, format: AudioFormat) -> bytes | None:
        """
        The next audio, PCM16 at 24 kHz; empty at the end of an answer, ``None`` if there is none.

        Args:
            format: Of what the endpoint sends.

        Raises:
            ServerError: If the answer failed, or what asked for it was refused.

        """
        while self._sounds:
            sound = self._sounds.popleft()
            if isinstance(sound, bytes):
                data = self._decoder_of(format).feed(sound)
            elif rest := self._decoder.rest():
                self._sounds.appendleft(sound)
                data = rest
            elif sound is None:
                return b""
            else:
                raise sound
            if data:
                return data
        return None

    def _decoder_of(self, format: AudioFormat) -> AudioDecoder:
        if self._decoder.format != format:
            self._decoder = AudioDecoder(format)
        return self._decoder

    def _forget(self) -> None:
        self._id = None
        self._asked = frozenset()
        self._sounds.clear()
        self._decoder = AudioDecoder(self._decoder.format)
        self._words = ""
        self.agent_transcript = self.response = None
        self.calls = FunctionCalls()
        self._served = ServedCalls()

    # What the endpoint does.

    def receive(self, event: object) -> bool:
        """Take in an event; whether whoever listens should look."""
        heard = _HEARD.get(type(event))
        return False if heard is None else heard(self, event)

    def _created(self, event: ResponseCreated) -> bool:
        name = event.response.id if event.response else None
        if name in self._known and name is not None:
            return False
        if self._unwanted:
            self._unwanted.popleft()
            self._know(name)
        elif self.stage is not Stage.HEARD:
            self._begin(name)
        return True

    def _begin(self, response_id: str | None) -> None:
        if self.stage is not Stage.AWAITED:  # unasked: what was heard before can still be taken
            self.agent_transcript = self.response = None
            self.calls, self._served = FunctionCalls(), ServedCalls()
        self.stage, self._id = Stage.HEARD, response_id
        self._know(response_id)

    def _know(self, response_id: str | None) -> None:
        self._known[response_id] = None
        if len(self._known) > KEPT_RESPONSES:
            del self._known[next(iter(self._known))]

    def _is_heard(self, response_id: str | None) -> bool:
        """Whether it is the answer's; of a response that was never created, it is its begin."""
        if self.stage is Stage.AWAITED and not self._unwanted and response_id not in self._known:
            self._begin(response_id)
        return self.stage is Stage.HEARD and response_id == self._id

    def _audio(self, event: AudioDelta) -> bool:
        if not event.delta or not self._is_heard(event.response_id):
            return False
        self._sounds.append(event.delta)
        return True

    def _text(self, event: TextDelta | TranscriptDelta) -> bool:
        if self._is_heard(event.response_id):
            self._words += event.delta
        return True

    def _text_done(self, event: TextDone | TranscriptDone) -> bool:
        if self._is_heard(event.response_id):
            whole = event.text if isinstance(event, TextDone) else event.transcript
            self._say(whole or self._words)
        return True

    def _say(self, part: str) -> None:
        self._words = ""
        if part:
            self.agent_transcript = " ".join(filter(None, (self.agent_transcript, part)))

    def _done(self, event: ResponseDone) -> bool:
        response = event.response or Response()
        if not self._is_heard(response.id):
            return True
        self._say(self._words)
        for item in response.output or ():
            if item.type == "function_call":
                self.calls.complete(item.call_id, item.name, item.arguments)
            self._serve(item)
        self.response = response
        served = any(self._served) and response.status == "completed"
        if served and not self.calls.shown():  # functions are answered first, by the script
            self.stage, self._id = Stage.SERVED, None
        else:
            self._end(_failure(response))
        return True

    def _end(self, failure: ServerError | None) -> None:
        self._id = None
        self.stage = Stage.OVER
        self._sounds.append(failure)

    def _item_added(self, event: OutputItemAdded) -> bool:
        item = event.item
        if item is None or not self._is_heard(event.response_id):
            return False
        if item.type == "function_call":
            self.calls.begin(item.call_id, item.name)
        self._serve(item)
        return False

    def _item_done(self, event: OutputItemDone) -> bool:
        item = event.item
        if item is None:
            return False
        if self._is_heard(event.response_id):
            if item.type == "function_call":
                self.calls.complete(item.call_id, item.name, item.arguments)
            self._serve(item)
        self._learn(item)
        return False

    def _arguments_delta(self, event: ArgumentsDelta) -> bool:
        if self._is_heard(event.response_id):
            self.calls.append(event.call_id, event.delta)
        return False

    def _arguments_done(self, event: ArgumentsDone) -> bool:
        if self._is_heard(event.response_id):
            self.calls.complete(event.call_id, event.name, event.arguments)
        return False

    def _serve(self, item: Item) -> None:
        """Note a call that the endpoint runs itself, or asks to be allowed."""
        if item.type in (SERVED, REQUEST):
            self._served.take(item)

    def _learn(self, item: Item) -> None:
        """Take what an item says of such a call, in the answer or since."""
        if item.type == REQUEST and item.id is not None and item.id not in self._requested:
            self._requested.append(item.id)
            self.approvals.append(item.id)
        call = self._served.known(item)
        if call is not None and item.type == SERVED and (item.output is not None or item.error):
            call.outcome = "ok"

    def _run(self, event: McpCallCompleted | McpCallFailed) -> bool:
        call = self._served.of_item(event.item_id) or self._served.claim(event.item_id)
        if call is not None:
            call.outcome = "ok"
        return True

    def _conversation_item(self, event: ItemDone) -> bool:
        if event.item is not None:
            self._learn(event.item)
        return False

    def _understood(self, event: InputTranscript) -> bool:
        if event.transcript is not None:
            self.user_transcript = event.transcript
        return True

    def _error(self, event: Error) -> bool:
        """An error ends the answer only if it refuses what asked for it, or any further one."""
        error = ServerError(event.error)
        if error.event_id is not None:
            self._unwanted = deque(ids for ids in self._unwanted if error.event_id not in ids)
        ours = error.event_id is not None and error.event_id in self._asked
        # The response that is active already may be one that a gateway asked for.
        ours = ours and error.kind != "conversation_already_has_active_response"
        hopeless = error.event_id is None and error.closes_the_door
        if self.stage is Stage.AWAITED and (ours or hopeless):
            self._end(error)
        return True


def _failure(response: Response) -> ServerError | None:
    """Why a response is no answer; one that was cut short is one, as far as it goes."""
    if response.status != "failed":
        return None
    details = response.status_details
    error = details.error if details else None
    return ServerError(error or ErrorDetails(code="failed", message="the response failed"))


_HEARD: dict[type, Callable[[Hearing, Any], bool]] = {
    ResponseCreated: Hearing._created,
    AudioDelta: Hearing._audio,
    TextDelta: Hearing._text,
    TranscriptDelta: Hearing._text,
    TextDone: Hearing._text_done,
    TranscriptDone: Hearing._text_done,
    ResponseDone: Hearing._done,
    OutputItemAdded: Hearing._item_added,
    OutputItemDone: Hearing._item_done,
    ArgumentsDelta: Hearing._arguments_delta,
    ArgumentsDone: Hearing._arguments_done,
    McpCallCompleted: Hearing._run,
    McpCallFailed: Hearing._run,
    ItemDone: Hearing._conversation_item,
    InputTranscript: Hearing._understood,
    Error: Hearing._error,
}
