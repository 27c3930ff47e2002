"""The harness is broken on purpose: its verdict and its error must show it."""

import time
from statistics import median
from time import monotonic_ns

import gevent
import pytest
from crowd import observe
from endpoint import running_simulator
from loop import keep_busy

from harness import call, health, line, pacer
from harness.connection import Connection
from harness.records import Flag
from harness.verdict import Level

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

MS = 1_000_000
BUSY = 20 * MS  # ns: the simulator itself may lose its processor between a stamp and the send
LATEST = 250 * MS  # for so long at most


@pytest.fixture(scope="module")
def simulator():
    ttfa = ("--ttfa", "uniform(50ms, 250ms)")
    with running_simulator("--answer", "400ms", "--delta-ms", "20", "--speed", "2", *ttfa) as sim:
        yield sim


@pytest.fixture(scope="module")
def sound(simulator):
    """What nobody broke."""
    return observe(simulator)


def burn():
    """User code that takes half of the processor, 50 ms at a time."""
    while True:
        keep_busy(50 * MS)
        gevent.sleep(0.05)


def burn_at_first():
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        keep_busy(50 * MS)
        gevent.sleep(0.05)


@pytest.fixture
def fresh_pacer(monkeypatch):
    """A pacer that runs as the test has broken it; that of the process goes on as it is."""
    own = pacer.Pacer()
    for user in (pacer, call, line, health):
        monkeypatch.setattr(user, "pacer", lambda: own)


def errors(observed):
    return [error for _, error in observed.answered()]


def test_a_sound_harness_is_right_to_the_millisecond(sound):
    assert len(sound.turns) >= 12
    assert median(errors(sound)) <= MS
    assert all(error >= 0 for error in errors(sound))
    assert min(sound.late_speech) <= 2 * MS
    assert sound.facts.audio_sent_s == pytest.approx(sound.facts.audio_due_s, rel=0.02)


@pytest.mark.parametrize("vad", ["none", "server_vad"])
def test_code_that_burns_makes_turns_suspect_and_leaves_no_mark_wrong_unawares(simulator, vad):
    seen = observe(simulator, callers=10, seconds=5, during=burn_at_first, turn_detection=vad)
    answered = list(seen.answered())
    calm = sorted(error for turn, error in answered if Flag.SUSPECT not in turn.flags)

    assert seen.level is not Level.VALID
    assert "suspect_turns" in seen.struck
    if len(calm) >= 10:  # of those that began when it was over; a busy machine leaves fewer
        assert calm[len(calm) * 9 // 10] <= 2 * MS
    unexplained = [error - turn.uncertainty.get("first_audio", 0) for turn, error in answered]
    assert all(error >= 0 for _, error in answered)
    assert sorted(unexplained)[len(unexplained) * 9 // 10] <= BUSY
    assert max(unexplained) <= LATEST


def test_a_blocked_hub_is_suspect_and_its_marks_are_uncertain(simulator):
    seen = observe(simulator, during=burn)

    assert seen.level is not Level.VALID
    assert {"suspect_turns", "frame_lateness", "read_lag"} <= seen.struck
    assert all(Flag.SUSPECT in turn.flags for turn in seen.turns)
    assert any(turn.uncertainty for turn in seen.turns)
    assert max(seen.late_speech) > 5 * MS  # half of the time nothing can be sent, up to 50 ms long
    assert sum(second.stalls for second in seen.health) >= 10


def test_sleeping_after_each_send_makes_speech_slow_and_it_shows(
    simulator, sound, fresh_pacer, monkeypatch
):
    def run(self):
        """Send, sleep for a frame, send: what each send takes is never made up for."""
        while True:
            now = monotonic_ns()
            for _ in range(len(self.schedule)):
                if self.schedule.next_due - now < 20 * MS:
                    self.schedule.send_one()
                gevent.sleep(0.0002)
            gevent.sleep(0.020)

    def add(self, stream, due):
        self.schedule.add(stream, due)
        self.running = getattr(self, "running", None) or gevent.spawn(run, self)

    monkeypatch.setattr(pacer.Pacer, "add", add)
    seen = observe(simulator)

    assert seen.level is not Level.VALID
    assert "frame_lateness" in seen.struck
    assert median(seen.late_speech) > max(10 * MS, median(sound.late_speech))


def test_a_late_timer_makes_frames_late_and_it_shows(simulator, sound, fresh_pacer, monkeypatch):
    wake_at = pacer.Pacer._wake_at
    monkeypatch.setattr(pacer.Pacer, "_wake_at", lambda self, due: wake_at(self, due + 30 * MS))
    seen = observe(simulator)

    assert seen.level is not Level.VALID
    assert {"frame_lateness", "suspect_turns"} <= seen.struck
    assert median(seen.late_speech) > max(5 * MS, median(sound.late_speech))


def test_decoding_before_the_time_is_taken_makes_marks_late_and_it_shows(
    simulator, sound, monkeypatch
):
    hear = Connection._on_message

    def slowly(self, data, at, uncertainty):
        keep_busy(6 * MS)
        hear(self, data, monotonic_ns(), uncertainty)

    monkeypatch.setattr(Connection, "_on_message", slowly)
    seen = observe(simulator)

    assert seen.level is not Level.VALID
    assert "read_lag" in seen.struck
    assert seen.merged("read_lag").quantile(0.5) > sound.merged("read_lag").quantile(0.5)
    assert min(errors(seen)) >= 6 * MS
    assert median(errors(seen)) > median(errors(sound)) + 5 * MS
