"""An endpoint under load: jitter, stalls, drift, rate limits, and a limit of sessions."""

from itertools import pairwise

import pytest
from dialogue import Dialogue, error_of, of, settings, speech

from harness.simulator.endpoint import Endpoint
from harness.simulator.rate_limits import RateLimits

MINUTE = 60_000_000_000


def deltas(**options):
    """When the audio deltas of an answer of 2 s come, ms after the first."""
    caller = Dialogue(configure={}, answer="2s", speed=1, **options)
    caller.say()
    at = [event["at"] for event in of("response.output_audio.delta", caller.wait(60_000))]
    return [one - at[0] for one in at]


def test_jitter_makes_deltas_late_but_keeps_their_order():
    at = deltas(jitter="uniform(0ms, 80ms)")

    late = [one - 100 * index for index, one in enumerate(at)]
    assert late[0] == 0
    assert all(0 <= ms <= 80 for ms in late)
    assert len(set(late)) > 5
    assert at == sorted(at)


def test_a_stall_is_one_pause_in_mid_answer():
    at = deltas(stall_rate=1.0, stall="700ms")

    gaps = [b - a for a, b in pairwise(at)]
    assert sorted(gaps) == [100] * 18 + [800]


@pytest.mark.parametrize(("rate", "least", "most"), [(0.0, 0, 0), (0.5, 15, 45), (1.0, 60, 60)])
def test_the_rate_is_the_share_of_answers_that_stall(rate, least, most):
    caller = Dialogue(configure={}, answer="1s", speed=1, stall_rate=rate, stall="5s")
    for _ in range(60):
        caller.say(speech(0.1))
        caller.wait(7000)

    stalled = sum(truth.last_out - truth.first_out > 5e9 for truth in caller.truths)
    assert least <= stalled <= most


def test_latency_grows_with_the_age_of_a_session():
    caller = Dialogue(configure={}, answer="1s", drift=0.6)
    latencies = []
    for _ in range(3):
        caller.say(speech(0.5))
        asked = caller.now // 1_000_000
        latencies.append(of("response.output_audio.delta", caller.wait(59_500))[0]["at"] - asked)

    assert latencies == [305, 905, 1505]


def test_beyond_so_many_requests_a_minute_responses_fail():
    caller = Dialogue(configure={}, answer="1s", requests_per_minute=2)
    for _ in range(3):
        caller.say(speech(0.2))
        caller.wait(3000)

    first, second, third = (event["response"] for event in of("response.done", caller.heard))
    assert [first["status"], second["status"]] == ["completed"] * 2
    assert (third["status"], third["output"]) == ("failed", [])
    error = third["status_details"]["error"]
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    assert error["message"].startswith("Rate limit reached on requests per min (RPM): Limit 2,")


def test_after_a_while_they_are_answered_again():
    caller = Dialogue(configure={}, answer="1s", requests_per_minute=2)
    for wait in (0, 0, 31_000):
        caller.wait(wait)
        caller.say(speech(0.2))
        caller.wait(1000)

    assert [truth.status for truth in caller.truths] == ["completed"] * 3


def test_the_limits_told_are_those_that_hold():
    caller = Dialogue(configure={}, answer="1s", requests_per_minute=4, tokens_per_minute=100)
    caller.say(speech(1.0))

    requests, tokens = caller.last("rate_limits.updated")["rate_limits"]

    caller.wait(3000)
    read = caller.last("response.done")["response"]["usage"]["input_tokens"]
    assert requests == {"name": "requests", "limit": 4, "remaining": 3, "reset_seconds": 15.0}
    assert tokens == {
        "name": "tokens",
        "limit": 100,
        "remaining": 100 - read,
        "reset_seconds": pytest.approx(0.6 * read),
    }


def test_tokens_of_answers_count_too():
    limits = RateLimits(requests=0, tokens=1000)
    assert limits.admit(100, 0) is None
    limits.use(900)

    refused = limits.admit(50, 0)

    assert refused["type"] == "tokens"
    assert refused["message"].endswith("Requested 50. Please try again in 3s.")
    assert limits.admit(50, 3 * MINUTE // 60) is None


def test_what_is_more_than_a_minute_holds_is_taken_when_all_is_there():
    limits = RateLimits(requests=0, tokens=100)

    assert limits.admit(150, 0) is None
    assert limits.admit(1, MINUTE // 4)["type"] == "tokens"
    assert limits.admit(1, MINUTE) is None


def test_without_limits_nobody_is_refused():
    limits = RateLimits(0, 0)

    assert {limits.admit(10**6, 0) for _ in range(20_000)} == {None}
    assert [limit["remaining"] for limit in limits.wire()] == [0, 0]


def test_a_session_too_many_is_told_so_and_closed():
    endpoint = Endpoint(settings(max_sessions=2), name="t")
    first, second = (Dialogue(endpoint=endpoint, configure={}) for _ in range(2))

    third = Dialogue(endpoint=endpoint)

    assert error_of(third.heard)["code"] == "session_limit_reached"
    assert third.session.closing == (1008, "session_limit_reached")
    third.hang_up()
    first.hang_up()
    assert of("session.created", Dialogue(endpoint=endpoint).heard)
    assert of("session.created", second.heard)
    assert endpoint.totals.refused == 1
