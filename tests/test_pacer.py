from dataclasses import dataclass, field
from time import monotonic_ns

import gevent
import pytest
from gevent.event import Event
from hypothesis import given
from hypothesis import strategies as st

from harness.corpus import Speech
from harness.pacer import Microphone, Pacer, Schedule, on_beat
from harness.transport import TransportClosed

FRAME = 20_000_000


def speech(frames: int, *, voice_start: int = 0, voice_end: int | None = None) -> Speech:
    return Speech(
        name="s",
        frames=tuple(f"frame {index}".encode() for index in range(frames)),
        frame_ns=FRAME,
        voice_end_ns=frames * FRAME if voice_end is None else voice_end,
        first_voiced_frame=voice_start // FRAME,
        audio_s=frames * FRAME / 1e9,
    )


@dataclass
class Wire:
    """A transport on a clock of its own: each write takes place ``late`` ns after it was due."""

    late: dict[int, int] = field(default_factory=dict)
    now: int = 0
    written: list[tuple[int, bytes]] = field(default_factory=list)

    def write(self, message: bytes, *following: bytes) -> int:
        self.now += self.late.get(len(self.written), 0)
        self.written += [(self.now, each) for each in (message, *following)]
        return self.now


def microphone_of(*arguments, **more) -> Microphone:
    def never(error):
        raise error

    return Microphone(*arguments, **more, failed=never)


class Told:
    def __init__(self, words=()):
        self.said, self.words = [], words

    def started(self, at):
        self.said.append(("started", at))

    def voiced(self, at):
        self.said.append(("voiced", at))

    def last_words(self):
        return self.words

    def spoken(self, speech_end, at):
        self.said.append(("spoken", speech_end, at))


def run(microphone: Microphone, wire: Wire, due: int, until: int) -> list[int]:
    """Let the microphone send whenever it is due; return the due times."""
    dues = []
    while due is not None and due < until:
        wire.now = max(wire.now, due)
        dues.append(due)
        due = microphone.send(due)
    return dues


def test_frame_k_is_due_when_its_last_sample_has_been_spoken():
    wire, lateness = Wire(), []
    microphone = microphone_of(wire.write, FRAME, lambda late, _: lateness.append(late))
    microphone.speak(speech(3), 1000, Told())

    dues = run(microphone, wire, microphone.due, 10**12)

    assert dues[:3] == [1000 + FRAME, 1000 + 2 * FRAME, 1000 + 3 * FRAME]
    assert [message for _, message in wire.written] == [b"frame 0", b"frame 1", b"frame 2"]
    assert lateness == [0, 0, 0]


def test_a_late_frame_delays_no_other():
    wire, lateness = Wire(late={1: 7_000_000}), []
    microphone = microphone_of(wire.write, FRAME, lambda late, _: lateness.append(late))
    microphone.speak(speech(3), 0, Told())

    run(microphone, wire, microphone.due, 10**12)

    assert [at for at, _ in wire.written] == [FRAME, 2 * FRAME + 7_000_000, 3 * FRAME]
    assert lateness == [0, 7_000_000, 0]


def test_speech_ends_with_its_last_voiced_sample_plus_the_lateness_of_its_frame():
    wire, told = Wire(late={2: 3_000_000}), Told()
    microphone = microphone_of(wire.write, FRAME, lambda *_: None)
    microphone.speak(speech(3, voice_start=25_000_000, voice_end=55_000_000), 0, told)

    run(microphone, wire, microphone.due, 10**12)

    assert told.said == [
        ("started", FRAME),
        ("voiced", 2 * FRAME),
        ("spoken", 55_000_000 + 3_000_000, 3 * FRAME + 3_000_000),
    ]


def test_the_last_words_go_out_in_one_piece_with_the_last_frame():
    wire = Wire(late={1: 3_000_000})
    microphone = microphone_of(wire.write, FRAME, lambda *_: None)
    microphone.speak(speech(2), 0, Told(words=(b"commit", b"ask")))

    run(microphone, wire, microphone.due, 10**12)

    last = 2 * FRAME + 3_000_000
    assert wire.written[1:] == [(last, b"frame 1"), (last, b"commit"), (last, b"ask")]


