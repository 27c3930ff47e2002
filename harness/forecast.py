"""What a load test will send, take and cost, by what its options say. Pure."""

import msgspec

from harness.corpus import Corpus
from harness.money.expected import Talk
from harness.options import Workload
from harness.tools import SimulatedTools

__all__ = ["ANSWER_S", "talk_of"]

ANSWER_S = 6.0
"""Seconds of an answer, as long as nobody knows better: two sentences or three."""

LETTERS = 4  # of a text token


def talk_of(workload: Workload, corpus: Corpus, answer_s: float = ANSWER_S) -> Talk:
    """
    What a turn consists of on average, as far as is known before the first.

    Args:
        workload: What callers do.
        corpus: What they say, each utterance as often as another.
        answer_s: Seconds of an answer.

    """
    said = [utterance.voice_end for utterance in corpus.utterances]
    letters = len(workload.instructions)
    if workload.tool_rate or workload.tool_choice:
        letters += len(msgspec.json.encode(SimulatedTools(workload.tool_latency).schemas))
    return Talk(
        says_s=sum(said) / len(said),
        hears_s=answer_s,
        instructions=letters // LETTERS,
        answers=1 + workload.tool_rate,
    )
