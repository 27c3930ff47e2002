from hypothesis import given
from hypothesis import strategies as st

from harness.playback import Playback


def test_playing_starts_one_buffer_after_the_first_audio():
    playback = Playback(100)

    assert playback.arrive(1000, 50) == 1100
    assert (playback.started_at, playback.ends_at) == (1100, 1150)


def test_audio_that_comes_in_time_plays_without_a_gap():
    playback = Playback(100)
    playback.arrive(0, 50)

    assert playback.arrive(150, 50) == 150
    assert playback.gaps == []


def test_audio_that_comes_too_late_leaves_a_gap():
    playback = Playback(100)
    playback.arrive(0, 50)

    assert playback.arrive(170, 50) == 170
    assert playback.gaps == [(150, 170)]
    assert playback.ends_at == 220


def test_the_silence_before_another_part_is_no_gap():
    playback = Playback(100)
    playback.arrive(0, 50)
    playback.pause()

    assert playback.arrive(500, 50) == 600
    assert playback.gaps == []


def test_another_part_waits_for_the_one_that_plays():
    playback = Playback(100)
    playback.arrive(0, 1000)
    playback.pause()

    assert playback.arrive(10, 50) == 1100


def test_heard_is_audio_not_silence():
    playback = Playback(100)
    playback.arrive(0, 50)
    before = [playback.heard(now) for now in (0, 100, 120, 150, 160)]
    playback.arrive(170, 50)
    after = [playback.heard(now) for now in (170, 190, 220, 999)]

    assert before == [0, 0, 20, 50, 50]
    assert after == [50, 70, 100, 100]


def test_heard_counts_through_a_second_part():
    playback = Playback(100)
    playback.arrive(0, 50)
    playback.pause()
    playback.arrive(120, 50)

    assert [playback.heard(now) for now in (125, 150, 219, 230, 300)] == [25, 50, 50, 60, 100]


def test_nothing_is_heard_once_stopped():
    playback = Playback(100)
    playback.arrive(0, 1000)
    playback.stop(400)
    playback.stop(700)

    assert playback.heard(900) == 300
    assert playback.ends_at == 400


@given(
    buffer=st.integers(0, 200),
    arrivals=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 300)), min_size=1),
)
def test_time_is_buffer_audio_and_gaps_and_nothing_else(buffer, arrivals):
    playback, now = Playback(buffer), 0
    first = arrivals[0][0]
    for wait, duration in arrivals:
        now += wait
        playback.arrive(now, duration)

    gaps = sum(end - start for start, end in playback.gaps)

    assert playback.ends_at == first + buffer + playback.received + gaps
    assert playback.heard(playback.ends_at) == playback.received
    assert playback.heard(first) == 0
