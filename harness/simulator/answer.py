"""What an endpoint answers, drawn from a seed: how soon, how long, which tool, which words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.simulator.tool_arguments import example_arguments

if TYPE_CHECKING:
    import random

    from harness.simulator.config import ResponseParams, SessionConfig
    from harness.simulator.settings import Settings

__all__ = ["Answer", "ToolUse", "draw_answer"]

_WORDS_PER_SECOND = 2.6
_TEXT = (
    "Sure, I can help you with that. Let me have a look at what we have for this evening. There is "
    "a table for two by the window at eight, and another one in the garden at half past seven. "
    "Which of them would you like? I can put it under your name right away. You will get a message "
    "with all the details in a moment. If anything changes on your side, just call us again and "
    "we will find another time together. Is there anything else that I can do for you today? "
)
_WORDS = _TEXT.split()


class ToolUse(msgspec.Struct, frozen=True):
    """A function to be called."""

    name: str
    arguments: str  # JSON


class Answer(msgspec.Struct, frozen=True):
    """What to say, or which tool to call instead."""

    first_ns: int  # from the request to the first output
    deltas: int  # of audio
    pieces: tuple[str, ...]  # of the transcript, one a delta
    tool: ToolUse | None = None
    cut_short: bool = False  # by max_output_tokens

    @property
    def words(self) -> str:
        """All that is said."""
        return "".join(self.pieces)


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
    seconds = settings.answer.sample(rng)
    asked, place = rng.random(), rng.randrange(len(_WORDS))
    deltas = max(1, round((seconds * 1000 + settings.silence_ms) / settings.delta_ms))
    most = params.max_output_tokens or config.max_output_tokens
    limit = deltas if most == "inf" else max(1, int(most) * 50 // settings.delta_ms)
    return Answer(
        first_ns=first_ns,
        deltas=min(deltas, limit),
        pieces=_pieces(min(deltas, limit), settings.delta_ms, place),
        tool=_tool(settings, config, params, asked, followup=followup, said=said),
        cut_short=limit < deltas,
    )


def _pieces(deltas: int, delta_ms: int, place: int) -> tuple[str, ...]:
    """The words of each delta, at speaking pace; some deltas carry none."""
    pieces, spoken = [], 0
    for delta in range(1, deltas + 1):
        until = max(1, int(delta * delta_ms / 1000 * _WORDS_PER_SECOND))
        words = [_WORDS[(place + n) % len(_WORDS)] for n in range(spoken, until)]
        pieces.append(" ".join(words) if not spoken else "".join(f" {word}" for word in words))
        spoken = until
    return tuple(pieces)


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
