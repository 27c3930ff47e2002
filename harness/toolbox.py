"""The tool calls of one conversation: taken when complete, answered when the backend is done."""

from __future__ import annotations

import random
from collections.abc import Sequence
from time import monotonic_ns
from typing import Any

import msgspec

from harness.tool_calls import ToolRequest
from harness.tools import Backend, Functions, SimulatedTools, ToolAnswer
from harness.workload import Workload

__all__ = ["DueAnswer", "Toolbox"]


class DueAnswer(msgspec.Struct, frozen=True):
    """What to answer a call with, and when (monotonic ns)."""

    request: ToolRequest
    answer: ToolAnswer
    due: int


class Toolbox:
    """
    A backend, and the calls that it has not answered yet.

    Args:
        tools: Functions of the locustfile; none: a simulated backend, offered to the endpoint if
            the workload asks for tools.
        workload: How long the simulated backend takes, and how often it fails.
        seed: Of the caller's randomness.

    """

    def __init__(self, tools: Sequence[Any], workload: Workload, seed: int) -> None:
        self._backend: Backend = (
            Functions(tools)
            if tools
            else SimulatedTools(workload.tool_latency, workload.tool_failure_rate)
        )
        self._seed = seed
        self._rng: random.Random | None = None  # 2.5 kB that most callers don't need
        self._waiting: list[DueAnswer] = []
        offered = bool(tools or workload.tool_rate or workload.tool_choice)
        self.schemas: list[dict[str, Any]] = self._backend.schemas if offered else []

    def take(self, requests: Sequence[ToolRequest]) -> None:
        """Ask the backend; a locustfile's function runs here, in the caller's greenlet."""
        rng = self._rng = self._rng or random.Random(self._seed)
        for request in requests:
            answer = self._backend.answer(request.name, request.arguments, rng)
            due = monotonic_ns() + int(answer.delay * 1e9)
            self._waiting.append(DueAnswer(request, answer, due))

    def forget(self) -> None:
        """Answer none of those that wait: who called is gone."""
        self._waiting.clear()

    @property
    def next_due(self) -> int | None:
        """When the backend answers next."""
        return min((answer.due for answer in self._waiting), default=None)

    def due(self, now: int) -> list[DueAnswer]:
        """Take what is to be written by ``now``."""
        ready = [answer for answer in self._waiting if answer.due <= now]
        if ready:
            self._waiting = [answer for answer in self._waiting if answer.due > now]
        return ready
