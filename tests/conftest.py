import pytest
from hypothesis import settings

# A busy machine may take its time over an example; what is slow shows in benches.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """Nothing that earlier runs kept on this machine is found."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