def test_push_to_talk_sends_nothing_after_the_speech():
    wire = Wire()
    microphone = microphone_of(wire.write, FRAME, lambda *_: None)
    microphone.speak(speech(2), 0, Told())

    run(microphone, wire, microphone.due, 10**12)

    assert len(wire.written) == 2
    assert not microphone.sending


def test_push_to_talk_leaves_the_schedule_with_its_last_frame():
    microphone, schedule = microphone_of(Wire().write, FRAME, lambda *_: None), Schedule()
    microphone.speak(speech(2), 0, Told())
    schedule.add(microphone, microphone.due)
    schedule.send_one()
    assert microphone.sending
    schedule.send_one()

    assert not microphone.sending
    assert len(schedule) == 0


def test_whoever_says_something_else_in_mid_sentence_says_it_in_step():
    wire, told = Wire(), Told()
    microphone = microphone_of(wire.write, FRAME, lambda *_: None)
    microphone.speak(speech(3), 0, Told())
    (following,) = [microphone.send(microphone.due)]
    microphone.speak(speech(1), 5, told)

    assert microphone.due == following == 2 * FRAME
    assert microphone.send(following) is None
    assert told.said[-1] == ("spoken", 2 * FRAME, 0)


def test_an_open_microphone_sends_silence_while_nobody_speaks():
    wire = Wire()
    microphone = microphone_of(wire.write, FRAME, lambda *_: None, idle=(b"hush", b"hiss"))
    microphone.due = FRAME

    dues = run(microphone, wire, FRAME, 5 * FRAME)

    assert dues == [FRAME, 2 * FRAME, 3 * FRAME, 4 * FRAME]
    assert [message for _, message in wire.written] == [b"hush", b"hiss", b"hush", b"hiss"]


def test_an_open_microphone_speaks_in_step_with_its_silence():
    wire, told = Wire(), Told()
    microphone = microphone_of(wire.write, FRAME, lambda *_: None, idle=(b"hush",))
    microphone.due = FRAME
    run(microphone, wire, FRAME, 3 * FRAME)
    microphone.speak(speech(2), 999, told)

    run(microphone, wire, microphone.due, 6 * FRAME)

    assert [message for _, message in wire.written] == [
        *(b"hush", b"hush", b"frame 0", b"frame 1", b"hush")
    ]
    assert [at for at, _ in wire.written] == [FRAME * k for k in range(1, 6)]
    assert told.said[-1] == ("spoken", 4 * FRAME, 4 * FRAME)


def test_a_frame_late_by_20_ms_is_remembered():
    wire = Wire(late={0: 19_999_999, 1: 40_000_000})
    microphone = microphone_of(wire.write, FRAME, lambda *_: None)
    microphone.speak(speech(1), 0, Told())
    run(microphone, wire, microphone.due, 10**12)
    assert microphone.late_at == 0

    microphone.speak(speech(1), 10**9, Told())
    run(microphone, wire, microphone.due, 10**12)
    assert microphone.late_at == 10**9 + FRAME + 40_000_000


def test_a_closed_microphone_sends_nothing():
    wire = Wire()
    microphone = microphone_of(wire.write, FRAME, lambda *_: None, idle=(b"hush",))
    microphone.closed = True

    assert microphone.send(FRAME) is None
    assert wire.written == []


class Every:
    """A stream that sends every ``step`` ns, so many times."""

    def __init__(self, name, step, times, log):
        self.name, self.step, self.times, self.log = name, step, times, log

    def send(self, due):
        self.log.append((due, self.name))
        self.times -= 1
        return due + self.step if self.times else None


