"""
Noise behind callers' voices: white, the babble of other people, or a file.

It is mixed into each utterance once a process, and what goes on the wire is shared by all callers,
as that of a quiet corpus is. Where the voice is stays known from the clean audio: only what the
endpoint makes of it depends on the noise, not where measuring begins.
"""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from harness.audio import PCM16
from harness.corpus import Corpus, load_corpus
from harness.utterances import CorpusError, Utterance, read_audio

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NoisyCorpus", "in_noise", "noise_samples"]


_LENGTH = 12 * PCM16.rate  # samples of the loop of one of these
_SHORTEST = PCM16.rate // 5  # samples: the longest frame
_LEVEL = 0.01  # of full scale, root mean square: what an open microphone hears of it without --snr
_TALKERS = 8
_SEED = 20_111


class NoisyCorpus(Corpus):
    """
    A corpus said in a noisy place.

    Args:
        corpus: What is said.
        noise: ``white``, ``babble``, or a file.
        snr: Of the voice over the noise, dB; ``None``: only who is silent hears the noise, as loud
            as it is.

    Raises:
        CorpusError: If the file can't be read, is too short, or of silence.

    """

    def __init__(self, corpus: Corpus, noise: str | Path, snr: float | None) -> None:
        super().__init__(corpus.utterances)
        self._noise = noise_samples(noise)
        self._snr = snr

    def heard(self, utterance: Utterance) -> Utterance:
        """The utterance with the noise behind it; its marks stay where they were."""
        if self._snr is None:
            return utterance
        samples = utterance.samples.astype(np.float64)
        start = zlib.crc32(utterance.name.encode()) % len(self._noise)
        noise = np.resize(np.roll(self._noise, -start), len(samples))
        gain = _gain(_voiced(samples, utterance), _voiced(noise, utterance), self._snr)
        return msgspec.structs.replace(utterance, samples=_as_int16(samples + gain * noise))

    def idle_audio(self) -> Any:
        """The noise, as loud as it is behind the mean of the utterances."""
        if self._snr is None:
            return _as_int16(self._noise)
        voices = [_voiced(said.samples.astype(np.float64), said) for said in self.utterances]
        return _as_int16(self._noise * _gain(np.concatenate(voices), self._noise, self._snr))


def in_noise(corpus: Corpus, noise: str | Path | None, snr: float | None) -> Corpus:
    """``corpus`` with ``noise`` behind it, if there is any; the same object when asked again."""
    return corpus if noise is None else _in_noise(corpus, noise, snr)


@cache
def _in_noise(corpus: Corpus, noise: str | Path, snr: float | None) -> NoisyCorpus:
    return NoisyCorpus(corpus, noise, snr)


@cache
def noise_samples(noise: str | Path) -> Any:
    """
    A loop of noise, float, at the scale of int16, 24 kHz; the same every time.

    Raises:
        CorpusError: If it is a file that can't be read, is too short, or of silence.

    """
    if isinstance(noise, Path):
        samples = read_audio(noise).astype(np.float64)
        if len(samples) < _SHORTEST:
            raise CorpusError(f"{noise} is shorter than 200 ms: take a longer noise")
        if not samples.any():
            raise CorpusError(f"{noise} is silent: take a noise that can be heard")
        return samples
    rng = np.random.default_rng(_SEED)
    made = rng.standard_normal(_LENGTH) if noise == "white" else _babble(rng)
    return made * (_LEVEL * 32767 / _rms(made))


def _babble(rng: np.random.Generator) -> Any:
    """Several people who talk at once, each to somebody else."""
    shipped = load_corpus().utterances
    talkers = []
    for _ in range(_TALKERS):
        said = [shipped[n].samples for n in rng.permutation(len(shipped))]
        talk = np.resize(np.concatenate(said), _LENGTH).astype(np.float64)
        talkers.append(np.roll(talk, int(rng.integers(_LENGTH))))
    return np.sum(talkers, axis=0)


def _voiced(samples: Any, utterance: Utterance) -> Any:
    """The part of ``samples`` in which somebody speaks: not the pauses."""
    bounds: Sequence[float] = (
        utterance.voice_start,
        *(end for pause in utterance.pauses for end in pause),
        utterance.voice_end,
    )
    places = [round(bound * PCM16.rate) for bound in bounds]
    pairs = zip(places[::2], places[1::2], strict=True)
    return np.concatenate([samples[start:end] for start, end in pairs])


def _gain(voice: Any, noise: Any, snr: float) -> float:
    """What ``noise`` is multiplied by to lie ``snr`` decibels below ``voice``."""
    return float(_rms(voice) / _rms(noise) / 10 ** (snr / 20))


def _rms(samples: Any) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def _as_int16(samples: Any) -> Any:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
