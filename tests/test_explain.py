import pytest

from harness.cli import main
from harness.loads import LOAD_OPTIONS
from harness.options import OPTIONS, TIMEOUT_OPTIONS

ALL = [*OPTIONS, *LOAD_OPTIONS, *TIMEOUT_OPTIONS]


@pytest.mark.parametrize("option", ALL, ids=lambda option: option.flag)
def test_every_option_is_explained_with_its_default(option, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")

    assert main(["options"]) == 0

    told = " ".join(capsys.readouterr().out.split())
    default = f" (default: {option.default})" if option.default else ""
    assert f"{option.help}{default}" in told
    assert f" {option.flag} " in told
