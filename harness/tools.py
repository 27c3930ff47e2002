"""
Functions that the endpoint may call: a locustfile's own, or a simulated backend.

A tool's JSON schema comes from the signature and docstring of its function. Nothing here sleeps:
an answer says how long the backend takes, and whoever holds the conversation waits.
"""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, Protocol, get_type_hints

import docstring_parser
import msgspec

from harness.durations import Distribution

__all__ = [
    "Backend",
    "Functions",
    "SimulatedTools",
    "Tool",
    "ToolAnswer",
    "named_in",
    "others_of",
    "tool",
    "tools_of",
]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def others_of(server: str) -> str:
    """What tools of an MCP server are called whose own names are not known in advance."""
    return f"{server}.other"


def named_in(session: Mapping[str, Any]) -> list[str]:
    """The tools of MCP servers that a session's configuration names, each after its server."""
    tools, names = session.get("tools"), []
    for tool in tools if isinstance(tools, list) else ():
        if not isinstance(tool, Mapping) or tool.get("type") != "mcp":
            continue
        server, allowed = str(tool.get("server_label")), tool.get("allowed_tools")
        if isinstance(allowed, Mapping):
            allowed = allowed.get("tool_names")
        names.append(others_of(server))
        names += [f"{server}.{name}" for name in (allowed if isinstance(allowed, list) else ())]
    return names


class ToolAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a call of the endpoint is answered with."""

    output: str  # JSON
    outcome: str = "ok"  # or error, unknown: as recorded
    valid: bool = True  # the arguments were a JSON object that fits the tool's schema
    delay: float = 0.0  # seconds that the backend takes, to be waited for before answering


class Backend(Protocol):
    """Something that answers the endpoint's function calls."""

    @property
    def schemas(self) -> list[dict[str, Any]]:
        """The tools it offers, as in ``session.tools``."""

    def answer(self, name: str, arguments: str, rng: random.Random) -> ToolAnswer:
        """Answer one call; never raises, whatever the arguments are."""


class Tool:
    """
    A function or method that the endpoint may call.

    It can still be called directly; as a method it binds to its instance as methods do.

    Raises:
        TypeError: If no schema can be made of the signature.

    """

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        self.name = str(name or getattr(function, "__name__", ""))
        if not _NAME.fullmatch(self.name):
            raise TypeError(f"{self.name!r} is no name of a tool: letters, digits, _ and - only")
        documented = docstring_parser.parse(inspect.getdoc(function) or "")
        told = {each.arg_name: each.description or "" for each in documented.params}
        self.description = "\n".join(
            filter(None, (documented.short_description, documented.long_description))
        )
        self._arguments = _arguments_struct(function, self.name, told)
        self._function = function
        self.parameters = _schema(self._arguments)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself."""
        return self._function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Tool:
        if instance is None:
            return self
        bound = Tool.__new__(Tool)
        bound.__dict__.update(self.__dict__)
        bound._function = self._function.__get__(instance, owner)
        return bound

    def __repr__(self) -> str:
        return f"Tool({self.name})"

    @property
    def schema(self) -> dict[str, Any]:
        """As in ``session.tools``."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }

    def answer(self, arguments: str) -> ToolAnswer:
        """Run the function with arguments in JSON, and return what it returns as JSON."""
        try:
            given = msgspec.json.decode(arguments or "{}", type=self._arguments)
        except (ValueError, RecursionError) as error:
            return _failure(f"bad arguments: {error}", valid=False)
        values = {name: getattr(given, name) for name in given.__struct_fields__}
        known = {name: value for name, value in values.items() if value is not msgspec.UNSET}
        try:
            output = msgspec.json.encode(self._function(**known)).decode()
        except Exception as error:  # noqa: BLE001 - the function is the user's, its fault a result
            return _failure(f"{type(error).__name__}: {error}")
        return ToolAnswer(output=output)


def tool(function: Callable[..., Any] | None = None, *, name: str | None = None) -> Any:
    """
    Make a function or method of a locustfile one that the endpoint may call.

    Its schema is made of the annotations; descriptions come from the docstring, Google, NumPy or
    reST style. What it returns must be encodable as JSON.

    Args:
        function: What is decorated.
        name: As the endpoint sees it; the function's own if left out.

    """
    if function is None:
        return lambda decorated: Tool(decorated, name)
    return Tool(function, name)


