import pytest

from harness.cost import Price, Prices, Rate, cost_usd, load_prices, merge_usage, tokens

PRICES = load_prices()

USAGE = {
    "total_tokens": 1_500,
    "input_tokens": 1_000,
    "output_tokens": 500,
    "input_token_details": {
        "text_tokens": 300,
        "audio_tokens": 700,
        "image_tokens": 0,
        "cached_tokens": 600,
        "cached_tokens_details": {"text_tokens": 200, "audio_tokens": 400},
    },
    "output_token_details": {"text_tokens": 100, "audio_tokens": 400},
}


def only(way, kind, count):
    """A usage of one kind of tokens."""
    return {f"{way}_tokens": count, f"{way}_token_details": {f"{kind}_tokens": count}}


@pytest.mark.parametrize(
    ("model", "usd_per_million"),
    [
        ("gpt-realtime-2.1", (4.00, 24.00, 32.00, 64.00, 5.00)),
        ("gpt-realtime-2", (4.00, 24.00, 32.00, 64.00, 5.00)),
        ("gpt-realtime-1.5", (4.00, 16.00, 32.00, 64.00, None)),
        ("gpt-realtime-2.1-mini", (0.60, 2.40, 10.00, 20.00, 0.80)),
    ],
)
def test_a_million_tokens_cost_what_the_table_says(model, usd_per_million):
    kinds = [("input", "text"), ("output", "text"), ("input", "audio"), ("output", "audio")]
    found = [
        cost_usd(model, only(way, kind, 1_000_000), PRICES)
        for way, kind in [*kinds, ("input", "image")]
    ]

    assert found == [pytest.approx(usd) if usd else None for usd in usd_per_million]


def test_cached_tokens_are_part_of_the_input_and_cheaper():
    text = 100 * 4.00 + 200 * 0.40 + 100 * 24.00
    audio = 300 * 32.00 + 400 * 0.40 + 400 * 64.00

    assert cost_usd("gpt-realtime-2.1", USAGE, PRICES) == pytest.approx((text + audio) / 1e6)


def test_tokens_are_told_by_kind():
    assert tokens(USAGE) == {
        "text_input": 100,
        "text_cached": 200,
        "text_output": 100,
        "audio_input": 300,
        "audio_cached": 400,
        "audio_output": 400,
        "image_input": 0,
        "image_cached": 0,
        "image_output": 0,
    }


def test_a_dated_snapshot_costs_what_its_model_does():
    assert cost_usd("gpt-realtime-2.1-2026-08-28", USAGE, PRICES) == cost_usd(
        "gpt-realtime-2.1", USAGE, PRICES
    )


@pytest.mark.parametrize("model", ["", "gpt-realtime-9", "gpt-realtime-2.1-maxi", "llama"])
def test_an_unknown_model_is_unpriced_and_never_free(model):
    assert cost_usd(model, USAGE, PRICES) is None
    assert cost_usd(model, {"total_tokens": 0}, PRICES) is None


@pytest.mark.parametrize("usage", [None, {}])
def test_no_usage_has_no_cost(usage):
    assert cost_usd("gpt-realtime-2.1", usage, PRICES) is None


def test_a_response_of_no_tokens_costs_nothing():
    assert cost_usd("gpt-realtime-2.1", {"total_tokens": 0}, PRICES) == 0.0


def test_tokens_a_server_does_not_tell_apart_are_never_understated():
    plain = {
        "input_tokens": 1_000,
        "output_tokens": 100,
        "input_token_details": {"cached_tokens": 300},
    }

    assert tokens(plain) == {
        "text_input": 0,
        "text_cached": 0,
        "text_output": 0,
        "audio_input": 1_000,
        "audio_cached": 0,
        "audio_output": 100,
        "image_input": 0,
        "image_cached": 0,
        "image_output": 0,
    }


@pytest.mark.parametrize(
    "junk",
    [
        {"input_tokens": "many", "output_tokens": None, "input_token_details": 5},
        {"input_tokens": -5, "output_tokens": True, "output_token_details": [1]},
        {"input_token_details": {"text_tokens": {}, "cached_tokens_details": "x"}},
        {"input_tokens": 1e300, "seconds": float("nan")},
    ],
)
def test_junk_counts_as_nothing(junk):
    assert sum(tokens(junk).values()) == 0
    assert cost_usd("gpt-realtime-2.1", junk, PRICES) == 0.0
    assert merge_usage(junk, junk) is not None


