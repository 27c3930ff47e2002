"""Which tools an answer calls: those it is told to, those it is asked for, or by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from harness.simulator.tool_arguments import example_arguments

if TYPE_CHECKING:
    from harness.simulator.config import ResponseParams, SessionConfig
    from harness.simulator.settings import Settings

__all__ = ["Dice", "ToolUse", "choose_tools"]


class ToolUse(msgspec.Struct, frozen=True):
    """A function to be called."""

    name: str
    arguments: str  # JSON


class Dice(NamedTuple):
    """What chance says of an answer, each from 0 to 1."""

    tool: float  # whether a tool is called, and which
    several: float  # how many
    filler: float  # whether something is said before


def choose_tools(
    settings: Settings,
    config: SessionConfig,
    params: ResponseParams,
    dice: Dice,
    *,
    followup: bool,
    said: str,
) -> tuple[ToolUse, ...]:
    """
    The tools to call, none if none is asked for.

    Args:
        settings: Of the endpoint.
        config: Of the session.
        params: Of the request.
        dice: Drawn for this answer.
        followup: Whether a tool's output is what is answered.
        said: Text of the newest message, where the caller may ask for tools by their names.

    """
    tools = params.tools if params.tools is not None else config.tools
    functions = {tool["name"]: tool for tool in tools if tool.get("type", "function") == "function"}
    # A session that requires tools would call them forever, if an output were answered by a call.
    choice = params.tool_choice or ("none" if followup else config.tool_choice)
    if not functions or choice == "none":
        return ()
    if isinstance(choice, dict):
        names = [name for name in functions if name == choice.get("name")]
    else:
        hints = f"{params.instructions or ''} {said}"
        names = [name for name in functions if name in hints]
        if not names and (choice == "required" or dice.tool < settings.tool_rate):
            names = _drawn(list(functions), dice, settings.tool_calls)
    if _one_at_a_time(config, params):
        names = names[:1]
    return tuple(_use(functions[name]) for name in names)


def _drawn(names: list[str], dice: Dice, most: int) -> list[str]:
    """From 1 to ``most`` of them, round and round."""
    first, count = int(dice.tool * 1e6), 1 + int(dice.several * most)
    return [names[(first + n) % len(names)] for n in range(count)]


def _one_at_a_time(config: SessionConfig, params: ResponseParams) -> bool:
    asked = params.parallel_tool_calls
    return (config.parallel_tool_calls if asked is None else asked) is False


def _use(function: dict[str, Any]) -> ToolUse:
    return ToolUse(function["name"], example_arguments(function.get("parameters")))
