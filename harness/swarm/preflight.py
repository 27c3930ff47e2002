"""What can be known before any load starts: asked once, answered in one clear line."""

from harness.adapter import RealtimeAdapter, SessionFailed
from harness.swarm.setup import Setup, SetupError

__all__ = ["probe_targets"]

_KEY = "check the API key (OPENAI_API_KEY, or AZURE_OPENAI_API_KEY on Azure)"
_HOST = "check --host, and that the endpoint is up"
_CURES = {
    **dict.fromkeys(("dns", "tcp"), _HOST),
    **dict.fromkeys(("http_401", "http_403", "invalid_api_key", "authentication_error"), _KEY),
    **dict.fromkeys(("http_400", "http_404", "http_405"), "check the path of --host"),
    "upgrade": "check the path of --host; is it wss:// instead of ws://?",
    **dict.fromkeys(("http_429", "http_503"), "the endpoint is full: try later"),
    "model_not_found": "check --model",
    "session.created": "is that a realtime endpoint? check --host",
}
"""What to do about it, by the code of the failure."""


def probe_targets(setup: Setup) -> None:
    """
    Open and close one session with each target.

    Raises:
        SetupError: If a target is out of reach, refuses us or is no realtime endpoint.

    """
    for endpoint in setup.endpoints.values():
        adapter = RealtimeAdapter(endpoint, setup.workload)
        try:
            adapter.connect()
        except SessionFailed as failure:
            cure = _CURES.get(failure.code)
            advice = f" -> {cure}" if cure else ""
            raise SetupError(f"{endpoint.target}: {failure}{advice}") from None
        finally:
            adapter.disconnect()
