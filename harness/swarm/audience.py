"""Who follows a run while it lasts: objectives, shown and perhaps the end of it, and a search."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from harness.outlook import Outlook, Outlooks
from harness.slo import parse_slo
from harness.swarm.headline import Row
from harness.swarm.onlookers import Onlookers
from harness.workload import Workload

__all__ = ["Audience", "Searching"]


@runtime_checkable
class Searching(Protocol):
    """A shape that decides by objectives of its own: ``CapacityShape``."""

    @property
    def progress(self) -> str:
        """What it is at, in a line."""
        ...

    def check(self, slo: str) -> str:
        """Raise ``ValueError`` if it can't use such objectives."""
        ...


class Audience:
    """
    All who are told of the records of a run.

    Args:
        environment: Locust's.
        anchors: The clock anchor of each worker, by name.
        stop: Ends the run early, for the reason given in one line.

    Attributes:
        onlookers: Takes the records.

    """

    def __init__(
        self,
        environment: Any,
        anchors: Callable[[], Mapping[str, Mapping[str, int]]],
        stop: Callable[[str], None],
    ) -> None:
        self._environment = environment
        self._anchors = anchors
        self._stop = stop
        self._stops = False
        self._outlooks = Outlooks(())
        self.onlookers = Onlookers(anchors)

    @property
    def _shape(self) -> Searching | None:
        """The search for a capacity, if that is what is run."""
        shape = self._environment.shape_class
        return shape if isinstance(shape, Searching) else None

    def check(self, slo: object) -> None:
        """
        Refuse objectives that a search can't use.

        Raises:
            ValueError: In one line that says why.

        """
        if self._shape is not None:
            self._shape.check(str(slo or ""))

    def begin(self, workload: Workload) -> None:
        """A run starts; a search decides for itself what holds and when it is over."""
        objectives = () if self._shape is not None else parse_slo(workload.slo)
        self._outlooks = Outlooks(objectives)
        self._stops = workload.slo_stop
        self.onlookers = Onlookers(self._anchors)
        if objectives:
            self.onlookers.add(self._outlooks.on_record)

    def look(self) -> None:
        """End the run if it is to end with an objective that can no longer be met; once."""
        lost = next((o for o in self._outlooks.look() if o.lost), None) if self._stops else None
        if lost is not None:
            self._stops = False
            self._stop(f"{lost.objective} can no longer be met: {lost.why}")

    @property
    def lines(self) -> list[str]:
        """For the terminal: a line each."""
        lines = [f"{o.objective}  {o.state}{_brackets(o)}" for o in self._outlooks.look()]
        return [*lines, self._shape.progress] if self._shape else lines

    @property
    def rows(self) -> Sequence[Row]:
        """For the tab *Voice*: a row each."""
        return [
            Row(what=o.objective, value=o.state, meaning=o.why or "an objective of this run")
            for o in self._outlooks.look()
        ]


def _brackets(outlook: Outlook) -> str:
    return f" ({outlook.why})" if outlook.why else ""
