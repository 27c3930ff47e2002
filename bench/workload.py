"""What every client does: says one utterance, hears an answer of equal length, and again."""

import math
from pathlib import Path

import msgspec

import harness
from harness.audio import PCM16, AudioFormat
from harness.corpus import Speech, load_corpus
from harness.samples import encode_audio
from harness.utterances import Utterance

__all__ = [
    "FORMAT",
    "FRAME_MS",
    "FRAME_NS",
    "QUICK",
    "UTTERANCE",
    "Job",
    "Plan",
    "frames",
    "frames_per_second",
    "offset",
    "recording",
    "simulator_options",
    "speech",
    "turn_seconds",
    "utterance",
    "window_seconds",
]

FORMAT: AudioFormat = PCM16
FRAME_MS = 20
FRAME_NS = FRAME_MS * 1_000_000
UTTERANCE = "opening-hours"  # 1.8 s
TTFA_MS = (20, 40)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long is measured, and what."""

    utterance: str = UTTERANCE
    seconds: float = 20.0  # of the window that is measured, which is a whole number of turns
    turns_before: float = 1.5  # from the first caller's first word: then all talk


QUICK = Plan(utterance="yes-please", seconds=2.0, turns_before=0.5)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a client process is to do."""

    url: str
    sessions: int
    utterance: str
    warm_up_s: float
    seconds: float
    core: int  # to run on
    other_core: int  # the endpoint's
    folder: str  # for what it finds out
    ca_file: str | None = None  # whom to trust; then it talks over TLS
    options: dict[str, str] = {}  # of the workload, for the harness


def utterance(name: str) -> Utterance:
    """What all callers say."""
    found = load_corpus().get(name)
    assert found is not None
    return found


def recording(name: str) -> Path:
    """The file of it."""
    return Path(harness.__file__).parent / "data" / "utterances" / f"{name}.flac"


def speech(name: str) -> Speech:
    """The same as the harness sends it: cut after its last voiced frame."""
    return load_corpus().speech(utterance(name), FORMAT, FRAME_MS)


def frames(name: str) -> list[bytes]:
    """The audio of each frame, for clients that make their own messages."""
    size = FORMAT.frame_bytes(FRAME_MS)
    audio = encode_audio(utterance(name).samples, FORMAT)
    return [audio[size * k : size * (k + 1)] for k in range(len(speech(name).frames))]


def turn_seconds(name: str) -> float:
    """How long a turn takes in the mean: the last delta comes a frame before the answer's end."""
    return 2 * speech(name).audio_s + sum(TTFA_MS) / 2000 - FRAME_MS / 1000


def window_seconds(plan: Plan) -> float:
    """The whole turns that last as long as asked for: whoever began when has as much to do."""
    turn = turn_seconds(plan.utterance)
    return math.ceil(plan.seconds / turn) * turn


def frames_per_second(name: str) -> float:
    """How many frames a session sends in the mean, if nothing is ever late."""
    return len(speech(name).frames) / turn_seconds(name)


def offset(job: Job, caller: int) -> float:
    """Seconds by which a caller begins after the first: at any time half of them speak."""
    return turn_seconds(job.utterance) * caller / job.sessions


def simulator_options(name: str) -> list[str]:
    """An endpoint that answers in real time, with as much audio as was said, frame by frame."""
    low, high = TTFA_MS
    return [
        *("--speed", "1", "--delta-ms", str(FRAME_MS)),
        *("--answer", f"{round(speech(name).audio_s * 1000)}ms"),
        *("--ttfa", f"uniform({low}ms, {high}ms)"),
    ]
