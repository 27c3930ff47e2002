"""What the callers of a self-test are told to do, as a line of JSON."""

import msgspec

__all__ = ["Job", "Part"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Callers who all do the same."""

    scene: str
    url: str
    sessions: int
    options: dict[str, str]  # of the workload
    talks_over: float | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the process of the callers is to do."""

    parts: list[Part]
    seconds: float  # from the last session dialled; then no turn begins
    folder: str  # where the run directory is made
    core: int | None = None  # the only one to use
