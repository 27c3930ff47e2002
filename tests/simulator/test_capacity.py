"""A knee that is known: only so many responses are made at a time."""

from dialogue import MS, Dialogue, of, settings, speech

from harness.simulator.capacity import Capacity, Slot
from harness.simulator.endpoint import Endpoint


def test_who_finds_no_place_waits_for_the_first_that_is_free():
    capacity = Capacity(2)

    slots = [capacity.book(at, 100) for at in (0, 10, 20, 30, 500)]

    assert [slot.start for slot in slots] == [0, 10, 100, 110, 500]


def test_any_number_needs_no_place():
    capacity = Capacity(0)

    assert [capacity.book(5, 100) for _ in range(3)] == [Slot(5, 105)] * 3
    capacity.release(Slot(5, 105))


def test_a_place_that_is_given_back_serves_the_next():
    capacity = Capacity(1)
    first = capacity.book(0, 1000)

    capacity.release(first)

    assert capacity.book(50, 100).start == 50


def test_a_promise_is_kept():
    capacity = Capacity(1)
    first, second = capacity.book(0, 1000), capacity.book(10, 100)

    capacity.release(first)

    assert second.start == 1000
    assert capacity.book(20, 100).start == 1100


def crowd(count, **options):
    """Callers who all ask at once; when each hears the first audio, ms, and how long it queued."""
    truths = []
    endpoint = Endpoint(settings(**options), truths.append, "t")
    callers = [Dialogue(endpoint=endpoint, configure={}) for _ in range(count)]
    for caller in callers:
        caller.say(speech(0.2))
    firsts = [of("response.output_audio.delta", caller.wait(60_000))[0]["at"] for caller in callers]
    return [at - 200 for at in firsts], [truth.queued_ns // MS for truth in truths]


def test_beyond_its_capacity_an_endpoint_answers_later_and_later():
    # Each answer is made in 300 ms and nine further deltas of 25 ms.
    firsts, queued = crowd(6, capacity=2, answer="1s")

    assert queued == [0, 0, 525, 525, 1050, 1050]
    assert firsts == [300 + wait for wait in queued]


def test_within_it_nobody_waits():
    firsts, queued = crowd(6, capacity=6, answer="1s")

    assert firsts == [300] * 6
    assert queued == [0] * 6


def test_an_answer_that_is_cancelled_makes_room():
    endpoint = Endpoint(settings(capacity=1, answer="10s", speed=1), name="t")
    first, second = (Dialogue(endpoint=endpoint, configure={}) for _ in range(2))
    first.say()
    first.wait(1000)
    first.send("response.cancel")

    second.append(speech(1.5))
    second.send("input_audio_buffer.commit")
    second.send("response.create")

    assert of("response.output_audio.delta", second.wait(400))[0]["at"] == 1800


def test_who_hangs_up_makes_room_too():
    endpoint = Endpoint(settings(capacity=1, answer="10s", speed=1), name="t")
    first, second = (Dialogue(endpoint=endpoint, configure={}) for _ in range(2))
    first.say()
    first.hang_up()

    second.say()

    assert of("response.output_audio.delta", second.wait(400))[0]["at"] == 800
