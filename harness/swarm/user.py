"""A Locust user who makes calls: the class that locustfiles build on."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, ClassVar, cast

from locust import User, between, events
from locust.exception import RescheduleTask, StopUser
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from harness.arrivals import Intended
from harness.call import Call, CallEnded
from harness.loads import Load
from harness.records import Identity
from harness.swarm.cli_options import offer
from harness.swarm.crowd import Crowd
from harness.swarm.randomness import between_calls, of_call, of_due
from harness.tools import Functions, tools_of
from harness.utterances import CorpusError

__all__ = ["RealtimeUser"]


class RealtimeUser(User):
    """
    A caller. Its tasks make calls, one at a time; between calls it waits ``wait_time``.

    Example::

        class Caller(RealtimeUser):
            @task
            def ask(self):
                with self.call() as call:
                    call.say("What are your opening hours?")

    Attributes:
        options: By name, the options that a locustfile asks for beside those of every test, or
            whose default it changes; ``None`` leaves an option's own default.
        arrives: Whether calls come by a schedule of open arrivals.

    """

    abstract = True
    arrives = False
    wait_time = between(1, 3)
    options: ClassVar[Mapping[str, str | None]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not cls.abstract:
            options, listeners = cls.options, cast("Any", events.init_command_line_parser)
            listeners.add_listener(lambda parser, **_: offer(parser, options))

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.tasks = [self._noting(task) for task in self.tasks]
        self._task = ""
        self._calls = 0
        self._caller: int | None = None
        self._rng = random.Random()

    @property
    def rng(self) -> random.Random:
        """
        The caller's randomness beside calls: the same for the same seed.

        Locust draws tasks and waiting times from it; a task that throws dice should, too.
        """
        if self._caller is None:
            self._number(self._crowd())
        return self._rng

    def start(self, group: Any) -> Any:
        """Begin, as Locust does; whoever ends gives the caller's number back."""
        greenlet = super().start(group)
        greenlet.link(self._leave)
        return greenlet

    @contextmanager
    def call(
        self,
        *,
        instructions: str | None = None,
        scenario: str | None = None,
        tools: Sequence[Any] = (),
        length: float | None = None,
    ) -> Iterator[Call]:
        """
        Dial, configure the session, and hang up at the end of the ``with`` block.

        Should the session end before the block does, the rest of the block is skipped; should
        there be no session at all, the rest of the task. Both have been recorded then.

        Args:
            instructions: Instead of ``--instructions``.
            scenario: Label of these turns, one of a few; default: class and task.
            tools: Functions that the endpoint may call, instead of the class's ``@tool`` methods.
            length: Seconds until ``call.goes_on`` is over; default: ``--call-length`` where it is
                an option, else it goes on for ``--turns``.

        """
        self._crowd().doorway.enter()
        crowd = self._crowd()  # which may have been told to stop meanwhile
        call = self._new_call(crowd, instructions, scenario, tools, length)
        connected = False
        try:
            with call:
                connected = True
                yield call
        except CallEnded:
            if not connected:
                raise RescheduleTask from None
        except CorpusError as error:
            crowd.abandon(str(error))
            raise StopUser from None

    @property
    def load(self) -> Load:
        """The options of loads: ``self.load.every``, say."""
        return self._crowd().setup.load

    def _crowd(self) -> Crowd:
        crowd: Crowd | None = self.environment.realtime.crowd
        if crowd is None or self._is_stopping():
            raise StopUser
        return crowd

    def _new_call(
        self,
        crowd: Crowd,
        instructions: str | None,
        scenario: str | None,
        tools: Sequence[Any],
        length: float | None,
    ) -> Call:
        setup = crowd.setup
        if not self._calls and crowd.ramp is not None:
            crowd.ramp.wait(self._is_stopping)
            self._crowd()
        caller = self._number(crowd)
        intended = self._next_call(crowd)
        self._calls += 1
        tools = tools or tools_of(self)
        if tools:
            crowd.list_tools(schema["name"] for schema in Functions(tools).schemas)
        endpoint = setup.endpoints[self.host or ""]
        identity = Identity(
            run=crowd.run,
            worker=crowd.worker,
            caller=caller,
            call=self._calls,
            scenario=scenario or ".".join(filter(None, (type(self).__name__, self._task))),
            model=setup.workload.model,
            target=endpoint.target,
        )
        seed = setup.workload.seed
        rng = of_call(seed, caller, self._calls) if intended is None else of_due(seed, intended)
        if length is None:
            length = _length(setup.load, intended, rng)
        return Call(
            endpoint,
            setup.workload,
            corpus=setup.corpus,
            identity=identity,
            rng=rng,
            intended=intended,
            length=length,
            wall=crowd.desk.wall,
            on_turn=crowd.on_turn,
            on_session=crowd.on_session,
            stopping=self._is_stopping,
            tools=tools,
            instructions=instructions,
            on_tape=crowd.on_tape,
            purse=crowd.purse,
            on_limits=crowd.ramp.on_limits if crowd.ramp else None,
        )

    def _number(self, crowd: Crowd) -> int:
        """The caller's number; another one if it was given to somebody else."""
        if self._caller is None or not crowd.numbers.holds(self._caller):
            before, self._state = self._state, LOCUST_STATE_WAITING  # Locust may end it at once
            try:
                self._caller = crowd.numbers.take(type(self).__name__)
            finally:
                self._state = before
            self._calls = 0
            self._rng = between_calls(crowd.setup.workload.seed, self._caller)
        return self._caller

    def _next_call(self, crowd: Crowd) -> Intended | None:
        """What a schedule wants of the call to come; ``None``: there is no schedule."""
        return None

    def _is_stopping(self) -> bool:
        crowd: Crowd | None = self.environment.realtime.crowd
        return self._state == LOCUST_STATE_STOPPING or crowd is None or crowd.over

    def _noting(self, task: Any) -> Any:
        """The same task, noting its name for the scenario; a nested task set stays as it is."""
        if isinstance(task, type):
            return task

        @wraps(task)
        def noted(user: "RealtimeUser") -> Any:
            user._task = task.__name__
            return task(user)

        return noted

    def _leave(self, _: Any) -> None:
        crowd: Crowd | None = self.environment.realtime.crowd
        if crowd is not None and self._caller is not None:
            crowd.numbers.give_back(self._caller)


def _length(load: Load, intended: Intended | None, rng: random.Random) -> float | None:
    """Seconds of a call; ``None``: it goes on for ``--turns``."""
    if intended is not None:
        return intended.length or None
    return load.call_length.sample(rng) if load.call_length else None
