"""What an endpoint answers, drawn from a seed: how soon, how long, which words, which tools."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from harness.simulator.phrases import phrases
from harness.simulator.tool_choice import Dice, ToolUse, choose_tools

if TYPE_CHECKING:
    import random
    from collections.abc import Collection

    from harness.simulator.config import ResponseParams, SessionConfig
    from harness.simulator.settings import Settings

__all__ = ["Answer", "draw_answer"]

_FILLERS = 3  # phrases short enough to be said before a tool call


class Answer(msgspec.Struct, frozen=True):
    """What to say, which tools to call then."""

    first_ns: int  # from the request to the first output
    phrase: int  # of those the endpoint has to say
    deltas: int  # of audio; 0: nothing is said, tools are called
    late_ns: tuple[int, ...] = ()  # by which each delta is late; empty: none is
    tools: tuple[ToolUse, ...] = ()
    cut_short: bool = False  # by max_output_tokens

    def offset(self, index: int, pace_ns: int) -> int:
        """When delta ``index`` is due, ns from the first."""
        return index * pace_ns + (self.late_ns[index] if self.late_ns else 0)

    def duration(self, pace_ns: int) -> int:
        """How long it takes to be made, ns; of a text, as long as if it were spoken."""
        return self.first_ns + (self.offset(self.deltas - 1, pace_ns) if self.deltas else 0)


def draw_answer(
    settings: Settings,
    config: SessionConfig,
    params: ResponseParams,
    rng: random.Random,
    *,
    age: float,
    followup: bool,
    said: str,
    servers: Collection[str] = (),
) -> Answer:
    """
    The answer to one request.

    Args:
        settings: Of the endpoint.
        config: Of the session.
        params: Of the request.
        rng: Seeded for this response alone; each draw is made whether it is used or not.
        age: Of the session, seconds.
        followup: Whether a tool's output is what is answered.
        said: Text of the newest message, where the caller may ask for a tool by its name.
        servers: Labels of the MCP servers whose tools are known.

    """
    first_ns = round((settings.ttfa.sample(rng) + settings.drift * age / 60) * 1e9)
    phrase, deltas = _draw_phrase(settings, rng)
    dice = Dice(rng.random(), rng.random(), rng.random())
    tools = choose_tools(
        settings, config, params, dice, followup=followup, said=said, servers=servers
    )
    if tools:
        deltas = 0
        if dice.filler < settings.filler_rate:
            phrase, deltas = _filler(settings, dice.filler / settings.filler_rate)
    most = params.max_output_tokens or config.max_output_tokens
    limit = deltas if most == "inf" else max(1, int(most) * 50 // settings.delta_ms)
    return Answer(
        first_ns=first_ns,
        phrase=phrase,
        deltas=min(deltas, limit),
        late_ns=_draw_lateness(settings, rng, deltas),
        tools=tools if deltas <= limit else (),
        cut_short=limit < deltas,
    )


def _draw_phrase(settings: Settings, rng: random.Random) -> tuple[int, int]:
    """Which phrase, and how many deltas of it: the whole, unless a length was asked for."""
    known = phrases(settings.answer_audio)
    if settings.answer is None:
        phrase = rng.randrange(len(known))
        length_ms = known[phrase].seconds * 1000 + settings.silence_ms
        return phrase, max(1, math.ceil(length_ms / settings.delta_ms))
    length_ms = settings.answer.sample(rng) * 1000 + settings.silence_ms
    phrase = rng.choice([index for index, one in enumerate(known) if one.whole])
    return phrase, max(1, round(length_ms / settings.delta_ms))


def _filler(settings: Settings, chance: float) -> tuple[int, int]:
    """One of the shortest phrases, by ``chance`` from 0 to 1, and how many deltas it takes."""
    known = phrases(settings.answer_audio)
    shortest = sorted(range(len(known)), key=lambda index: known[index].seconds)[:_FILLERS]
    phrase = shortest[int(chance * len(shortest))]
    length_ms = known[phrase].seconds * 1000 + settings.silence_ms
    return phrase, math.ceil(length_ms / settings.delta_ms)


def _draw_lateness(settings: Settings, rng: random.Random, deltas: int) -> tuple[int, ...]:
    """Jitter and a stall of the deltas after the first; they keep their order."""
    stalls, where = rng.random() < settings.stall_rate, rng.random()
    stall = settings.stall.sample(rng) if stalls else 0.0
    if not stalls and not settings.jitter.a and not settings.jitter.b:
        return ()
    at, late = 0, [0]
    for index in range(1, deltas):
        due = index * settings.pace_ns
        wait = settings.jitter.sample(rng) + (stall if index > where * (deltas - 1) else 0.0)
        at = max(at, due + round(wait * 1e9))
        late.append(at - due)
    return tuple(late)
