"""A response as its events show it, with what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.simulator.conversation import Tokens, text_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.simulator.conversation import Item
    from harness.simulator.request import Request

__all__ = ["begun", "ended"]


def begun(request: Request) -> dict[str, Any]:
    """A response that has no output yet."""
    return _resource(request, "in_progress", [])


def ended(
    request: Request,
    output: Sequence[Item],
    status: str,
    reason: str | None = None,
    error: dict[str, str] | None = None,
) -> dict[str, Any]:
    """
    A response that is over.

    Args:
        request: What was asked for.
        output: What was made of it.
        status: completed, cancelled, failed or incomplete.
        reason: Of a status that has one.
        error: Of a failure.

    """
    more = {"reason": reason, "error": error}
    details = {"type": status, **{key: value for key, value in more.items() if value}}
    resource = _resource(request, status, output)
    return {**resource, "status_details": details, "usage": _usage(request, output)}


def _resource(request: Request, status: str, output: Sequence[Item]) -> dict[str, Any]:
    said = request.params.output_in(request.config)
    return {
        "object": "realtime.response",
        "id": request.id,
        "status": status,
        "status_details": None,
        "output": [item.wire for item in output],
        "conversation_id": None if request.beside else request.conversation.id,
        "output_modalities": request.modalities,
        "max_output_tokens": request.params.max_output_tokens or request.config.max_output_tokens,
        "audio": {"output": {"format": said.format, "voice": said.voice}},
        "metadata": request.params.metadata,
        "usage": None,
    }


def _usage(request: Request, output: Sequence[Item]) -> dict[str, Any]:
    """What the response cost so far."""
    context, cached = request.context, request.cached
    made = sum((_made_tokens(item) for item in output), Tokens())
    return {
        "total_tokens": context.total + made.total,
        "input_tokens": context.total,
        "output_tokens": made.total,
        "input_token_details": {
            "text_tokens": context.text,
            "audio_tokens": context.audio,
            "image_tokens": 0,
            "cached_tokens": cached.total,
            "cached_tokens_details": {
                "text_tokens": cached.text,
                "audio_tokens": cached.audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": made.text, "audio_tokens": made.audio},
    }


def _made_tokens(item: Item) -> Tokens:
    """What an item of the output costs; of speech, the transcript too."""
    spoken = "".join(str(part.get("transcript", "")) for part in item.wire.get("content", ()))
    return item.tokens + Tokens(text_tokens(spoken))
