"""What an endpoint says: words with the moments at which they begin, and how they sound."""

from __future__ import annotations

import itertools
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from harness.audio import PCM16

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.utterances import Utterance

__all__ = ["SOUNDS", "Phrase", "phrases"]

SOUNDS = ("speech", "tone", "silence")

_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")
_TAIL = 0.1  # seconds of silence kept after the last word
_WORDS_PER_SECOND = 2.6
_SYLLABLES = 4.0  # a second
_PITCH = 125.0  # Hz
_PEAK = 9000  # of 32768, -11 dBFS
_MADE_UP = (
    "Sure, I can help you with that. Let me have a look at what we have for this evening. There is "
    "a table for two by the window at eight, and another one in the garden at half past seven. "
    "Which of them would you like? I can put it under your name right away. You will get a message "
    "with all the details in a moment. If anything changes on your side, just call us again and "
    "we will find another time together. Is there anything else that I can do for you today?"
)


class Phrase(msgspec.Struct, frozen=True, eq=False):
    """Something to say, whole sentences."""

    words: tuple[str, ...]
    begins: tuple[float, ...]  # when each of them does, seconds
    samples: Any  # int16 array, mono, 24 kHz
    whole: bool = True  # no beginning of a longer one

    @property
    def seconds(self) -> float:
        """How long it takes to say."""
        return len(self.samples) / PCM16.rate


@cache
def phrases(sound: str) -> tuple[Phrase, ...]:
    """All that an endpoint has to say, made once: as ``speech``, ``tone`` or ``silence``."""
    if sound == "speech":
        from harness.utterances import load_answers

        return tuple(
            itertools.chain.from_iterable(_spoken(utterance) for utterance in load_answers())
        )
    return tuple(_made_up(text, sound) for text in _SENTENCE_END.split(_MADE_UP))


def _spoken(utterance: Utterance) -> Iterator[Phrase]:
    """An utterance, and its beginnings that end with a sentence."""
    sentences = _SENTENCE_END.split(utterance.text)
    edges = [utterance.voice_start, *itertools.chain(*utterance.pauses), utterance.voice_end]
    voiced = list(zip(edges[::2], edges[1::2], strict=True))
    if len(sentences) != len(voiced):  # a pause within a sentence
        sentences, voiced = [utterance.text], [(utterance.voice_start, utterance.voice_end)]
    for count in range(1, len(sentences) + 1):
        yield _phrase(
            sentences[:count], voiced[:count], utterance.samples, whole=count == len(sentences)
        )


def _phrase(
    sentences: Sequence[str], voiced: Sequence[tuple[float, float]], samples: Any, *, whole: bool
) -> Phrase:
    """Sentences, each said from when to when, its words as long as they are written."""
    words: list[str] = []
    begins: list[float] = []
    for sentence, (start, end) in zip(sentences, voiced, strict=True):
        spelled = sentence.split()
        letters = [0, *itertools.accumulate(len(word) + 1 for word in spelled)]
        words += spelled
        begins += [start + (end - start) * before / letters[-1] for before in letters[:-1]]
    until = round((voiced[-1][1] + _TAIL) * PCM16.rate)
    return Phrase(tuple(words), tuple(begins), samples[:until], whole)


def _made_up(text: str, sound: str) -> Phrase:
    """A sentence as a hum, or as silence of its length."""
    seconds = len(text.split()) / _WORDS_PER_SECOND
    samples = _hum(seconds)
    return _phrase(
        [text], [(0.0, seconds)], samples if sound == "tone" else samples * 0, whole=True
    )


def _hum(seconds: float) -> Any:
    """A hum of syllables, loud from its first sample and never silent: int16 at 24 kHz."""
    at = np.arange(int(seconds * PCM16.rate)) / PCM16.rate
    phase = 2 * np.pi * _PITCH * at + 0.4 * np.sin(2 * np.pi * 2.5 * at)
    tone = sum(np.cos(n * phase) / n for n in range(1, 16))
    loudness = 0.55 + 0.45 * np.cos(2 * np.pi * _SYLLABLES * at)
    sound = tone * loudness
    return (sound / np.abs(sound).max() * _PEAK).astype(np.int16)
