"""What happens to responses, where faults are asked for: a script that takes another turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.simulator.agenda import NEVER
from harness.simulator.outbound import hang_up

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from harness.simulator.agenda import Script
    from harness.simulator.faults import Fault
    from harness.simulator.outbound import Out
    from harness.simulator.response import Response

__all__ = ["struck"]

_ERRORS = {
    "server_error": {
        "type": "server_error",
        "code": "server_error",
        "message": "The server had an error while processing your request.",
    },
    "rate_limit_exceeded": {
        "type": "tokens",
        "code": "rate_limit_exceeded",
        "message": "Rate limit reached on tokens per min (TPM).",
    },
}


def struck(fault: Fault, response: Response, rng: random.Random) -> Script:
    """The script of a response to which this happens."""
    script = response.script()
    deltas = response.request.answer.deltas
    anywhere, middle = rng.randrange(deltas + 1), rng.randrange(max(1, deltas - 1)) + 1
    match fault.name:
        case "no-answer":
            yield from _until(script, 0)
            yield NEVER
        case "stop":
            yield from _until(script, middle)
            yield NEVER
        case "disconnect":
            yield from _until(script, anywhere)
            yield hang_up(int(fault.detail))
        case "fail":
            yield from _until(script, rng.choice((0, middle)))
            yield from response.end("failed", error=_ERRORS[fault.detail])
        case "incomplete":
            yield from _until(script, middle)
            yield from response.end("incomplete", fault.detail)
        case _:
            yield from script


def _until(script: Script, deltas: int) -> Iterator[int | Out]:
    """A script up to a number of deltas: with none, to the wait for the first of them."""
    count = 0
    for step in script:
        if isinstance(step, int):
            yield step
            if not deltas:
                return
            continue
        if step.type == "response.done" or (count and step.type.endswith(".done")):
            return
        yield step
        count += step.type.endswith(".delta") and "transcript" not in step.type
        if count and count == deltas:
            return
