"""
Make the shipped utterances and answers anew: ``python -m harness.data.make``.

The embedded voice speaks them, the silence at their ends is cut to 100 ms, and where the voice
starts and ends goes into an index, so that a load test needs no neural net to know it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.audio import PCM16
from harness.samples import resample
from harness.speech import store, synthesize
from harness.utterances import Utterance
from harness.voice import find_voice

__all__ = ["ANSWERS", "UTTERANCES"]

UTTERANCES = {
    "table-for-two": "Hi, I'd like a table for two tonight.",
    "at-eight": "At eight, please.",
    "make-it-nine": "Actually, make it nine.",
    "menu": "What's on the menu?",
    "yes-please": "Yes, please.",
    "opening-hours": "What time do you close on Sundays?",
    "table-outside": "Is there a table outside, if the weather stays nice?",
    "nut-allergy": "Do you have anything without nuts? My daughter is allergic.",
    "under-the-name": "It's under the name of Miller.",
    "late-order": "I ordered a pizza an hour ago, and it still hasn't arrived.",
    "order-number": "Yes, one second… It's order number four seven two one.",
    "cancel-booking": "I'm sorry, but I have to cancel my booking for tomorrow.",
    "thats-all": "No, that's all. Thank you very much.",
}

ANSWERS = {
    "greeting": "Hello, this is the Corner Table. How can I help you?",
    "what-time": "Of course, a table for two. What time would you like to come?",
    "booked": "You're all set. We look forward to seeing you.",
    "todays-menu": "Today we have fresh pasta, grilled salmon, and a mushroom risotto.",
    "open-until": "We are open from noon until eleven, every day of the week.",
    "on-its-way": "Let me see. Your order left the kitchen ten minutes ago.",
}

_SILENCE = 0.1  # seconds kept before and after the voice
_DEEPER = 0.82  # the agent's pitch against the caller's: the wheel holds one voice only


def _main() -> None:
    here = Path(__file__).parent
    store(
        [_trimmed(*said, synthesize(said[1])) for said in UTTERANCES.items()], here / "utterances"
    )
    store([_trimmed(*said, _deep(said[1])) for said in ANSWERS.items()], here / "answers")


def _deep(text: str) -> Any:
    """``text`` in a deeper voice: spoken faster, then slowed down to the usual pace."""
    fast = synthesize(text, speed=1 / _DEEPER)
    return resample(fast, round(PCM16.rate * _DEEPER), PCM16.rate)


def _trimmed(name: str, text: str, samples: Any) -> Utterance:
    """The utterance with little silence at its ends, and where the voice is then."""
    rough = find_voice(samples)
    assert rough is not None, f"no voice in {name}"
    start, end = max(0.0, rough.start - _SILENCE), rough.end + _SILENCE
    kept = samples[round(start * PCM16.rate) : round(end * PCM16.rate)]
    voice = find_voice(kept)
    assert voice is not None, f"no voice in {name}, trimmed"
    return Utterance(name, text, kept, voice.start, voice.end, voice.pauses)


if __name__ == "__main__":
    _main()
