"""One caller's conversation: says things at speaking pace, listens, talks over answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import monotonic_ns, time_ns
from typing import Any

from harness.audio import AudioChunk, AudioFormat
from harness.beats import next_beat
from harness.corpus import Corpus, Speech
from harness.line import CallEnded, Line
from harness.pacer import on_beat, pacer
from harness.realtime.client_events import CancelResponse, Commit, CreateItem
from harness.realtime.endpoint import Endpoint
from harness.records import Kind, Turn
from harness.speech import Speaker
from harness.utterances import CorpusError, Utterance, utterance_from_chunk, utterance_from_file
from harness.workload import Workload

__all__ = ["Call", "CallEnded", "What"]

LOOK_NS = 500_000_000  # between looks whether a caller who pauses is to stop
EARLY_NS = 50_000_000  # so long before its time a caller gets ready to speak
SHORTEST_COMMIT = 0.1  # seconds; endpoints refuse less

What = str | Path | AudioChunk | Utterance | None


class _Saying:
    """The saying of one utterance, as the microphone tells it to the call."""

    __slots__ = ("ask_id", "call", "commit_id", "speech", "turn")

    def __init__(self, call: Call, turn: Turn, speech: Speech) -> None:
        self.call = call
        self.turn = turn
        self.speech = speech
        self.commit_id: str | None = None  # event ids of what went out with the last frame
        self.ask_id: str | None = None

    def started(self, at: int) -> None:
        self.turn.written_at = at

    def voiced(self, at: int) -> None:
        self.call._voiced(at)

    def last_words(self) -> tuple[bytes, ...]:
        return self.call._last_words(self)

    def spoken(self, speech_end: int, at: int) -> None:
        self.call._spoken(self, speech_end, at)


class Call(Line):
    """
    A caller on the line, used as a context manager.

    Args:
        endpoint: Whom to call.
        workload: What callers do.
        corpus: What can be said.
        identity: Whose records these are.
        rng: The caller's randomness for this call.
        on_turn: Given each finished turn, from the call's greenlet.
        on_session: Given the session's record when it starts and when it ends.
        stopping: Whether the caller is to stop; looked at before each turn.
        tools: Functions of the locustfile that the endpoint may call.
        instructions: Instead of the workload's.
        on_tape: Given the tape of each finished turn, after ``on_turn``, and what takes secrets out
            of its text; ``None`` keeps none.
        purse: What turns are paid from; ``None``: they may cost what they will.
        intended: What a schedule of open arrivals wanted of this call, if there is one.
        length: Seconds for which it goes on; ``None``: for the workload's turns.
        wall: The clock by which all callers do something at once, ns of the epoch.
        on_limits: Given what ``rate_limits.updated`` said last, and its receive instant (ns).

    """

    def __init__(
        self,
        endpoint: Endpoint,
        workload: Workload,
        *,
        corpus: Corpus,
        length: float | None = None,
        wall: Callable[[], int] = time_ns,
        **line: Any,
    ) -> None:
        super().__init__(endpoint, workload, **line)
        self._corpus = corpus
        self._length = length
        self._wall = wall
        self._said = 0  # times
        self._heard_out = False  # the last thing said was heard to its end
        self._ends_at = 0  # ns, of a call that has a length

    @property
    def goes_on(self) -> bool:
        """Whether there is more to say: until its length is over, or its turns are."""
        if (self._over and not self._to_be_renewed) or self._stopping():
            return False
        if self._length is None:
            return self._said < self.workload.turns
        return monotonic_ns() < self._ends_at

    def _idle_frames(self, format: AudioFormat) -> tuple[bytes, ...]:
        return self._corpus.idle_frames(format, self.workload.frame_ms)

    def _connected(self) -> None:
        self._ends_at = monotonic_ns() + int((self._length or 0.0) * 1e9)
        if self.workload.speaks_first:
            self.greet()

    def say(
        self, what: What = None, *, listen: float | None = None, beat: float | None = None
    ) -> Turn:
        """
        Say ``what`` at speaking pace and hear the answer.

        Each frame has a due time fixed in advance, so that a late frame delays no later one. What
        is said while an answer plays talks over it.

        Args:
            what: Text of the corpus or to be spoken, an audio file, or audio; ``None`` is one of
                the corpus, chosen by the seed.
            listen: Seconds of the answer to hear, from its first audible sample, before
                returning; ``None`` hears all of it.
            beat: Seconds. Wait, so that the last voiced sample falls on a multiple of these on the
                master's clock (with an open microphone within a frame after it): all callers who
                do, on all workers, stop speaking at once.

        Returns:
            The turn, whatever its outcome; its outcome is ``None`` while its answer still plays.

        Raises:
            CallEnded: If the session is gone or the caller is to stop. Turns that began have been
                recorded.

        """
        rng = random.Random(self._seed ^ self.recorder.turns)
        if self._heard_out:
            self.pause(self.workload.pause.sample(rng))
        self._boundary()
        if what is None and listen is None and rng.random() < self.workload.barge_in_rate:
            listen = rng.uniform(0.4, 1.5)
        calls_tool = rng.random() < self.workload.tool_rate
        speech = self._speech(what, rng)
        start = None if beat is None else self._await_beat(beat, speech.voice_end_ns)
        turn = self._speak(speech, start)
        if calls_tool:
            self._asking.want_tool(turn)
        self._said += 1
        del rng  # 2.5 kB that nobody needs while the answer is heard
        self._heard_out = listen is None
        self._listen(turn, listen)
        return self._returned(turn)

    def greet(self) -> Turn:
        """Let the agent speak first, and hear it out."""
        self._boundary()
        turn = self._begin(Kind.GREETING, "", monotonic_ns())
        self._asking.request(turn)
        self._listen(turn, None)
        self._heard_out = True
        return self._returned(turn)

    def send_text(self, text: str, *, listen: float | None = None) -> Turn:
        """Say something in writing; else as ``say``."""
        self._boundary()
        self._stop_answer()
        turn = self._begin(Kind.TEXT, text, monotonic_ns())
        self._said += 1
        content = [{"type": "input_text", "text": text}]
        self._asking.send(CreateItem(item={"type": "message", "role": "user", "content": content}))
        self._asking.request(turn)
        self._heard_out = listen is None
        self._listen(turn, listen)
        return self._returned(turn)

    def pause(self, seconds: float) -> None:
        """Stay on the line, saying nothing; less long, if the caller is to stop."""
        self._pause_until(monotonic_ns() + int(seconds * 1e9))

    def wait_for_beat(self, every: float) -> None:
        """Stay on the line until the next multiple of ``every`` seconds on the master's clock."""
        self._pause_until(self._next_beat(every, monotonic_ns()))

    def _next_beat(self, every: float, after: int) -> int:
        return next_beat(every, after, wall=self._wall(), now=monotonic_ns())

    def _await_beat(self, every: float, before: int) -> int:
        """Wait until ``before`` ns before a beat; that instant."""
        # An open microphone says at its next frame what it is given.
        early = 0 if self.recorder.vad else EARLY_NS
        start = self._next_beat(every, monotonic_ns() + before + EARLY_NS) - before
        self._pause_until(start - early)
        self._boundary()
        return start

    def _pause_until(self, until: int) -> None:
        self._until(
            lambda now: now >= until or self._stopping(),
            lambda: min(until, monotonic_ns() + LOOK_NS),
        )

    def _listen(self, turn: Turn, listen: float | None) -> None:
        """Hear the answer out, or ``listen`` seconds of it."""
        if listen is None:
            self._until(lambda now: turn.outcome is not None)
            return
        audible, recorder = int(listen * 1e9), self.recorder
        self._until(
            lambda now: turn.outcome is not None or recorder.has_heard(turn, audible, now),
            lambda: recorder.hears_at(turn, audible, monotonic_ns()),
        )

    # Speaking.

    def _speech(self, what: What, rng: random.Random) -> Speech:
        match what:
            case None:
                utterance = self._corpus.choose(rng)
            case Utterance():
                utterance = what
            case Path():
                utterance = utterance_from_file(what)
            case AudioChunk():
                utterance = utterance_from_chunk(what)
            case str():
                utterance = self._corpus.get(what) or _speaker().speak(what)
            case _:
                raise CorpusError(f"can't say {type(what).__name__}: give text, a path or audio")
        session = self.connection.session
        return self._corpus.speech(utterance, session.input_format, self.workload.frame_ms)

    def _speak(self, speech: Speech, start: int | None = None) -> Turn:
        microphone = self._microphone
        assert microphone is not None
        if not self.recorder.vad:
            if speech.audio_s < SHORTEST_COMMIT:
                raise CorpusError(f"{speech.name!r} is too short to be said: under 100 ms")
            self._stop_answer()
        start = on_beat(monotonic_ns()) if start is None else start
        turn = self._begin(Kind.SPEECH, speech.name, start)
        sending = microphone.sending
        microphone.speak(speech, start, _Saying(self, turn, speech))
        turn.due_at = microphone.due
        if not sending:
            pacer().add(microphone, microphone.due)
        return turn

    def _stop_answer(self) -> None:
        """Talk over what plays, push to talk: cancel it."""
        at = monotonic_ns()
        responds = self.connection.session.active and self.recorder.responding
        if responds or self.recorder.going_on:
            at = self._asking.send(CancelResponse()) or at
            self.recorder.cancelled(at)
        self._talk_over(at)

    def _talk_over(self, at: int) -> None:
        for cut in self.recorder.talk_over(at):
            self._asking.send(cut)

    # Told by the microphone, in the hub: nothing here may switch.

    def _voiced(self, at: int) -> None:
        if self.recorder.vad:
            self._talk_over(at)

    def _last_words(self, saying: _Saying) -> tuple[bytes, ...]:
        """Push to talk: commit and ask for the answer, in one piece with the last frame."""
        session = self.connection.session
        if self.recorder.vad or self.connection.closed is not None:
            return ()
        audio_s = saying.speech.audio_s
        session.sending_audio(round(audio_s * session.input_format.bytes_per_second))
        saying.commit_id = self._asking.new_event_id()
        commit = session.send(Commit(event_id=saying.commit_id))
        if session.active:
            self._asking.defer(saying.turn)
            return (commit,)
        saying.ask_id = self._asking.new_event_id()
        return (commit, session.send(self._asking.question(saying.turn, saying.ask_id)))

    def _spoken(self, saying: _Saying, speech_end: int, at: int) -> None:
        self.recorder.spoken(saying.turn, speech_end, saying.speech.audio_s)
        if saying.commit_id is not None:
            self.recorder.committed(saying.turn, at, saying.commit_id)
        if saying.ask_id is not None:
            self.recorder.requested(saying.turn, at, saying.ask_id)
        self.connection.notify()


@cache
def _speaker() -> Speaker:
    """The embedded voice, shared by the callers of this process."""
    return Speaker()
