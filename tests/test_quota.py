import math

import pytest

from harness.quota import Left, Quotas, room
from harness.realtime.objects import RateLimit

S = 1_000_000_000


def left(remaining, *, limit=100.0, reset_s=60.0, at=0):
    return Left(limit=limit, remaining=remaining, reset_s=reset_s, at=at)


@pytest.mark.parametrize(
    ("quotas", "needs", "now_s", "callers"),
    [
        ({}, {"requests": 6}, 0, math.inf),
        ({"requests": left(30)}, {"requests": 6}, 0, 5),
        ({"requests": left(30), "tokens": left(50)}, {"requests": 6, "tokens": 25}, 0, 2),
        ({"requests": left(0)}, {"requests": 6}, 0, 0),
        ({"requests": left(40)}, {"requests": 6}, 30, 70 / 6),  # half of what is missing is back
        ({"requests": left(40)}, {"requests": 6}, 3600, 100 / 6),
        ({"requests": left(12, reset_s=None)}, {"requests": 6}, 3600, 2),
        ({"requests": left(12, limit=None)}, {"requests": 6}, 3600, 2),
        ({"requests": left(12, reset_s=0.0)}, {"requests": 10}, 0, 10),
        ({"requests": left(12)}, {"requests": 0}, 0, math.inf),
    ],
)
def test_there_is_room_for_as_many_as_what_is_left_allows(quotas, needs, now_s, callers):
    assert room(quotas, needs, now_s * S) == pytest.approx(callers)


def told(quotas, remaining, *, at=0, name="requests", limit=100.0, reset=60.0):
    quotas.told([RateLimit(name=name, limit=limit, remaining=remaining, reset_seconds=reset)], at)


def let_in(quotas, now=0):
    n = 0
    while n < 1000 and quotas.let_in(now):
        n += 1
    return n


def test_as_long_as_nothing_was_told_everybody_may_begin():
    assert let_in(Quotas(turn_s=10.0, tokens=100)) == 1000


def test_those_who_were_let_in_count_before_they_use_anything():
    quotas = Quotas(turn_s=10.0, tokens=100)  # six turns a minute
    told(quotas, 30)

    assert let_in(quotas) == 5
    told(quotas, 29, at=1 * S)
    assert let_in(quotas, 1 * S) == 4


def test_the_scarcest_quota_counts():
    quotas = Quotas(turn_s=10.0, tokens=100)
    told(quotas, 3000, name="tokens", limit=100_000.0)
    told(quotas, 100)

    assert let_in(quotas) == 5


def test_what_callers_really_use_is_learned():
    quotas = Quotas(turn_s=10.0, tokens=100)
    for _ in range(100):
        quotas.used(tokens=100, requests=2, turn_s=5.0)
    told(quotas, 72)

    assert let_in(quotas) == 3  # 24 requests a minute each


def test_an_older_word_does_not_count_after_a_newer_one():
    quotas = Quotas(turn_s=10.0, tokens=100)
    told(quotas, 0, at=2 * S)
    told(quotas, 100, at=1 * S)

    assert let_in(quotas, 2 * S) == 0


def test_what_says_nothing_changes_nothing():
    quotas = Quotas(turn_s=10.0, tokens=100)

    quotas.told([RateLimit(), RateLimit(name="requests"), RateLimit(remaining=0.0)], 0)

    assert let_in(quotas) == 1000
