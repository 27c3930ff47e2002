"""
The MCP servers that a session names, and what becomes of the import of their tools.

An endpoint imports them once it is told of a server; the session is usable before, but what is
answered until then lacks the tools. It tells of an import by an item and by events, in any order.
"""

from collections.abc import Callable
from typing import Any

from harness.realtime import events as ev
from harness.realtime.codes import IMPORT_FAILED, IMPORT_LATE
from harness.realtime.objects import Item

__all__ = ["IMPORT_EVENTS", "Imports"]

LIST = "mcp_list_tools"
MOST_TOOLS = 128  # of a server, by name
MOST_ITEMS = 64
LONGEST_NAME = 128
_CODES = {"failed": IMPORT_FAILED, "late": IMPORT_LATE}
_TEXTS = {
    "failed": "could not import the tools",
    "late": "has not imported the tools in time",
    "ignored": "said nothing of importing the tools",
}


class Imports:
    """
    Those of one session, by the labels that we gave the servers.

    Attributes:
        begun: Whether the endpoint has spoken of any.

    """

    def __init__(self) -> None:
        self.begun = False
        self._ended: dict[str, str] = {}  # "" while it lasts
        self._labels: dict[str, str | None] = {}  # by item; ``None``: the endpoint's own server
        self._tools: dict[str, frozenset[str]] = {}  # once they are told

    def ask(self, session: dict[str, Any]) -> None:
        """The session is to be configured like this."""
        tools = session.get("tools")
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict) and tool.get("type") == "mcp":
                self._ended.setdefault(str(tool.get("server_label")), "")

    @property
    def pending(self) -> list[str]:
        """The servers whose tools have been neither imported nor given up."""
        return [label for label, how in self._ended.items() if not how]

    @property
    def complete(self) -> bool:
        """Whether there are servers, and the tools of all were imported."""
        return bool(self._ended) and set(self._ended.values()) == {"ok"}

    @property
    def outcomes(self) -> dict[str, str]:
        """
        What became of each: ``ok``, ``empty``, ``failed``, ``late`` or ``ignored``.

        Empty is one that came to no tools, late one that was given up, ignored one that the
        endpoint had not even begun by then.
        """
        return {
            label: "empty" if how == "ok" and self._tools.get(label) == frozenset() else how
            for label, how in self._ended.items()
            if how
        }

    @property
    def codes(self) -> list[str]:
        """An error's code for each that failed or was late."""
        return [_CODES[how] for how in self._ended.values() if how in _CODES]

    def lists(self, label: str, name: str) -> bool:
        """Whether a tool of this name was imported from a server that we named."""
        return name in self._tools.get(label, ())

    def give_up(self) -> None:
        """Wait no longer for those that are pending."""
        for label in self.pending:
            self._ended[label] = "late" if self.begun else "ignored"

    @property
    def complaints(self) -> list[str]:
        """A line for each server whose tools callers do without."""
        return [
            f"the endpoint {_TEXTS[how]} of MCP server {label}: callers speak without them"
            for label, how in self._ended.items()
            if how in _TEXTS
        ]

    # What the endpoint says.

    def begin(self, event: ev.ListToolsBegun) -> None:
        """An import has begun."""
        self.begun = True

    def complete_one(self, event: ev.ListToolsCompleted) -> None:
        """It is complete."""
        self._end(self._label_of(event.item_id), "ok")

    def fail(self, event: ev.ListToolsFailed) -> None:
        """It has failed."""
        self._end(self._label_of(event.item_id), "failed")

    def add(self, event: ev.ItemAdded) -> None:
        """An item says which server an import is of."""
        if event.item is not None and event.item.type == LIST:
            self._know(event.item)

    def done(self, event: ev.ItemDone) -> None:
        """It says what tools there are, before or after the event that says that they are."""
        item = event.item
        if item is None or item.type != LIST or (label := self._know(item)) is None:
            return
        tools = item.tools or ()
        names = (tool.name for tool in tools[:MOST_TOOLS])
        self._tools[label] = frozenset(name for name in names if name and len(name) <= LONGEST_NAME)
        if tools:
            self._end(label, "ok")

    def _know(self, item: Item) -> str | None:
        """Whose import an item says that it is, if we named that server."""
        self.begun = True
        label = item.server_label if item.server_label in self._ended else None
        if item.id is not None and len(self._labels) < MOST_ITEMS:
            self._labels[item.id] = label
        return label

    def _label_of(self, item_id: str | None) -> str | None:
        """Whose import an item is; of one that was not told of, the only one that is pending."""
        self.begun = True
        if item_id in self._labels:
            return self._labels[item_id]
        pending = self.pending
        return pending[0] if len(pending) == 1 else None

    def _end(self, label: str | None, how: str) -> None:
        """Note how an import ended; what came of it later is no news."""
        if label is not None and not self._ended[label]:
            self._ended[label] = how


IMPORT_EVENTS: dict[type[ev.ServerEvent], Callable[[Imports, Any], None]] = {
    ev.ItemAdded: Imports.add,
    ev.ItemDone: Imports.done,
    ev.ListToolsBegun: Imports.begin,
    ev.ListToolsCompleted: Imports.complete_one,
    ev.ListToolsFailed: Imports.fail,
}
"""The events that are about imports, and what takes each in."""
