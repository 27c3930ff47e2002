import pytest

from harness.options import parse_workload
from harness.paid import check_money, is_paid
from harness.realtime.endpoint import parse_endpoint


def endpoint(host):
    return parse_endpoint(host, api_key="a-key")


def leads_to(*addresses):
    return lambda host: addresses


@pytest.mark.parametrize(
    ("host", "addresses", "paid"),
    [
        ("ws://127.0.0.1:8000", (), False),
        ("ws://localhost:8000", (), False),
        ("ws://[::1]:8000", (), False),
        ("wss://10.1.2.3", (), False),
        ("wss://192.168.0.7", (), False),
        ("ws://gateway:4000", (), False),
        ("ws://gateway:4000", ("172.17.0.2",), False),
        ("ws://gateway:4000", ("8.8.8.8",), True),
        ("wss://voice.lan", ("8.8.8.8",), True),
        ("ws://gateway.default.svc", (), False),
        ("wss://voice.company.example", ("10.0.0.4", "fd00::4"), False),
        ("wss://voice.company.example", ("10.0.0.4", "192.88.99.9"), True),
        ("wss://voice.company.example", ("192.88.99.9",), True),
        ("wss://voice.company.example", (), True),
        ("wss://8.8.8.8", ("8.8.8.8",), True),
        ("wss://api.openai.com", ("10.0.0.4",), True),
        ("wss://ours.openai.azure.com", ("10.0.0.4",), True),
    ],
)
def test_a_host_is_paid_unless_it_is_known_to_be_of_ones_own(host, addresses, paid):
    assert is_paid(endpoint(host), resolve=leads_to(*addresses)) is paid


def test_a_host_named_as_free_costs_nothing_and_is_not_looked_up():
    assert not is_paid(endpoint("wss://api.openai.com"), free=("api.openai.com",))
    assert is_paid(endpoint("wss://api.openai.com"), free=("openai.com",))


def refusal(host, **values):
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        check_money([endpoint(host)], parse_workload(values), leads_to())
    return str(refused.value)


def test_a_paid_host_needs_a_budget():
    said = refusal("wss://api.openai.com")

    assert said.startswith("wss://api.openai.com:443 costs money: say how much by --max-cost USD")
    check_money([endpoint("wss://api.openai.com")], parse_workload({"max_cost": "1"}))
    check_money([endpoint("wss://api.openai.com")], parse_workload({"free": "api.openai.com"}))


@pytest.mark.parametrize("host", ["wss://api.openai.com", "ws://127.0.0.1:8000"])
def test_a_budget_needs_prices_wherever_it_is_kept(host):
    assert "model 'my-own' is unpriced" in refusal(host, max_cost="1", model="my-own")
    # Its price is by the minute: it says nothing of answers.
    assert "is unpriced" in refusal(host, max_cost="1", model="gpt-realtime-whisper")
    said = refusal(host, max_cost="1", transcription="someone-elses")
    assert "transcription model 'someone-elses' is unpriced" in said


def test_a_table_of_ones_own_prices_a_model(tmp_path):
    table = tmp_path / "prices.toml"
    table.write_text(
        "date = 2026-11-22\n[models.my-own]\n"
        "text = { input = 1, output = 2 }\naudio = { input = 3, output = 4 }\n"
    )
    workload = parse_workload({"max_cost": "1", "model": "my-own", "prices": str(table)})

    check_money([endpoint("wss://api.openai.com")], workload)


@pytest.mark.parametrize("text", ["0", "-1", "much", "nan", "inf"])
def test_a_budget_is_an_amount(text):
    with pytest.raises(ValueError, match="--max-cost: must be an amount of USD above 0"):
        parse_workload({"max_cost": text})


def test_what_is_free_is_named_by_host_alone():
    assert parse_workload({"free": "One.example; two.example"}).free == (
        "one.example",
        "two.example",
    )
    with pytest.raises(ValueError, match="--free: must be the name of a host alone"):
        parse_workload({"free": "wss://one.example"})