def tools_of(owner: object) -> list[Tool]:
    """The decorated methods of an object, bound to it."""
    names = [
        name for name in dir(type(owner)) if isinstance(getattr(type(owner), name, None), Tool)
    ]
    return [getattr(owner, name) for name in names]


class Functions:
    """
    Tools that run in this process.

    Raises:
        ValueError: If two have one name.

    """

    def __init__(self, tools: Iterable[Tool | Callable[..., Any]]) -> None:
        self._tools: dict[str, Tool] = {}
        for each in tools:
            made = each if isinstance(each, Tool) else Tool(each)
            if made.name in self._tools:
                raise ValueError(f"there are two tools called {made.name}")
            self._tools[made.name] = made

    @property
    def schemas(self) -> list[dict[str, Any]]:
        """The tools, as in ``session.tools``."""
        return [each.schema for each in self._tools.values()]

    def answer(self, name: str, arguments: str, rng: random.Random) -> ToolAnswer:
        """Run the tool of that name."""
        if name not in self._tools:
            return _failure(f"there is no tool {name}", outcome="unknown")
        return self._tools[name].answer(arguments)


LOOK_UP: dict[str, Any] = {
    "type": "function",
    "name": "look_up",
    "description": "Look up anything the caller asks about: opening hours, prices, availability.",
    "parameters": {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "What to look up."}},
        "required": ["query"],
    },
}
"""The tool offered by those who bring none."""


class SimulatedTools:
    """
    A backend for those who bring none: answers any call, after a while, and fails at times.

    Args:
        latency: How long it takes, in seconds.
        failure_rate: Share of calls that fail.
        schemas: The tools to offer.

    """

    def __init__(
        self,
        latency: Distribution,
        failure_rate: float = 0.0,
        schemas: Sequence[dict[str, Any]] = (LOOK_UP,),
    ) -> None:
        self.schemas = list(schemas)
        self._latency = latency
        self._failure_rate = failure_rate

    def answer(self, name: str, arguments: str, rng: random.Random) -> ToolAnswer:
        """Answer a call of any name."""
        delay, fails = self._latency.sample(rng), rng.random() < self._failure_rate
        try:
            msgspec.json.decode(arguments or "{}", type=dict[str, Any])
        except (ValueError, RecursionError) as error:
            return _failure(f"bad arguments: {error}", valid=False, delay=delay)
        if fails:
            return _failure("the backend failed", delay=delay)
        output = msgspec.json.encode({"tool": name, "result": "available"}).decode()
        return ToolAnswer(output=output, delay=delay)


def _failure(
    message: str, *, outcome: str = "error", valid: bool = True, delay: float = 0.0
) -> ToolAnswer:
    output = msgspec.json.encode({"error": message[:500]}).decode()
    return ToolAnswer(output=output, outcome=outcome, valid=valid, delay=delay)


def _arguments_struct(
    function: Callable[..., Any], name: str, descriptions: dict[str, str]
) -> type[msgspec.Struct]:
    """A struct of the function's parameters, which msgspec decodes and makes a schema of."""
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"tool {name} is async: greenlets take ordinary functions")
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(f"tool {name} has an annotation that can't be resolved: {error}") from None
    fields: list[Any] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"tool {name} takes {parameter}: name each parameter instead")
        annotation = hints.get(parameter.name, Any)
        if text := descriptions.get(parameter.name):
            annotation = Annotated[annotation, msgspec.Meta(description=text)]
        fields.append(_field(parameter, annotation))
    return msgspec.defstruct(name.replace("-", "_"), fields, kw_only=True)


def _field(parameter: inspect.Parameter, annotation: Any) -> tuple[Any, ...]:
    default = parameter.default
    if default is parameter.empty:
        return parameter.name, annotation
    if isinstance(default, bool | int | float | str | NoneType):
        return parameter.name, annotation, default
    # The schema can't show it, and the function has it anyway.
    return parameter.name, annotation | msgspec.UnsetType, msgspec.UNSET


def _schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON schema of a call's arguments, with what it refers to inside it."""
    (_,), parts = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    schema = dict(parts.pop(arguments.__name__))
    schema.pop("title", None)
    return schema | ({"$defs": parts} if parts else {})
