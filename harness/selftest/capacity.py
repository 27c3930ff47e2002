"""How many sessions one core carries before its numbers become wrong: an honest size of worker."""

import os
from collections.abc import Callable, Iterable

import msgspec

from harness.errors import CommandError
from harness.selftest.outcome import ERROR_LIMIT_S, Evidence, Tested, judge
from harness.selftest.play import play
from harness.selftest.scenes import DELTA_S, Scene
from harness.verdict import Level

__all__ = ["Capacity", "Trial", "measure_capacity", "search"]

SECONDS = 10.0  # of one trial
SMALLEST, FIRST, LARGEST = 25, 100, 3200  # sizes
FINE_ENOUGH = 1.15  # the ratio of a size that fails to one that holds
ENDPOINT_LIMIT_S = 0.002  # p99 of its own lateness: then it is what fails

DUTIES = {"push to talk": "none", "open microphone": "server_vad"}

# As much is heard as is said, at playing speed.
_ENDPOINT = (
    *("--answer-audio", "tone", "--delta-ms", f"{DELTA_S * 1000:.0f}", "--speed", "1"),
    *("--answer", "2s", "--ttfa", "uniform(100ms, 300ms)"),
)


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One size, tried."""

    sessions: int
    holds: bool
    why: str = ""  # it does not
    first_audio_error_s: float = 0.0  # worst of a hundred turns
    frame_lateness_p99_s: float = 0.0
    cpu: float = 0.0  # of the core
    starved: float = 0.0  # share of the time in which others had the core
    endpoint_bound: bool = False  # the endpoint was late, not we


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """What one core carries in one duty cycle."""

    duty: str
    sessions: int  # the largest size that held; 0: none did
    at_least: bool  # nothing failed that was ours: there may be room for more
    trials: tuple[Trial, ...]


def measure_capacity(
    *,
    only: int | None = None,
    frame_ms: int,
    tls: bool = False,
    told: Callable[[str, Trial], None],
) -> list[Capacity]:
    """
    Look for the largest size of worker, in both duty cycles.

    Args:
        only: Try this size alone.
        frame_ms: Of the audio in each message.
        tls: Whether callers talk over TLS.
        told: Of each trial as it ends, with its duty cycle.

    """
    found = []
    for duty in DUTIES:

        def attempt(sessions: int, duty: str = duty) -> Trial:
            trial = _attempt(duty, sessions, frame_ms=frame_ms, tls=tls)
            told(duty, trial)
            return trial

        found.append(_capacity(duty, attempt, only))
    return found


def _capacity(duty: str, attempt: Callable[[int], Trial], only: int | None) -> Capacity:
    def twice(sessions: int) -> Trial:
        trial = attempt(sessions)
        return trial if trial.holds else attempt(sessions)  # something else may have run here

    trials = tuple(search(twice) if only is None else (twice(only),))
    best = max((trial.sessions for trial in trials if trial.holds), default=0)
    failed = [trial for trial in trials if not trial.holds]
    at_least = not failed or all(trial.endpoint_bound for trial in failed)
    return Capacity(duty=duty, sessions=best, at_least=at_least, trials=trials)


def search(attempt: Callable[[int], Trial]) -> Iterable[Trial]:
    """Double until a size fails, or halve until one holds; then halve what is between them."""
    holds, fails, size = 0, 0, FIRST
    while SMALLEST <= size <= LARGEST:
        trial = attempt(size)
        yield trial
        if trial.holds:
            holds = size
        else:
            fails = size
        if not fails:
            size *= 2
        elif not holds:
            size //= 2
        elif fails / holds > FINE_ENOUGH:
            size = round((holds + fails) / 2)
        else:
            return


def _attempt(duty: str, sessions: int, *, frame_ms: int, tls: bool) -> Trial:
    scene = Scene(name=duty, share=1.0, endpoint="even", options={"turn_detection": DUTIES[duty]})
    try:
        evidence = play(
            sessions,
            SECONDS,
            scenes=(scene,),
            endpoints={"even": _ENDPOINT},
            frame_ms=frame_ms,
            tls=tls,
            cores=_two_cores(),
        )
    except CommandError as error:
        return Trial(sessions=sessions, holds=False, why=str(error))
    return _judged(sessions, evidence)


def _judged(sessions: int, evidence: Evidence) -> Trial:
    tested = judge(evidence)
    why = _why(tested)
    first_audio = tested.errors.get("first_audio received")
    return Trial(
        sessions=sessions,
        holds=not why,
        why=why,
        first_audio_error_s=first_audio.worst if first_audio else 0.0,
        frame_lateness_p99_s=tested.frame_lateness["p99"],
        cpu=tested.cpu,
        starved=tested.starved,
        endpoint_bound=bool(why) and tested.endpoint_lateness_s > ENDPOINT_LIMIT_S,
    )


def _why(tested: Tested) -> str:
    """What a size fails of; empty if it holds."""
    first_audio = tested.errors.get("first_audio received")
    if first_audio is None:
        return "no answer was measured"
    if first_audio.worst > ERROR_LIMIT_S:
        return f"error of first audio, worst of a hundred: {first_audio.worst * 1e3:.1f} ms"
    if tested.verdict != Level.VALID:
        return f"{tested.verdict}: {tested.reasons[0]}"
    return ""


def _two_cores() -> tuple[int, int] | None:
    """The callers' core and the endpoint's; ``None`` if there is only one for both."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return (cores[-1], cores[0]) if len(cores) > 1 else None
