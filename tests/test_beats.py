import pytest

from harness.beats import next_beat

S = 1_000_000_000


@pytest.mark.parametrize(
    ("every", "after", "beat"),
    [
        (15.0, 0, 5),  # the wall clock stands at 1000 s: the next multiple of 15 is 1005
        (15.0, 5, 5),  # a beat is not before itself
        (15.0, 5.1, 20),
        (0.25, 0.1, 0.25),
        (60.0, 0, 20),
    ],
)
def test_a_beat_is_a_multiple_on_the_wall_clock(every, after, beat):
    now = 77 * S  # of this process

    found = next_beat(every, now + round(after * S), wall=1000 * S, now=now)

    assert (found - now) / S == pytest.approx(beat)


def test_processes_whose_clocks_began_elsewhere_find_the_same_instant():
    here = next_beat(7.0, 50 * S, wall=1_790_000_000 * S, now=50 * S)
    there = next_beat(7.0, 9_000 * S, wall=1_790_000_000 * S, now=9_000 * S)

    assert here - 50 * S == there - 9_000 * S
