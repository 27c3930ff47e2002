"""What the callers of one process share: the setup, their numbers, and where their records go."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from harness.garbage import Sweeper
from harness.health import HealthMonitor
from harness.money.purse import Purse
from harness.records import Health, Session, Turn
from harness.reel import Reel
from harness.swarm.callers import Numbers
from harness.swarm.desk import Desk
from harness.swarm.doorway import Doorway
from harness.swarm.ramp import Ramp
from harness.swarm.setup import Setup
from harness.tools import SimulatedTools, named_in

__all__ = ["Crowd", "Sink"]


class Sink(Protocol):
    """Takes finished records."""

    def on_turn(self, turn: Turn) -> None:
        """A turn that ended."""
        ...

    def on_session(self, session: Session) -> None:
        """A session that starts, or one that ended."""
        ...

    def on_health(self, health: Health) -> None:
        """A second of this process."""
        ...


class Crowd:
    """
    The callers of one process during one run.

    Args:
        run: The run's name.
        worker: This process's, unique in the swarm.
        setup: What they do.
        numbers: Where callers have their numbers from.
        desk: Where callers of open arrivals wait for calls.
        sinks: Where records go, in this order.
        users: How many users run now.
        list_tools: Told the names of the user's own tools, and of those that the session names.
        abandon: Ends the run, for the reason given in one line.
        keep: Takes whole files of the run's directory, by name: tapes.
        purse: What calls are paid from, if there is a budget.
        ramp: Where callers wait to begin, if rate limits are heeded.

    Attributes:
        doorway: Where callers go through before they dial.
        on_tape: Takes the tape of each finished turn; ``None`` if none are asked for.

    """

    def __init__(
        self,
        *,
        run: str,
        worker: str,
        setup: Setup,
        numbers: Numbers,
        desk: Desk,
        sinks: Sequence[Sink],
        users: Callable[[], int],
        list_tools: Callable[[Iterable[str]], None],
        abandon: Callable[[str], None],
        keep: Callable[[str, bytes], object],
        purse: Purse | None = None,
        ramp: Ramp | None = None,
    ) -> None:
        self.run = run
        self.worker = worker
        self.setup = setup
        self.numbers = numbers
        self.desk = desk
        self.list_tools = list_tools
        self.abandon = abandon
        self.purse = purse
        self.ramp = ramp
        self.doorway = Doorway()
        self.stopping = False
        self._sweeper = Sweeper()
        self._sinks = (*sinks, self._sweeper)
        self._keep = keep
        workload = setup.workload
        self._reel = Reel(workload.record, workload.seed, audio=workload.record_audio)
        self.on_tape = self._reel.offer if workload.record else None
        list_tools(schema["name"] for schema in SimulatedTools(setup.workload.tool_latency).schemas)
        list_tools(named_in(setup.workload.session))
        self._monitor = HealthMonitor(self.on_health, users)

    @property
    def over(self) -> bool:
        """Whether no turn begins any more: the run is over, or its money spent."""
        return self.stopping or (self.purse is not None and self.purse.over)

    def begin(self) -> None:
        """Watch this process while the run lasts."""
        self._sweeper.start()
        self._monitor.start()

    def end(self) -> None:
        """The run is over; the last, begun second of health is recorded, and tapes are kept."""
        self.stopping = True
        if self.purse is not None:
            self.purse.close()
        self._monitor.stop()
        self._sweeper.stop()
        for name, lines in self._reel.tapes.items():
            self._keep(f"tapes/{name}", lines)

    def on_turn(self, turn: Turn) -> None:
        """Hand a finished turn to every sink."""
        if self.ramp is not None:
            self.ramp.on_turn(turn)
        for sink in self._sinks:
            sink.on_turn(turn)

    def on_session(self, session: Session) -> None:
        """Hand a session that starts, or one that ended, to every sink."""
        for sink in self._sinks:
            sink.on_session(session)

    def on_health(self, health: Health) -> None:
        """Hand a second of this process to every sink."""
        health.run, health.worker = self.run, self.worker
        for sink in self._sinks:
            sink.on_health(health)
