import pytest

from harness.realtime.dialects import DIALECTS, dialect_of


@pytest.mark.parametrize(
    ("host", "dialect"),
    [
        ("api.openai.com", "openai"),
        ("localhost:8000", "openai"),
        ("acme.openai.azure.com", "azure"),
        ("acme.openai.azure.com/openai/realtime", "azure-preview"),
        ("acme.openai.azure.com?api-version=2025-04-01-preview", "azure-preview"),
    ],
)
def test_a_host_tells_what_it_speaks(host, dialect):
    assert dialect_of(host) == dialect


def test_a_dialect_nobody_speaks_is_refused():
    with pytest.raises(ValueError, match="dialect must be auto, openai, azure"):
        dialect_of("localhost", "klingon")


def test_two_dialects_are_the_betas():
    assert {name for name, known in DIALECTS.items() if known.beta} == {"azure-preview", "beta"}
