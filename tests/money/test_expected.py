import pytest

from harness.cost import Price, Prices, Rate, cost_usd, load_prices
from harness.money.expected import Expected, Talk, usage_of

TALK = Talk(says_s=3, hears_s=5, instructions=100)
MODEL = "gpt-realtime-2.1"
PRICES = load_prices()


def test_a_turn_reads_the_whole_conversation_again():
    first, third = usage_of(TALK, 0, cached=False), usage_of(TALK, 2, cached=False)

    assert first["input_token_details"] == {
        "audio_tokens": 30,  # 3 s at 10 a second
        "text_tokens": 100,
        "cached_tokens": 0,
        "cached_tokens_details": {"audio_tokens": 0, "text_tokens": 0},
    }
    assert first["output_token_details"] == {"audio_tokens": 100, "text_tokens": 20}
    # Three times what was said, twice what was answered, with its transcripts.
    assert third["input_token_details"]["audio_tokens"] == 3 * 30 + 2 * 100
    assert third["input_token_details"]["text_tokens"] == 100 + 2 * 20


def test_at_most_what_the_turn_before_read_is_cached():
    before, turn = usage_of(TALK, 3, cached=True), usage_of(TALK, 4, cached=True)

    assert turn["input_token_details"]["cached_tokens"] == before["input_tokens"]
    assert usage_of(TALK, 0, cached=True)["input_token_details"]["cached_tokens"] == 0


def test_turns_with_tools_read_once_more_for_each_response():
    plain, tools = TALK, Talk(says_s=3, hears_s=5, instructions=100, answers=1.5)

    read = [usage_of(talk, 1, cached=False)["input_tokens"] for talk in (plain, tools)]
    assert read[1] == 1.5 * read[0]


def test_beforehand_a_turn_costs_what_its_tokens_do_with_nothing_cached():
    expected = Expected(MODEL, PRICES, TALK)

    usage = usage_of(TALK, 2, cached=False)
    del usage["transcription"]
    assert expected.usd(2) == pytest.approx(cost_usd(MODEL, usage, PRICES))


def test_transcription_is_paid_by_its_own_price():
    plain = Expected(MODEL, PRICES, TALK)
    written = Expected(MODEL, PRICES, TALK, transcription="gpt-realtime-whisper")

    assert written.usd(0) - plain.usd(0) == pytest.approx(3 / 60 * 0.017)


def test_what_turns_cost_takes_the_place_of_what_was_known_beforehand():
    expected = Expected(MODEL, PRICES, TALK)

    for _ in range(300):
        expected.learn(0, 0.02)

    assert expected.usd(0) == pytest.approx(0.02, rel=0.01)


def test_later_turns_that_nobody_has_had_yet_are_scaled_as_the_others_were():
    expected = Expected(MODEL, PRICES, TALK)
    before = expected.usd(5)

    for _ in range(1000):
        expected.learn(0, expected._prior(0) / 2)

    assert expected.usd(5) == pytest.approx(before / 2, rel=0.01)


def test_costs_that_grow_by_as_much_with_each_turn_are_foreseen():
    expected = Expected(MODEL, PRICES, TALK)

    for number in range(4):
        for _ in range(100):
            expected.learn(number, 0.01 + 0.002 * number)

    assert expected.usd(4) == pytest.approx(0.018, rel=0.01)
    assert expected.usd(9) == pytest.approx(0.028, rel=0.01)


def test_what_is_cached_is_not_taken_to_cost_ever_more():
    """A crowd that goes from turn to turn together: nobody has had the next one yet."""
    expected = Expected(MODEL, PRICES, TALK)

    for number in range(1, 8):
        for _ in range(20):
            expected.learn(number - 1, 0.01)
        assert expected.usd(number) == pytest.approx(0.01, rel=0.1 if number > 1 else 3)


def test_turns_that_cost_nothing_are_expected_to_cost_ever_less_but_never_nothing():
    expected = Expected(MODEL, PRICES, TALK)

    for _ in range(100):
        expected.learn(0, 0.0)

    assert 0 < expected.usd(0) < 0.001


def test_a_model_that_costs_nothing_is_no_trouble():
    free = Price(text=Rate(input=0, output=0), audio=Rate(input=0, output=0))
    expected = Expected("own", Prices(PRICES.date, {"own": free}), TALK)

    expected.learn(0, 0.0)

    assert expected.usd(3) == 0
