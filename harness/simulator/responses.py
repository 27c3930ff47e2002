"""The responses of one session: what is answered, whether another still talks, how they end."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from harness.simulator.agenda import Entry, Script
from harness.simulator.answer import draw_answer
from harness.simulator.config import ResponseParams, SessionConfig
from harness.simulator.conversation import Conversation, Item, Tokens, text_tokens
from harness.simulator.faults import Fault, Scope
from harness.simulator.items import checked_item, text_of
from harness.simulator.mcp import McpServers
from harness.simulator.outbound import Out
from harness.simulator.refusal import Refusal
from harness.simulator.request import Request
from harness.simulator.response import Response
from harness.simulator.response_faults import struck
from harness.simulator.shared_state import SharedState
from harness.simulator.truth import Said, Truth

__all__ = ["Responses"]


class Responses:
    """
    Those that are being made, and what the next one would answer.

    Args:
        shared: What the parts of the session share.
        over: Told when one has ended, with the instant and the seconds of its audio.

    """

    def __init__(self, shared: SharedState, over: Callable[[int, float], None]) -> None:
        self._shared = shared
        self._over = over
        self._running: dict[str, tuple[Response, Entry]] = {}
        self._truths: dict[str, Truth] = {}  # of responses whose end was not sent yet
        self._count = 0
        self._news: str | None = None  # what was said since the last answer: a response's kind
        self._said = Said()
        self._tool_output_in: int | None = None
        self._owed = False  # an answer to what was said during another
        self._cached = Tokens()
        self.servers = McpServers(shared, self.got_tool_output)

    # What is there to answer.

    def heard_speech(self, said: Said) -> None:
        """The caller has spoken."""
        self._news, self._said = "speech", said

    def heard_text(self) -> None:
        """The caller has written."""
        self._news, self._said = "text", Said()

    def heard_nothing(self) -> None:
        """The caller has been silent for long."""
        self._news, self._said = "idle", Said()

    def got_tool_output(self, at: int) -> None:
        """A tool's output was read, or is that of an MCP server, ``at``."""
        self._news, self._tool_output_in = "tool_followup", at

    # When they begin and end.

    def create(self, params: ResponseParams, config: SessionConfig, at: int) -> None:
        """
        Begin the response that a client asked for.

        Raises:
            Refusal: If another one is being made, or its input makes no sense.

        """
        if not config.speaks:
            raise Refusal("invalid_value", "A transcription session has no responses.", "type")
        if params.conversation != "none" and self._talking:
            raise Refusal(
                "conversation_already_has_active_response",
                "Conversation already has an active response in progress. "
                "Wait until the response is finished before creating a new one.",
            )
        self.servers.meet(params.tools or (), at)
        self._begin(params, config, at)

    def create_unasked(self, config: SessionConfig, at: int) -> None:
        """Answer what was said, once nothing else is being answered."""
        if not config.speaks:
            return
        self._owed = self._talking
        if not self._owed:
            self._begin(ResponseParams(), config, at)

    def cancel(self, response_id: str | None, at: int) -> None:
        """
        Stop the response of that id, or the conversation's.

        Raises:
            Refusal: If there is none.

        """
        found = [
            response
            for response, _ in self._running.values()
            if response.request.id == response_id
            or (response_id is None and not response.request.beside)
        ]
        if not found:
            raise Refusal(
                "response_cancel_not_active", "Cancellation failed: no active response found"
            )
        for response in found:
            response.truth.cancel_in = at
            self._stop(response, "client_cancelled", at)

    def interrupt(self, at: int) -> None:
        """The caller talks over the answer."""
        self._owed = False
        for response, _ in list(self._running.values()):
            if not response.request.beside:
                self._stop(response, "turn_detected", at)

    def sent(self, out: Out, at: int) -> None:
        """A message that an instant is noted of goes out."""
        truth = out.on
        if not isinstance(truth, Truth):
            return
        if "first_out" in out.stamps and truth.first_due is not None:
            self._shared.endpoint.totals.lateness.add((at - truth.first_due) / 1e9)
        if "done_out" in out.stamps:
            self._shared.endpoint.limits.use(truth.output_tokens)
            self._shared.endpoint.record(self._truths.pop(truth.response_id))

    def end(self) -> None:
        """The session is over: responses that had begun are recorded as they stand."""
        for response, _ in self._running.values():
            self._shared.endpoint.capacity.release(response.request.slot)
        for truth in self._truths.values():
            if truth.created_out is not None:
                self._shared.endpoint.record(truth)
        self._truths.clear()
        self._running.clear()

    @property
    def _talking(self) -> bool:
        """Whether a response of the conversation is being made."""
        return any(not response.request.beside for response, _ in self._running.values())

    def _begin(self, params: ResponseParams, config: SessionConfig, at: int) -> None:
        kind = self._news or "greeting"
        fault = self._shared.endpoint.faults.strike(
            Scope.RESPONSE, self._shared.ordinal, self._count
        )
        if fault is not None and fault.name == "text-only":
            params = msgspec.structs.replace(params, output_modalities=("text",))
        request = self._request(params, config, kind, at)
        self._count += 1
        truth = Truth(
            session_id=f"sess_{self._shared.name}",
            response_id=request.id,
            turn_detection=config.turn_detection,
            kind=kind,
            said=self._said if kind in ("speech", "tool_followup") else Said(),
            tool_output_in=self._tool_output_in if kind == "tool_followup" else None,
            faults=[fault.label] if fault else [],
            queued_ns=request.slot.start - at,
        )
        if not request.beside:
            self._news, self._cached = None, request.context
        if fault is not None:
            self._shared.endpoint.totals.struck(fault.label)
        self._truths[request.id] = truth
        response = Response(request, truth, self._shared.messages)
        entry = self._shared.agenda.follow(self._made(response, fault, self._count), at)
        self._running[request.id] = (response, entry)

    def _request(
        self, params: ResponseParams, config: SessionConfig, kind: str, at: int
    ) -> Request:
        """All that a response is made from."""
        shared, endpoint = self._shared, self._shared.endpoint
        context = _context(shared.conversation, params, config)
        answer = draw_answer(
            endpoint.settings,
            config,
            params,
            endpoint.rng(shared.ordinal, self._count),
            age=(at - shared.began) / 1e9,
            followup=kind == "tool_followup",
            said=text_of(shared.conversation.newest),
            servers=self.servers.imported,
        )
        refused = endpoint.limits.admit(context.total, at)
        duration = 0 if refused else answer.duration(endpoint.settings.pace_ns)
        return Request(
            id=f"resp_{shared.name}_{self._count}",
            slot=endpoint.capacity.book(at, duration),
            refused=refused,
            settings=endpoint.settings,
            config=config,
            params=params,
            answer=answer,
            track=endpoint.track(answer.phrase, params.output_in(config).audio_format),
            conversation=shared.conversation,
            context=context,
            cached=self._cached.at_most(context),
            limits=endpoint.limits.wire(),
            new_item_id=shared.new_item_id,
        )

    def _made(self, response: Response, fault: Fault | None, ordinal: int) -> Script:
        """A response's script, and what comes after it."""
        shared = self._shared
        if fault is None:
            yield from response.script()
        else:
            rng = shared.endpoint.faults.rng("course", shared.ordinal, ordinal)
            yield from struck(fault, response, rng)
            shared.endpoint.capacity.release(response.request.slot)
        _, entry = self._running.pop(response.request.id)
        if response.truth.status == "completed":
            for call in response.mcp_calls:
                self.servers.take(call, entry.due)
        if self._owed:
            self._owed = False
            self._begin(ResponseParams(), response.request.config, entry.due)
        elif not response.request.beside:
            self._over(entry.due, response.truth.audio_s)

    def _stop(self, response: Response, reason: str, at: int) -> None:
        """End a response before it is complete."""
        _, entry = self._running.pop(response.request.id)
        self._shared.endpoint.capacity.release(response.request.slot)
        self._shared.agenda.replace(entry, response.end("cancelled", reason))
        if "stale" in response.truth.faults:
            self._shared.agenda.follow(response.leftovers(at), at)


def _context(conversation: Conversation, params: ResponseParams, config: SessionConfig) -> Tokens:
    """What has to be read to answer."""
    if params.input is None:
        read = conversation.tokens
    else:
        items = [
            conversation.retrieve(str(raw.get("id")))
            if raw.get("type") == "item_reference"
            else Item(checked_item(raw, "", f"response.input[{index}]"))
            for index, raw in enumerate(params.input)
        ]
        read = sum((item.tokens for item in items), Tokens())
    instructions = params.instructions or config.instructions
    tools = params.tools if params.tools is not None else config.tools
    return read + Tokens(text_tokens(instructions) + len(msgspec.json.encode(tools)) // 4)
