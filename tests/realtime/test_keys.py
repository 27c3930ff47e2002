import pytest

from harness.realtime.keys import Secret, resolve_key

ALL = {
    "OPENAI_REALTIME_API_KEY": "realtime",
    "OPENAI_API_KEY": "openai",
    "AZURE_OPENAI_API_KEY": "azure",
}


@pytest.mark.parametrize(
    ("vendor", "environ", "explicit", "key"),
    [
        ("openai", ALL, "given", "given"),
        ("openai", ALL, None, "realtime"),
        ("openai", {"OPENAI_API_KEY": "openai"}, None, "openai"),
        ("openai", {"OPENAI_REALTIME_API_KEY": "", "OPENAI_API_KEY": "openai"}, "", "openai"),
        ("openai", {"OPENAI_API_KEY": " openai\n"}, None, "openai"),
        ("openai", {"AZURE_OPENAI_API_KEY": "azure"}, None, ""),
        ("azure", ALL, None, "azure"),
        ("azure", {"OPENAI_API_KEY": "openai"}, None, ""),
        ("openai", {}, None, ""),
    ],
)
def test_the_explicit_key_wins_then_the_environments(vendor, environ, explicit, key):
    assert resolve_key(vendor, environ, explicit) == key


@pytest.mark.parametrize("key", ["sk-5ecret sk-other", "sk-5ecret\nX: y", "sk-5ecreté", "5ecret\0"])
def test_a_key_no_header_can_carry_is_refused_by_the_name_of_its_variable(key):
    with pytest.raises(ValueError, match="OPENAI_API_KEY holds") as raised:
        resolve_key("openai", {"OPENAI_API_KEY": key})

    assert "5ecret" not in str(raised.value)


def test_a_secret_shows_as_stars():
    secret = Secret("5ecret")

    assert (str(secret), repr(secret), f"{secret:}", f"{secret!r:>6}") == ("'***'",) * 3 + (
        " '***'",
    )
    assert secret.reveal() == "5ecret"


def test_secrets_are_equal_when_they_are():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert not Secret()
