"""What can be known before any load starts: asked once, answered in one clear line."""

from harness.adapter import RealtimeAdapter, SessionFailed
from harness.swarm.setup import Setup, SetupError

__all__ = ["probe_targets"]


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
            raise SetupError(f"{endpoint.target}: {failure}") from None
        finally:
            adapter.disconnect()
