"""What the caller says: heard, committed, told back, answered; and what if he says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.simulator.config import ServerVad, SessionConfig
from harness.simulator.conversation import Item
from harness.simulator.detector import SpeechStarted, SpeechStopped
from harness.simulator.faults import Scope
from harness.simulator.inbound import MAX_APPEND
from harness.simulator.input_buffer import InputBuffer
from harness.simulator.refusal import Refusal
from harness.simulator.transcription import transcription
from harness.simulator.truth import Said

if TYPE_CHECKING:
    from harness.simulator.agenda import Entry, Script
    from harness.simulator.responses import Responses
    from harness.simulator.shared_state import SharedState

__all__ = ["Listening"]

_SHORTEST_COMMIT = 0.1  # seconds of audio


class Listening:
    """
    The ear of one session.

    Args:
        shared: What the parts of the session share.
        responses: Which answer what is heard.
        config: Of the session.

    """

    def __init__(self, shared: SharedState, responses: Responses, config: SessionConfig) -> None:
        self._shared = shared
        self._responses = responses
        self._config = config
        self._input = InputBuffer(config)
        self._speech: tuple[str, int] | None = None  # item and start of what is being said
        self._idle: Entry | None = None  # what happens if nothing is said
        self._utterances = 0  # that were to be transcribed

    def configure(self, config: SessionConfig) -> None:
        """Listen as ``config`` says from now on."""
        before, self._config = self._config, config
        if before.audio.input != config.audio.input:
            self._input.configure(config)
            self._speech = None

    def hear(self, audio: bytes, at: int) -> None:
        """
        More audio, read ``at``.

        Raises:
            Refusal: If it is too much at once.

        """
        if len(audio) > MAX_APPEND:
            raise Refusal("invalid_value", "An append holds at most 15 MiB of audio.", "audio")
        self._shared.endpoint.totals.audio_in_ns += self._input.nanoseconds(audio)
        for heard in self._input.append(audio, at):
            match heard:
                case SpeechStarted():
                    self._speech_started(heard.audio_start_ms, at)
                case SpeechStopped():
                    self._speech_stopped(heard.audio_end_ms, at)

    def commit(self, at: int) -> None:
        """
        The caller has finished.

        Raises:
            Refusal: If it is too little to be answered.

        """
        if self._input.seconds < _SHORTEST_COMMIT:
            raise Refusal(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: the buffer is too small. Expected at least "
                f"100ms of audio, but buffer only has {self._input.seconds * 1000:.2f}ms of audio.",
            )
        said = Said(voiced_in=self._input.voiced_in, commit_in=at)
        self._heard(self._shared.new_item_id(), self._input.commit(), said, at)
        self._speech = None

    def clear(self) -> None:
        """Forget what was not committed."""
        self._input.clear()
        self._speech = None
        self._shared.say("input_audio_buffer.cleared")

    def answered(self, at: int, audio_s: float) -> None:
        """A response has ended ``at``, with so much audio; the caller may fall silent now."""
        self._forget_idling()
        vad = self._config.vad
        if isinstance(vad, ServerVad) and vad.idle_timeout_ms and self._speech is None:
            # By the API's definition, from the end of the response and as long as it plays.
            due = at + round(audio_s * 1e9) + vad.idle_timeout_ms * 1_000_000
            self._idle = self._shared.agenda.follow(self._idling(due, vad.idle_timeout_ms), at)

    def _speech_started(self, audio_start_ms: int, at: int) -> None:
        self._forget_idling()
        item_id = self._shared.new_item_id()
        self._speech = (item_id, audio_start_ms)
        self._shared.say(
            "input_audio_buffer.speech_started", audio_start_ms=audio_start_ms, item_id=item_id
        )
        vad = self._config.vad
        if vad is not None and vad.interrupt_response:
            self._responses.interrupt(at)

    def _speech_stopped(self, audio_end_ms: int, at: int) -> None:
        assert self._speech is not None
        (item_id, start_ms), self._speech = self._speech, None
        said = Said(voiced_in=self._input.voiced_in)
        self._shared.agenda.add(
            self._shared.messages.about(
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
        self._responses.heard_speech(said)
        wire = self._commit_item(item_id, seconds)
        asked = self._config.audio.input.transcription
        if asked is not None:
            fails = self._is_unheard(at)
            script = transcription(wire, seconds, asked, self._shared.messages, at, fails=fails)
            self._shared.agenda.follow(script, at)

    def _is_unheard(self, at: int) -> bool:
        """Whether what was just said can't be transcribed."""
        endpoint, shared = self._shared.endpoint, self._shared
        self._utterances += 1
        fault = endpoint.faults.strike(Scope.UTTERANCE, shared.ordinal, self._utterances)
        if fault is not None:
            endpoint.struck(fault, shared.session_id, at)
        return fault is not None

    def _commit_item(self, item_id: str, seconds: float) -> dict[str, object]:
        item = Item(
            {
                "id": item_id,
                "object": "realtime.item",
                "type": "message",
                "role": "user",
                "status": "completed",
                "content": [{"type": "input_audio", "transcript": None}],
            },
            seconds,
        )
        before = self._shared.conversation.add(item)
        self._shared.say("input_audio_buffer.committed", previous_item_id=before, item_id=item_id)
        self._shared.say_item(item, before)
        return item.wire

    # When nothing is said.

    def _idling(self, due: int, timeout_ms: int) -> Script:
        """The silence is committed, and answered."""
        yield due
        self._idle = None
        end_ms, item_id = self._input.clock_ms, self._shared.new_item_id()
        self._shared.say(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=max(0, end_ms - timeout_ms),
            audio_end_ms=end_ms,
            item_id=item_id,
        )
        self._responses.heard_nothing()
        self._commit_item(item_id, self._input.commit(max(0, end_ms - timeout_ms)))
        self._responses.create_unasked(self._config, due)

    def _forget_idling(self) -> None:
        if self._idle is not None:
            self._shared.agenda.replace(self._idle, ())
            self._idle = None
