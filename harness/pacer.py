"""
One timer a process that sends every session's frames when they are due.

Due times are absolute: a late frame delays no other. The schedule and the microphone are pure;
only ``Pacer`` knows a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush, heapreplace
from time import monotonic_ns
from typing import Any, Protocol

import gevent

from harness.corpus import Speech
from harness.forks import once_a_process
from harness.hub import hub_watch
from harness.transport import TransportClosed

__all__ = ["Microphone", "Pacer", "Saying", "Schedule", "Stream", "on_beat", "pacer"]

BEAT_NS = 2_000_000
LATE_NS = 20_000_000  # a stall
LONGEST_BATCH_NS = 2_000_000  # then the hub gets to read


def on_beat(at: int) -> int:
    """
    The first instant from ``at`` on at which a caller may begin to send (monotonic ns).

    Callers share a beat, so that many frames are due at once and cost one wake-up; none is sent
    late for it.
    """
    return -(-at // BEAT_NS) * BEAT_NS


class Stream(Protocol):
    """Something that sends on absolute due times."""

    def send(self, due: int) -> int | None:
        """Send what was due; return when the next is, or ``None`` at the end."""

    def fail(self, error: Exception) -> None:
        """It has raised this instead of sending: its session ends, and it is not asked again."""


class Schedule:
    """
    Streams by the instant at which each is due next, in monotonic nanoseconds. Pure.

    Attributes:
        next_due: When something is due next; ``None`` if nothing is.

    """

    def __init__(self) -> None:
        self.next_due: int | None = None
        self._heap: list[tuple[int, int, Stream]] = []
        self._added = 0

    def add(self, stream: Stream, due: int) -> None:
        """Let a stream send at ``due`` first."""
        self._added += 1
        heappush(self._heap, (due, self._added, stream))
        self.next_due = self._heap[0][0]

    def send_one(self) -> None:
        """Let the stream that is due first send; it must not add others meanwhile."""
        heap = self._heap
        due, order, stream = heap[0]
        following = stream.send(due)
        if following is None:
            self.drop_one()
        else:
            heapreplace(heap, (following, order, stream))
            self.next_due = heap[0][0]

    def drop_one(self) -> Stream:
        """Forget the stream that is due first; return it."""
        _, _, stream = heappop(self._heap)
        self.next_due = self._heap[0][0] if self._heap else None
        return stream

    def overdue(self, now: int) -> int:
        """Nanoseconds by which the streams are late, all together."""
        return sum(now - due for due, _, _ in self._heap if due < now)

    def __len__(self) -> int:
        return len(self._heap)


class Saying(Protocol):
    """Who is told how the saying of one utterance goes; instants in monotonic ns."""

    def started(self, at: int) -> None:
        """The first frame was written ``at``."""

    def voiced(self, at: int) -> None:
        """The first voiced frame was written ``at``."""

    def last_words(self) -> tuple[bytes, ...]:
        """Messages to go out in one piece with the last frame."""

    def spoken(self, speech_end: int, at: int) -> None:
        """The last voiced sample was spoken at ``speech_end``; its frame was written ``at``."""


class Microphone:
    """
    A caller's microphone: frames of speech when the caller speaks, else silence or noise, if open.

    Args:
        write: Sends messages in one piece, returns the instant at which it did (ns).
        frame_ns: Duration of a frame.
        wrote: Told of each frame how late it was, and its duration (ns).
        idle: Messages sent in a loop while nobody speaks; none: push to talk.
        failed: Told of a fault of our own, after which nothing is sent any more.

    """

    __slots__ = (
        *(
            "_failed",
            "_frame_ns",
            "_idle",
            "_index",
            "_speaker",
            "_speech",
            "_start",
            "_write",
            "_wrote",
        ),
        *("closed", "due", "frames_sent", "late_at"),
    )

    def __init__(
        self,
        write: Callable[..., int],
        frame_ns: int,
        wrote: Callable[[int, int], None],
        idle: tuple[bytes, ...] = (),
        *,
        failed: Callable[[Exception], None],
    ) -> None:
        self._write = write
        self._frame_ns = frame_ns
        self._wrote = wrote
        self._idle = idle
        self._failed = failed
        self._speech: Speech | None = None
        self._speaker: Saying | None = None
        self._index = 0
        self._start = 0
        self.due = 0  # of the next frame
        self.frames_sent = 0
        self.late_at = 0  # when a frame was last written 20 ms or more too late
        self.closed = False

    @property
    def sending(self) -> bool:
        """Whether a frame is due at some time: then it is in the schedule, and only then."""
        return not self.closed and (self._speech is not None or self.open)

    @property
    def sent_s(self) -> float:
        """Audio sent, in seconds."""
        return self.frames_sent * self._frame_ns / 1e9

    @property
    def open(self) -> bool:
        """Whether it sends while nobody speaks."""
        return bool(self._idle)

    def speak(self, speech: Speech, start: int, speaker: Saying) -> None:
        """
        Say ``speech``; its frame k is due at start + (k + 1) · frame.

        Args:
            speech: Its frames.
            start: Monotonic ns; one that is sending goes on from its last frame instead.
            speaker: Told how it goes.

        """
        self._start = self.due - self._frame_ns if self.sending else start
        self.due = self._start + self._frame_ns
        self._speech, self._speaker, self._index = speech, speaker, 0

    def send(self, due: int) -> int | None:
        """Write the frame that is due."""
        if self.closed:
            return None
        speech = self._speech
        if speech is not None:
            at = self._write_frame(speech)
        elif self._idle:
            at = self._write(self._idle[self.frames_sent % len(self._idle)])
        else:
            return None
        late = at - due
        self._wrote(late, self._frame_ns)
        if late >= LATE_NS:
            self.late_at = at
        self.frames_sent += 1
        self.due = due + self._frame_ns
        if speech is not None:
            self._tell(speech, at, late)
        return self.due if self.sending else None

    def fail(self, error: Exception) -> None:
        """Send nothing any more."""
        self.closed = True
        self._failed(error)

    def _write_frame(self, speech: Speech) -> int:
        frame = speech.frames[self._index]
        if self._index + 1 < len(speech.frames):
            return self._write(frame)
        assert self._speaker is not None
        return self._write(frame, *self._speaker.last_words())

    def _tell(self, speech: Speech, at: int, late: int) -> None:
        index, speaker = self._index, self._speaker
        assert speaker is not None
        self._index = index + 1
        if index == 0:
            speaker.started(at)
        if index == speech.first_voiced_frame:
            speaker.voiced(at)
        if self._index == len(speech.frames):
            self._speech = self._speaker = None
            speaker.spoken(self._start + speech.voice_end_ns + max(0, late), at)


class Pacer:
    """
    Sends what is due in all sessions of this process.

    A timer wakes it in the hub, which costs no switch of greenlets: nothing here may block.
    """

    def __init__(self) -> None:
        self.schedule = Schedule()
        self.sent_ns = 0  # audio written since the process began
        self._watch = hub_watch()
        self._new_timer = gevent.get_hub().loop.timer
        self._timer: Any = None
        self._wakes_at: int | None = None

    def add(self, stream: Stream, due: int) -> None:
        """Let a stream send from ``due`` on (monotonic ns)."""
        self.schedule.add(stream, due)
        if self._wakes_at is None or due < self._wakes_at:
            self._wake_at(due)

    def wrote(self, late: int, frame_ns: int) -> None:
        """Count a frame that was written ``late`` ns after it was due."""
        self.sent_ns += frame_ns
        self._watch.frame_lateness.add(late / 1e9)

    def _wake_at(self, due: int) -> None:
        if self._timer is not None:
            self._timer.close()
        self._wakes_at = due
        self._timer = self._new_timer(max(0.0, (due - monotonic_ns()) / 1e9))
        self._timer.start(self._wake, update=True)

    def _wake(self) -> None:
        try:
            self._send_due(monotonic_ns())
        finally:  # Ctrl-C strikes anywhere
            self._wakes_at = None
            if self.schedule.next_due is not None:
                self._wake_at(self.schedule.next_due)

    def _send_due(self, now: int) -> None:
        """Send all that is due, for 2 ms at most."""
        schedule = self.schedule
        deadline = now + LONGEST_BATCH_NS
        while (due := schedule.next_due) is not None and due <= now:
            try:
                schedule.send_one()
            except TransportClosed:
                schedule.drop_one()  # the session learns of it from its transport
            except Exception as error:  # noqa: BLE001  # of one session: others must not be silenced
                schedule.drop_one().fail(error)
            now = monotonic_ns()
            if now > deadline:
                return


@once_a_process
def pacer() -> Pacer:
    """The pacer of this process."""
    return Pacer()
