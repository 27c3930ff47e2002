"""Which tools an answer calls: those it is told to, those it is asked for, or by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from harness.simulator.tool_arguments import example_arguments

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from harness.simulator.config import ResponseParams, SessionConfig
    from harness.simulator.settings import Settings

__all__ = ["INPUT_SCHEMA", "Dice", "ToolUse", "choose_tools", "tools_of_server"]

INPUT_SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string"}},
    "required": ["query"],
}
"""What each tool of an MCP server takes."""


class ToolUse(msgspec.Struct, frozen=True):
    """A function to be called, the client's or an MCP server's."""

    name: str
    arguments: str  # JSON
    server: str = ""  # its label; empty: the client runs the function
    needs_approval: bool = False  # by the client


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
    servers: Collection[str] = (),
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
        servers: Labels of the MCP servers whose tools are known.

    """
    tools = params.tools if params.tools is not None else config.tools
    functions = _offered(tools, servers)
    # A session that requires tools would call them forever, if an output were answered by a call.
    choice = params.tool_choice or ("none" if followup else config.tool_choice)
    if not functions or choice == "none":
        return ()
    if isinstance(choice, dict):
        label, wanted = choice.get("server_label", ""), choice.get("name")
        names = [
            name
            for name, function in functions.items()
            if function.get("server_label", "") == label
            and (name == wanted or (label and wanted is None))
        ]
    else:
        hints = f"{params.instructions or ''} {said}"
        names = [name for name in functions if name in hints]
        if not names and (choice == "required" or dice.tool < settings.tool_rate):
            names = _drawn(list(functions), dice, settings.tool_calls)
    if _one_at_a_time(config, params):
        names = names[:1]
    return tuple(_use(functions[name]) for name in names)


def tools_of_server(server: Mapping[str, Any]) -> list[str]:
    """The names of an MCP server's tools: those that are allowed, or one made up."""
    allowed = server.get("allowed_tools")
    if isinstance(allowed, dict):
        allowed = allowed.get("tool_names")
    if not isinstance(allowed, list):
        return [f"ask_{server['server_label']}"]
    return [name for name in allowed if isinstance(name, str)]


def _offered(
    tools: Iterable[dict[str, Any]], servers: Collection[str]
) -> dict[str, dict[str, Any]]:
    """What can be called, by name: functions, and the tools of MCP servers as such."""
    offered: dict[str, dict[str, Any]] = {}
    for tool in tools:
        if tool.get("type", "function") == "function":
            offered[tool["name"]] = tool
        elif tool.get("type") == "mcp" and tool["server_label"] in servers:
            for name in tools_of_server(tool):
                offered.setdefault(name, {**tool, "name": name, "parameters": INPUT_SCHEMA})
    return offered


def _needs_approval(tool: Mapping[str, Any]) -> bool:
    """Whether the client is asked before an MCP server's tool is called: unless it said never."""
    rule = tool.get("require_approval")
    if isinstance(rule, dict):
        never = rule.get("never")
        spared = never.get("tool_names") if isinstance(never, dict) else None
        return tool["name"] not in (spared or ())
    return rule != "never"


def _drawn(names: list[str], dice: Dice, most: int) -> list[str]:
    """From 1 to ``most`` of them, round and round."""
    first, count = int(dice.tool * 1e6), 1 + int(dice.several * most)
    return [names[(first + n) % len(names)] for n in range(count)]


def _one_at_a_time(config: SessionConfig, params: ResponseParams) -> bool:
    asked = params.parallel_tool_calls
    return (config.parallel_tool_calls if asked is None else asked) is False


def _use(function: dict[str, Any]) -> ToolUse:
    name, arguments = function["name"], example_arguments(function.get("parameters"))
    if function.get("type") != "mcp":
        return ToolUse(name, arguments)
    return ToolUse(name, arguments, function["server_label"], _needs_approval(function))
