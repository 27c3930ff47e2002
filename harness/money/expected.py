"""What a turn is expected to cost: by what turns have cost, and before any has, by its tokens."""

from collections import defaultdict
from typing import Any

import msgspec

from harness.cost import Prices, cost_usd

__all__ = [
    "ANSWER_TOKENS",
    "SPEECH_TOKENS",
    "TRANSCRIPT_TOKENS",
    "Expected",
    "Talk",
    "turn_usd",
    "usage_of",
]

SPEECH_TOKENS = 10.0
"""Audio tokens of a second that the caller speaks."""

ANSWER_TOKENS = 20.0
"""Audio tokens of a second of answer."""

TRANSCRIPT_TOKENS = 4.0
"""Text tokens of its transcript: about three words."""

PRIOR = 3  # turns that what is known beforehand weighs as much as
LAST = 2000  # of a session: later ones are taken to cost as much


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn of a conversation consists of, on average."""

    says_s: float = 3.0  # seconds of speech
    hears_s: float = 6.0  # seconds of answer
    instructions: int = 0  # tokens of instructions and tools
    answers: float = 1.0  # responses of a turn: more than one where tools are called


def usage_of(talk: Talk, number: int, *, cached: bool) -> dict[str, Any]:
    """
    The usage of one turn, as in ``response.done``: the whole conversation so far is read again.

    Args:
        talk: Its turns.
        number: Of the turn in its session, from 0.
        cached: Whether all that the turn before it read is cached: more can't be.

    """
    audio, text = _context(talk, number)
    old_audio, old_text = _context(talk, number - 1) if cached and number else (0.0, 0.0)
    n = talk.answers
    made_audio, made_text = talk.hears_s * ANSWER_TOKENS, talk.hears_s * TRANSCRIPT_TOKENS
    return {
        "total_tokens": n * (audio + text) + made_audio + made_text,
        "input_tokens": n * (audio + text),
        "output_tokens": made_audio + made_text,
        "input_token_details": {
            "audio_tokens": n * audio,
            "text_tokens": n * text,
            "cached_tokens": n * (old_audio + old_text),
            "cached_tokens_details": {"audio_tokens": n * old_audio, "text_tokens": n * old_text},
        },
        "output_token_details": {"audio_tokens": made_audio, "text_tokens": made_text},
        "transcription": {"seconds": talk.says_s},
    }


def _context(talk: Talk, number: int) -> tuple[float, float]:
    """Audio and text tokens that are read to answer a turn."""
    heard = number * talk.hears_s
    audio = (number + 1) * talk.says_s * SPEECH_TOKENS + heard * ANSWER_TOKENS
    return audio, talk.instructions + heard * TRANSCRIPT_TOKENS


def turn_usd(
    model: str,
    prices: Prices,
    talk: Talk,
    number: int,
    *,
    cached: bool,
    transcription: str | None = None,
) -> float | None:
    """What the usage of a turn costs, as of ``usage_of``; ``None`` if a model is unpriced."""
    usage = usage_of(talk, number, cached=cached)
    if transcription is None:
        del usage["transcription"]
    return cost_usd(model, usage, prices, transcription_model=transcription)


class Expected:
    """
    What the next turns cost, learned turn by turn.

    What is known beforehand takes nothing to be cached, and gives way to what turns really cost: of
    the same number in their session or, of a number that few have reached, of those before it. The
    conversation that is read again grows by as much with each turn, so that costs lie on a line.

    Args:
        model: Of the responses.
        prices: The table; the model is in it.
        talk: What turns are taken to consist of beforehand.
        transcription: The model that transcribes what callers say, if any.

    """

    def __init__(
        self, model: str, prices: Prices, talk: Talk, transcription: str | None = None
    ) -> None:
        self._model = model
        self._prices = prices
        self._talk = talk
        self._transcription = transcription
        self._known: dict[int, float] = {}
        self._seen: defaultdict[int, int] = defaultdict(int)
        self._cost: defaultdict[int, float] = defaultdict(float)

    def usd(self, number: int) -> float:
        """Of the turn of this number in its session, from 0."""
        number = min(number, LAST)
        cost, seen = self._cost.get(number, 0.0), self._seen.get(number, 0)
        return (PRIOR * self._guess(number) + cost) / (PRIOR + seen)

    def learn(self, number: int, usd: float) -> None:
        """A turn of this number has cost so much."""
        number = min(number, LAST)
        self._seen[number] += 1
        self._cost[number] += usd

    def _guess(self, number: int) -> float:
        """By the turns before it."""
        last = next((n for n in range(number - 1, -1, -1) if self._seen.get(n, 0) >= PRIOR), None)
        if last is None:
            return self._prior(number)
        if not last:
            # One point makes no line: costs are taken to grow as they were expected to.
            first = self._prior(0)
            return self._mean(0) * (self._prior(number) / first if first else 1.0)
        slope = max(0.0, self._mean(last) - self._mean(0)) / last if self._seen.get(0) else 0.0
        return self._mean(last) + slope * (number - last)

    def _mean(self, number: int) -> float:
        return self._cost[number] / self._seen[number]

    def _prior(self, number: int) -> float:
        if number not in self._known:
            usd = turn_usd(
                *(self._model, self._prices, self._talk, number),
                cached=False,
                transcription=self._transcription,
            )
            self._known[number] = usd or 0.0
        return self._known[number]
