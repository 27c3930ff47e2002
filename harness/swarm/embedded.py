"""The embedded simulator: the endpoint that is called when no host was named."""

import secrets
from pathlib import Path

from harness.errors import CommandError
from harness.simulator.process import SimulatorProcess

__all__ = ["embedded_simulator"]

LATENCY = "lognormal(300ms, 0.3)"  # of its answers, so that there is something to look at


def embedded_simulator(folder: Path) -> SimulatorProcess:
    """
    A simulator that was started; its log is ``truth-<id>.jsonl`` in ``folder``.

    Raises:
        CommandError: If it does not start.

    """
    log = folder.absolute() / f"truth-{secrets.token_hex(3)}.jsonl"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        simulator = SimulatorProcess(("--ttfa", LATENCY), log)
        simulator.start()
    except OSError as error:
        raise CommandError(f"the embedded simulator can't start: {error}") from None
    return simulator
