import msgspec
import pytest
from caller import Caller
from endpoint import running_simulator

from harness.corpus import Corpus, load_corpus
from harness.forecast import Assumed, forecast, talk_of
from harness.options import parse_workload
from harness.stages import steps

CORPUS = Corpus([load_corpus().get("menu")])
SAYS = CORPUS.utterances[0].voice_end
MINUTE = Assumed(users=1, spawn_rate=1e9, run_time_s=60.0, answer_s=5.0, ttfa_s=1.0, wait_s=2.0)


def foretold(assumed=MINUTE, **options):
    return forecast(parse_workload({"pause": "400ms", **options}), CORPUS, assumed)


def test_a_turn_is_said_answered_heard_and_followed_by_a_pause():
    plan = foretold(turns="4", jitter_buffer="100ms")

    assert plan.turn_s == pytest.approx(SAYS + 1.0 + 5.0 + 0.1 + 0.4)
    assert plan.call_s == pytest.approx(0.5 + 4 * plan.turn_s)


def test_callers_call_again_and_again_and_turns_that_have_begun_are_heard_out():
    cycle = foretold(turns="2").call_s + 2.0

    plan = foretold(msgspec.structs.replace(MINUTE, users=10, run_time_s=3.1 * cycle), turns="2")

    assert plan.calls == 10 * 4
    assert plan.turns == 10 * (3 * 2 + 1)


def test_a_ramp_takes_from_the_calls_there_is_time_for():
    at_once = msgspec.structs.replace(MINUTE, users=100, run_time_s=600.0)
    slow = msgspec.structs.replace(at_once, spawn_rate=100 / 600)

    assert foretold(slow).turns == pytest.approx(foretold(at_once).turns / 2, rel=0.1)
    assert foretold(slow).full_after_s == pytest.approx(600)


def test_callers_of_a_step_call_from_then_on_until_the_end():
    cycle = foretold(turns="2").call_s + 2.0
    stages = steps((10, 30), rate=1e9, seconds=2 * cycle)
    shaped = msgspec.structs.replace(
        MINUTE, users=30, run_time_s=stages.duration * 0.999, stages=stages.lasting(3.999 * cycle)
    )

    plan = foretold(shaped, turns="2")

    assert plan.calls == 10 * 4 + 20 * 2
    assert plan.turns == 2 * plan.calls
    assert plan.full_after_s == pytest.approx(2 * cycle)
    low, high = plan.plateaus
    assert (low.callers, high.callers) == (10, 30)
    assert high.messages_sent == pytest.approx(3 * low.messages_sent) == plan.sent.messages
    assert high.tokens_per_minute == plan.tokens_per_minute
    assert (low.until_s, high.until_s) == pytest.approx((2 * cycle, 3.999 * cycle))


def test_calls_that_fall_due_by_a_schedule_are_as_many_as_it_says():
    scheduled = msgspec.structs.replace(MINUTE, users=100, arrivals=0.5, run_time_s=600.0)
    plan = foretold(scheduled)

    assert plan.calls == 300
    assert plan.at_once == pytest.approx(0.5 * plan.call_s)
    few = foretold(msgspec.structs.replace(scheduled, users=2))
    assert few.at_once == pytest.approx(2)


def test_a_call_of_some_length_has_as_many_turns_as_fit():
    plan = foretold(msgspec.structs.replace(MINUTE, call_length_s=600.0))

    assert plan.call_s == pytest.approx(600, abs=plan.turn_s)
    assert plan.turns_per_call == round(599.5 / plan.turn_s)


def test_an_open_microphone_sends_all_the_time():
    held, opened = foretold(), foretold(turn_detection="server_vad")

    share = opened.call_s / (opened.call_s + 2.0)
    assert opened.sent.messages == pytest.approx(share * 50, rel=0.02)  # 20 ms frames
    assert held.sent.messages < opened.sent.messages / 3


def test_tokens_of_a_minute_grow_with_the_call():
    minutes = foretold(turns="60").minutes

    inputs = [minute.input for minute in minutes[:-1]]
    assert inputs == sorted(inputs)
    assert inputs[5] > 5 * inputs[0]
    assert all(minute.cached < minute.input for minute in minutes)
    assert [minute.minute for minute in minutes] == list(range(1, len(minutes) + 1))


def test_a_call_costs_from_all_cached_to_nothing_cached():
    """Ten minutes of gpt-realtime: some half a dollar cached, some nine if not."""
    assumed = msgspec.structs.replace(MINUTE, run_time_s=600.0, answer_s=6.0)

    usd = foretold(assumed, turns="60", model="gpt-realtime-2.1").usd_call

    assert 0.4 < usd.most_cached < 1.0
    assert 6.0 < usd.none_cached < 12.0


def test_what_a_run_costs_is_what_its_turns_do():
    plan = foretold(msgspec.structs.replace(MINUTE, run_time_s=5.0), turns="4")
    one = foretold(turns="1")

    assert plan.turns == 1
    assert plan.usd == one.usd_call


def test_what_is_unpriced_is_not_free():
    plan = foretold(model="our-own")

    assert plan.usd is None
    assert plan.usd_call is None


def test_tools_instructions_and_greetings_are_read_and_answered():
    talk = talk_of(parse_workload({"instructions": "x" * 400, "tool_rate": "0.5"}), CORPUS)

    assert talk.instructions > 100
    assert talk.answers == 1.5
    greeted, plain = (foretold(turns="4", speaks_first=yes).call_s for yes in ("yes", ""))
    assert greeted == pytest.approx(plain + foretold().turn_s)


def test_a_real_call_sends_and_receives_what_was_foretold():
    options = {"turns": "3", "listen": "playback", "pause": "0s"}
    with running_simulator("--ttfa", "50ms", "--answer", "2s") as simulator:
        caller = Caller(simulator.url, **options)
        with caller.call as call:
            for _ in range(3):
                call.say(CORPUS.utterances[0])
    assumed = msgspec.structs.replace(MINUTE, answer_s=2.0, ttfa_s=0.05)
    plan = foretold(assumed, **options)

    cycle = plan.call_s + assumed.wait_s
    ended = caller.ended
    assert plan.sent.messages * cycle == pytest.approx(ended.messages_sent, rel=0.05)
    assert plan.sent.mbit * cycle / 8e-6 == pytest.approx(ended.bytes_sent, rel=0.05)
    assert plan.received.messages * cycle == pytest.approx(ended.messages_received, rel=0.2)
    assert plan.received.mbit * cycle / 8e-6 == pytest.approx(ended.bytes_received, rel=0.1)
    assert plan.usd_call.most_cached == pytest.approx(ended.cost_usd, rel=0.2)
