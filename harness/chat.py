"""Function calls of an answer in the shape of chat messages, put together event by event. Pure."""

from typing import Any

import msgspec

__all__ = ["MOST_CALLS", "FunctionCalls"]

MOST_CALLS = 128
"""Of one answer that are kept."""
_NOTHING = ("", "{}")


class _Call(msgspec.Struct):
    """One function call as far as it is known."""

    name: str = ""
    arguments: str = ""
    complete: bool = False


class FunctionCalls:
    """
    The calls of one answer, by call id, in the order in which they were begun.

    The same call may be told of by several events, in any order, each with a part of it: what one
    leaves out another fills in, and none takes anything away.
    """

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}

    def begin(self, call_id: str | None, name: str | None) -> None:
        """A call was added to the answer."""
        if (call := self._find(call_id)) is not None:
            call.name = call.name or name or ""

    def append(self, call_id: str | None, delta: str) -> None:
        """More of its arguments came."""
        if (call := self._find(call_id)) is not None and not call.complete:
            call.arguments += delta

    def complete(self, call_id: str | None, name: str | None, arguments: str | None) -> None:
        """It is complete; told again, a name that was missing and longer arguments count."""
        if (call := self._find(call_id)) is None:
            return
        call.name = call.name or name or ""
        given = arguments or ""
        if call.complete:
            better = given not in _NOTHING and len(given) > len(call.arguments)
            call.arguments = given if better else call.arguments
        else:
            call.arguments = (call.arguments or given) if given in _NOTHING else given
            call.complete = True

    def shown(self) -> list[dict[str, Any]]:
        """The complete ones, as in ``tool_calls`` of a chat message."""
        return [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
            }
            for call_id, call in self._calls.items()
            if call.complete
        ]

    def _find(self, call_id: str | None) -> _Call | None:
        if call_id is None:
            return None
        if call_id not in self._calls and len(self._calls) >= MOST_CALLS:
            return None
        return self._calls.setdefault(call_id, _Call())