@given(
    streams=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.integers(1, 8))),
)
def test_the_schedule_sends_everything_in_the_order_in_which_it_is_due(streams):
    schedule, log = Schedule(), []
    for name, (due, step, times) in enumerate(streams):
        schedule.add(Every(name, step, times, log), due)
    while schedule.next_due is not None:
        schedule.send_one()

    wanted = {
        (due + k * step, name)
        for name, (due, step, times) in enumerate(streams)
        for k in range(times)
    }
    assert [due for due, _ in log] == sorted(due for due, _ in wanted)
    assert set(log) == wanted


def test_overdue_adds_up_what_all_streams_owe():
    schedule = Schedule()
    schedule.add(Every("a", 10, 1, []), 100)
    schedule.add(Every("b", 10, 1, []), 130)
    schedule.add(Every("c", 10, 1, []), 900)

    assert schedule.overdue(150) == 50 + 20


@pytest.mark.parametrize("count", [1, 100])
def test_forgetting_the_first_leaves_the_others(count):
    schedule, log = Schedule(), []
    for name in range(count + 1):
        schedule.add(Every(name, 1, 1, log), name)
    schedule.drop_one()

    assert len(schedule) == count
    assert schedule.next_due == 1


@pytest.mark.parametrize(
    ("at", "begins"),
    [
        (0, 0),
        (1, 2_000_000),
        (1_999_999, 2_000_000),
        (2_000_000, 2_000_000),
        (2_000_001, 4_000_000),
    ],
)
def test_callers_begin_on_a_beat_of_2_ms_and_never_sooner_than_they_want(at, begins):
    assert on_beat(at) == begins


class Sends:
    """A stream that notes when it sends, and tells when it has sent all."""

    def __init__(self, times, step=2_000_000):
        self.times, self.step, self.at, self.over = times, step, [], Event()

    def send(self, due):
        assert gevent.getcurrent() is gevent.get_hub()
        self.at.append((due, monotonic_ns()))
        if len(self.at) == self.times:
            self.over.set()
            return None
        return due + self.step


def test_the_pacer_sends_each_frame_when_it_is_due_and_never_before():
    own, stream = Pacer(), Sends(5)
    start = monotonic_ns()

    own.add(stream, start + 2_000_000)

    assert stream.over.wait(10)
    assert [due for due, _ in stream.at] == [start + k * 2_000_000 for k in range(1, 6)]
    assert all(at >= due for due, at in stream.at)


def test_what_is_added_later_and_due_sooner_is_sent_first():
    own, later, sooner = Pacer(), Sends(1), Sends(1)
    now = monotonic_ns()
    own.add(later, now + 50_000_000)
    own.add(sooner, now + 1_000_000)

    assert later.over.wait(10)
    assert sooner.at[0][1] < later.at[0][1]


def test_the_pacer_starts_again_when_it_had_nothing_to_send():
    own, first, second = Pacer(), Sends(1), Sends(1)
    own.add(first, monotonic_ns())
    assert first.over.wait(10)

    own.add(second, monotonic_ns())

    assert second.over.wait(10)


@pytest.mark.parametrize("fault", [TransportClosed("gone"), ZeroDivisionError()])
def test_a_stream_that_fails_is_dropped_and_the_others_go_on(fault):
    told = []

    class Fails:
        def send(self, due):
            raise fault

        def fail(self, error):
            told.append(error)

    own, stream = Pacer(), Sends(2)
    due = monotonic_ns()
    own.add(Fails(), due)
    own.add(stream, due)

    assert stream.over.wait(10)
    assert len(own.schedule) == 0
    # Of a session that is gone its transport tells.
    assert told == ([] if isinstance(fault, TransportClosed) else [fault])


def test_a_microphone_that_failed_sends_nothing_any_more():
    told = []
    microphone = Microphone(Wire().write, FRAME, lambda *_: None, (b"hush",), failed=told.append)
    fault = ZeroDivisionError()

    microphone.fail(fault)

    assert told == [fault]
    assert not microphone.sending
    assert microphone.send(FRAME) is None
