import pytest
from hypothesis import HealthCheck, settings

# The same examples each time: what is new is looked for by ``make fuzz``, not by chance. A busy
# machine may take its time over them; what is slow shows in benches.
settings.register_profile(
    "harness", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("harness")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """Nothing that earlier runs kept on this machine is found."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
