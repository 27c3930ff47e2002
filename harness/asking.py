"""What a line asks of the endpoint: an answer, one at a time; and what it answers itself: tools."""

from time import monotonic_ns

from harness.connection import Connection, NotConnected
from harness.realtime.client_events import ClientEvent, CreateItem, CreateResponse, approval
from harness.records import Kind, Turn
from harness.toolbox import DueAnswer, Toolbox
from harness.turn import TurnRecorder

__all__ = ["Asking"]

_ASKED = (Kind.GREETING, Kind.TEXT)
"""Turns that begin with a request."""


class Asking:
    """
    Asks for answers and lets them go on.

    Args:
        connection: To send by.
        recorder: Of the turns that are asked about; told what was asked when.
        toolbox: That answers the endpoint's calls.

    """

    def __init__(self, connection: Connection, recorder: TurnRecorder, toolbox: Toolbox) -> None:
        self._connection = connection
        self._recorder = recorder
        self._toolbox = toolbox
        self._event_ids = 0
        self._tool_turn: Turn | None = None  # what first answers it is asked to call a tool
        self._deferred: list[Turn] = []  # their response.create waits for the answer before

    @property
    def asks_itself(self) -> bool:
        """Whether answers have to be asked for: nobody else does."""
        return not self._recorder.vad or not self._connection.session.creates_responses

    def new_event_id(self) -> str:
        """An id that no other event of ours has."""
        self._event_ids += 1
        return f"harness_{self._event_ids}"

    def send(self, event: ClientEvent) -> int | None:
        """
        Send; return the instant of it (ns).

        ``None`` if the session is gone, which shows at the line's next step.
        """
        try:
            return self._connection.send(event)
        except NotConnected:
            return None

    def want_tool(self, turn: Turn) -> None:
        """Let the first answer to ``turn`` call a tool, as far as it is we who ask for it."""
        if self.asks_itself:
            self._tool_turn = turn

    def request(self, turn: Turn) -> None:
        """Ask for an answer; one at a time, so perhaps later."""
        if self._busy:
            self.defer(turn)
            return
        if turn in self._deferred:
            self._deferred.remove(turn)
        event_id = self.new_event_id()
        at = self.send(self.question(turn, event_id))
        if at is not None:
            if turn.kind in _ASKED and turn.written_at is None:
                turn.written_at = at
            self._recorder.requested(turn, at, event_id)

    @property
    def _busy(self) -> bool:
        """Whether an answer is being made, or one was asked for: another would be refused."""
        return bool(self._connection.session.active) or self._recorder.awaited

    def defer(self, turn: Turn) -> None:
        """Ask for an answer when the one that is being made is done."""
        if turn not in self._deferred:
            self._deferred.append(turn)

    def question(self, turn: Turn, event_id: str) -> CreateResponse:
        """The event that asks for an answer."""
        if turn is not self._tool_turn:
            return CreateResponse(event_id=event_id)
        self._tool_turn = None
        return CreateResponse(event_id=event_id, response={"tool_choice": "required"})

    def step(self) -> None:
        """Write what is due of our tools, and ask for the answers that can be asked for now."""
        self._approve_calls()
        self._answer_tools()
        self._ask_detected()
        self._ask_deferred()

    def forget(self) -> None:
        """The session is over, what it was to be asked for with it."""
        self._deferred.clear()
        self._toolbox.forget()

    def _ask_detected(self) -> None:
        """Ask for the answers that the endpoint was told not to give unasked."""
        if self._recorder.vad and self.asks_itself:
            for turn in self._recorder.unasked:
                self.request(turn)

    def _ask_deferred(self) -> None:
        """Ask what had to wait, the oldest first, if nothing else is answered or asked for."""
        recorder = self._recorder
        if not self._deferred or self._busy:
            return
        self._deferred = [turn for turn in self._deferred if recorder.goes_on(turn)]
        ready = (turn for turn in self._deferred if not recorder.waits_for_tools(turn))
        if (turn := next(ready, None)) is not None:
            self.request(turn)

    def _approve_calls(self) -> None:
        """Allow the endpoint to call the tools of MCP servers: a load test has no human to ask."""
        requests, self._recorder.approvals = self._recorder.approvals, []
        for request_id in requests:
            self.send(approval(request_id, self.new_event_id()))

    def _answer_tools(self) -> None:
        """Take the calls that are complete, write the outputs that are due, ask to go on."""
        recorder, toolbox = self._recorder, self._toolbox
        if recorder.requests:
            requests, recorder.requests = recorder.requests, []
            toolbox.take(requests)
        ready = toolbox.due(monotonic_ns())
        for due in ready:
            self._answer_tool(due)
        answered, recorder.served = [due.request.turn for due in ready] + recorder.served, []
        # Once each, when the last call of a turn is answered.
        for turn in {turn.turn: turn for turn in answered}.values():
            if not recorder.waits_for_tools(turn) and recorder.goes_on(turn):
                self.request(turn)

    def _answer_tool(self, due: DueAnswer) -> None:
        turn, call_id, answer = due.request.turn, due.request.call_id, due.answer
        item = {"type": "function_call_output", "call_id": call_id, "output": answer.output}
        at = self.send(CreateItem(item=item))
        if at is not None:
            self._recorder.tool_answered(turn, call_id, at, answer.outcome, valid=answer.valid)
