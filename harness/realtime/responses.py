"""The responses of one session: which are being made, of which items, and which are over."""

from collections.abc import Callable
from typing import Any

from harness.realtime import events as ev
from harness.realtime.deviations import Deviations
from harness.realtime.objects import Response

__all__ = ["RESPONSE_EVENTS", "Responses"]

_KEPT_RESPONSES = 64  # a server may create responses, and add items, without end
_KEPT_ITEMS = 256
_LONGEST_ID = 256
_FINAL = frozenset({"completed", "cancelled", "failed", "incomplete"})


class Responses:
    """
    What the events of responses must agree with; what does not agree is counted.

    Attributes:
        active: The responses being made: id to the ids of their items. A response created without
            an id has the id "".

    """

    def __init__(self, deviations: Deviations) -> None:
        self.active: dict[str, set[str]] = {}
        self._ended: dict[str, None] = {}  # oldest first
        self._deviations = deviations

    @property
    def only_active(self) -> str | None:
        """The id of the response being made, if there is exactly one and it has an id."""
        return (next(iter(self.active)) or None) if len(self.active) == 1 else None

    def none_active(self) -> None:
        """The endpoint says that none is being made: the end of those that were got lost."""
        for name in list(self.active):
            self._end(name)

    def _created(self, event: ev.ResponseCreated) -> None:
        name = self._name(event)
        if name in self.active or name in self._ended:
            self._deviations.count("created_twice", event.type)
        elif len(name) > _LONGEST_ID:
            self._deviations.count("bad_field", f"{event.type} response.id")
        else:
            self.active[name] = set()
            if len(self.active) > _KEPT_RESPONSES:
                self._end(next(iter(self.active)))

    def _done(self, event: ev.ResponseDone) -> None:
        name = self._name(event)
        if name not in self.active:
            self._count_stray(event, name)
            self._end("")  # it may be the one that was created without an id
        if event.response is not None and event.response.status not in _FINAL:
            kind = "missing_field" if event.response.status is None else "bad_field"
            self._deviations.count(kind, f"{event.type} response.status")
        self._end(name)

    def _item_added(self, event: ev.OutputItemAdded) -> None:
        items = self._items(event)
        item = event.item.id if event.item else None
        if event.item and item is None:
            self._deviations.count("missing_field", f"{event.type} item.id")
        if items is not None and item is not None:
            _remember(items, item)

    def _item_done(self, event: ev.OutputItemDone) -> None:
        self._check_item(event, event.item.id if event.item else None)

    def _content(self, event: Any) -> None:
        items = self.active.get(event.response_id)
        if items is None or event.item_id not in items:
            self._check_item(event, event.item_id)

    def _check_item(self, event: Any, item: str | None) -> None:
        items = self._items(event)
        if items is not None and item is not None and item not in items:
            self._deviations.count("unknown_item", event.type)
            _remember(items, item)  # counted once

    def _items(self, event: Any) -> set[str] | None:
        """The items of the event's response; ``None`` if that isn't being made."""
        name = event.response_id
        if name is None:
            name = event.response_id = self.only_active
        items = self.active.get(name or "")
        if items is None:
            self._count_stray(event, name or "")
        return items

    def _name(self, event: ev.ResponseCreated | ev.ResponseDone) -> str:
        """The id of the response that is created or done; "" if it has none."""
        response = event.response
        if response is None:
            response = event.response = Response()
        if response.id is None:
            self._deviations.count("missing_field", f"{event.type} response.id")
            if isinstance(event, ev.ResponseDone):
                response.id = self.only_active
        return response.id or ""

    def _count_stray(self, event: ev.ServerEvent, name: str) -> None:
        if name not in self._ended:
            self._deviations.count("unknown_response", event.type)
        elif not _runs_on(event):
            self._deviations.count("after_done", event.type)

    def _end(self, name: str) -> None:
        self.active.pop(name, None)
        if name and len(name) <= _LONGEST_ID:
            self._ended[name] = None
            if len(self._ended) > _KEPT_RESPONSES:
                del self._ended[next(iter(self._ended))]


def _runs_on(event: ev.ServerEvent) -> bool:
    """Whether it is about a tool that the endpoint may run when the response is done."""
    if isinstance(event, ev.OutputItemAdded | ev.OutputItemDone):
        return event.item is not None and (event.item.type or "").startswith("mcp_")
    return isinstance(event, ev.McpArgumentsDone)


def _remember(items: set[str], item: str) -> None:
    if len(items) < _KEPT_ITEMS and len(item) <= _LONGEST_ID:
        items.add(item)


RESPONSE_EVENTS: dict[type[ev.ServerEvent], Callable[[Responses, Any], None]] = {
    ev.ResponseCreated: Responses._created,
    ev.ResponseDone: Responses._done,
    ev.OutputItemAdded: Responses._item_added,
    ev.OutputItemDone: Responses._item_done,
    ev.AudioDelta: Responses._content,
    ev.AudioDone: Responses._content,
    ev.TranscriptDelta: Responses._content,
    ev.TranscriptDone: Responses._content,
    ev.TextDelta: Responses._content,
    ev.TextDone: Responses._content,
    ev.ArgumentsDelta: Responses._content,
    ev.ArgumentsDone: Responses._content,
    ev.McpArgumentsDone: Responses._content,
}
"""The events that are about a response, and what takes each in: it gets the id of the one meant."""
