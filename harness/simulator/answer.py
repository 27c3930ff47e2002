"""What an endpoint answers, drawn from a seed: how soon, how long, which words, which tool."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from harness.simulator.phrases import phrases
from harness.simulator.tool_arguments import example_arguments

if TYPE_CHECKING:
    import random

    from harness.simulator.config import ResponseParams, SessionConfig
    from harness.simulator.settings import Settings

__all__ = ["Answer", "ToolUse", "draw_answer"]


class ToolUse(msgspec.Struct, frozen=True):
    """A function to be called."""

    name: str
    arguments: str  # JSON


class Answer(msgspec.Struct, frozen=True):
    """What to say, or which tool to call instead."""

    first_ns: int  # from the request to the first output
    phrase: int  # of those the endpoint has to say
    deltas: int  # of audio
    tool: ToolUse | None = None
    cut_short: bool = False  # by max_output_tokens


def draw_answer(
    settings: Settings,
    config: SessionConfig,
    params: ResponseParams,
    rng: random.Random,
    *,
    followup: bool,
    said: str,
) -> Answer:
    """
    The answer to one request.

    Args:
        settings: Of the endpoint.
        config: Of the session.
        params: Of the request.
        rng: Seeded for this response alone; each draw is made whether it is used or not.
        followup: Whether a tool's output is what is answered.
        said: Text of the newest message, where the caller may ask for a tool by its name.

    """
    first_ns = round(settings.ttfa.sample(rng) * 1e9)
    phrase, deltas = _draw_phrase(settings, rng)
    asked = rng.random()
    most = params.max_output_tokens or config.max_output_tokens
    limit = deltas if most == "inf" else max(1, int(most) * 50 // settings.delta_ms)
    return Answer(
        first_ns=first_ns,
        phrase=phrase,
        deltas=min(deltas, limit),
        tool=_tool(settings, config, params, asked, followup=followup, said=said),
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


def _tool(
    settings: Settings,
    config: SessionConfig,
    params: ResponseParams,
    asked: float,
    *,
    followup: bool,
    said: str,
) -> ToolUse | None:
    """The tool to call, if one is asked for."""
    tools = params.tools if params.tools is not None else config.tools
    functions = {tool["name"]: tool for tool in tools if tool.get("type", "function") == "function"}
    # A session that requires tools would call them forever, if an output were answered by a call.
    choice = params.tool_choice or ("none" if followup else config.tool_choice)
    if not functions or choice == "none":
        return None
    name: str | None
    if isinstance(choice, dict):
        name = choice.get("name")
    else:
        hints = f"{params.instructions or ''} {said}"
        name = next((name for name in functions if name in hints), None)
        if name is None and (choice == "required" or asked < settings.tool_rate):
            name = list(functions)[int(asked * 1e6) % len(functions)]
    if name is None or name not in functions:
        return None
    return ToolUse(name, example_arguments(functions[name].get("parameters")))
