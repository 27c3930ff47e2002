"""What the callers of a self-test do, and what the endpoints they call are known to do."""

import msgspec

from harness.records import Outcome

__all__ = ["BUFFER_S", "DELTA_S", "ENDPOINTS", "FRAME_MS", "SCENES", "SILENCE_S", "Scene", "cast"]

FRAME_MS = 20
BUFFER_S = 0.1  # the callers' jitter buffer
SILENCE_S = 0.12  # before the first audible sample of each answer
DELTA_S = 0.1  # of audio in each delta

_SOUND = (
    *("--answer-audio", "tone", "--delta-ms", f"{DELTA_S * 1000:.0f}"),
    *("--silence-ms", f"{SILENCE_S * 1000:.0f}"),
)

ENDPOINTS = {
    "quick": ("--ttfa", "uniform(150ms, 450ms)", "--answer", "uniform(600ms, 1.4s)", *_SOUND),
    "paced": ("--ttfa", "uniform(150ms, 450ms)", "--answer", "4s", "--speed", "1", *_SOUND),
    "slow": ("--ttfa", "300ms", "--answer", "1.6s", "--speed", "0.8", *_SOUND),
    "silent": ("--ttfa", "1h", "--model", "the-only-one"),
}
"""Options of ``realtime-harness simulate``, by the name that scenes know an endpoint by."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of caller."""

    name: str
    share: float  # of all sessions
    endpoint: str  # one of ENDPOINTS
    options: dict[str, str] = {}  # of the workload
    talks_over: float | None = None  # seconds of each answer that are heard before
    outcomes: frozenset[Outcome] = frozenset({Outcome.COMPLETED})  # that its turns must have
    refused: bool = False  # whether its sessions must be


SCENES = (
    Scene(name="talk", share=0.35, endpoint="quick"),
    Scene(
        name="open microphone",
        share=0.25,
        endpoint="quick",
        options={"turn_detection": "server_vad"},
    ),
    Scene(
        name="tools",
        share=0.15,
        endpoint="quick",
        options={"tool_rate": "1", "tool_latency": "uniform(100ms, 200ms)"},
    ),
    Scene(
        name="barge-in",
        share=0.1,
        endpoint="paced",
        talks_over=0.5,
        outcomes=frozenset({Outcome.CANCELLED, Outcome.COMPLETED}),  # the last is heard out
    ),
    Scene(name="gaps", share=0.1, endpoint="slow"),
    Scene(
        name="no answer",
        share=0.03,
        endpoint="silent",
        options={"timeout_first_audio": "700ms", "model": "the-only-one"},
        outcomes=frozenset({Outcome.TIMEOUT}),
    ),
    Scene(name="refused", share=0.02, endpoint="silent", outcomes=frozenset(), refused=True),
)
"""Delays, gaps, tool times, cancels and faults, all of them known."""


def cast(sessions: int, scenes: tuple[Scene, ...] = SCENES) -> dict[str, int]:
    """How many of ``sessions`` callers play each scene: one at least, if there are enough."""
    parts = {scene.name: int(n < sessions) for n, scene in enumerate(scenes)}
    for _ in range(sessions - sum(parts.values())):
        missing = {scene.name: scene.share * sessions - parts[scene.name] for scene in scenes}
        parts[max(missing, key=lambda name: missing[name])] += 1
    return parts