def test_more_cached_than_sent_is_all_that_was_sent():
    usage = {
        "input_token_details": {
            "audio_tokens": 10,
            "cached_tokens": 50,
            "cached_tokens_details": {"audio_tokens": 50},
        }
    }

    assert (tokens(usage)["audio_input"], tokens(usage)["audio_cached"]) == (0, 10)


# Transcription.

TRANSCRIBER = Price(text=Rate(input=1.25, output=5.00), audio=Rate(input=3.00))
BY_TOKEN = Prices(PRICES.date, {**PRICES.models, "by-token": TRANSCRIBER})


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("gpt-realtime-whisper", {"type": "duration", "seconds": 30.0}, 0.017 / 2),
        (
            "by-token",
            {"type": "tokens", **only("input", "audio", 1_000), "output_tokens": 100}
            | {"output_token_details": {"text_tokens": 100}},
            (1_000 * 3.00 + 100 * 5.00) / 1e6,
        ),
        ("gpt-realtime-whisper", {"type": "tokens", "input_tokens": 5}, None),
        ("gpt-realtime-2.1", {"type": "duration", "seconds": 5}, None),
    ],
)
def test_transcription_is_paid_by_its_own_model(model, usage, usd):
    assert cost_usd(model, usage, BY_TOKEN) == (usd if usd is None else pytest.approx(usd))


def test_a_turn_costs_its_responses_and_its_transcription():
    whole = merge_usage(USAGE, {"transcription": {"type": "duration", "seconds": 60}})
    both = cost_usd("gpt-realtime-2.1", whole, PRICES, transcription_model="gpt-realtime-whisper")

    assert both == pytest.approx(cost_usd("gpt-realtime-2.1", USAGE, PRICES) + 0.017)
    assert cost_usd("gpt-realtime-2.1", whole, PRICES) is None


def test_a_transcript_in_tokens_without_details_is_text():
    usage = {"type": "tokens", **only("input", "audio", 1_000), "output_tokens": 100}

    assert cost_usd("by-token", usage, BY_TOKEN) == pytest.approx(0.0035)


# Adding up.


def test_usages_add_up():
    assert merge_usage(None, None) is None
    assert merge_usage(None, USAGE) == USAGE
    assert merge_usage(USAGE, None) == USAGE
    twice = merge_usage(USAGE, USAGE)
    assert twice["input_token_details"]["cached_tokens_details"]["audio_tokens"] == 800
    assert cost_usd("gpt-realtime-2", twice, PRICES) == pytest.approx(
        2 * cost_usd("gpt-realtime-2", USAGE, PRICES)
    )


def test_what_no_usage_has_is_left_out():
    assert merge_usage({"total_tokens": 1, "secret": "x"}, {"more": {"a": 1}}) == {
        "total_tokens": 1
    }


def test_adding_changes_neither_side():
    usage = {"input_token_details": {"text_tokens": 1}}
    merge_usage(usage, usage)

    assert usage == {"input_token_details": {"text_tokens": 1}}


# Tables.


def test_the_shipped_table_is_dated():
    assert PRICES.date.isoformat() == "2026-11-22"


def test_a_table_of_ones_own(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text('date = "2027-01-01"\n[models.mine]\naudio = { input = 1.0, output = 2.0 }\n')
    prices = load_prices(path)

    assert isinstance(prices, Prices)
    assert cost_usd("mine", only("output", "audio", 500_000), prices) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "date = 5",
        "not toml",
        'date = "2027-01-01"\n[models.m]\naudio = 5',
        'date = "2027-01-01"\n[models.m.audio]\ninputs = 5',
        'date = "2027-01-01"\n[models.m.audio]\ninput = -5',
        'date = "2027-01-01"\n[models.m.audio]\ninput = inf',
        "date = " + "[" * 3000,
    ],
)
def test_a_file_that_is_no_price_table_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "prices.toml"
    path.write_text(text)

    with pytest.raises(ValueError, match=r"prices\.toml is no price table: ") as raised:
        load_prices(path)

    assert "\n" not in str(raised.value)


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is no price table"):
        load_prices(tmp_path / "none.toml")
