"""What the caller said, told back: nobody listened, so that the words are made up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.simulator.conversation import USER_AUDIO_TOKENS, text_tokens

if TYPE_CHECKING:
    from harness.simulator.agenda import Script
    from harness.simulator.config import Transcription
    from harness.simulator.outbound import Messages

__all__ = ["transcription"]

_FAILED = {
    "type": "transcription_error",
    "code": "audio_unintelligible",
    "message": "The audio could not be transcribed.",
}
_TAKES_NS = 150_000_000
_TEXT = "I would like to book a table for two tonight if you still have one left please"
_WORDS = _TEXT.split()
_WORDS_PER_SECOND = 2.6


def transcription(
    wire: dict[str, Any],
    seconds: float,
    config: Transcription,
    messages: Messages,
    at: int,
    *,
    fails: bool = False,
) -> Script:
    """The transcript of one item, or its failure, some time after it was committed at ``at``."""
    place = {"item_id": wire["id"], "content_index": 0}
    count = max(1, round(seconds * _WORDS_PER_SECOND))
    text = " ".join(_WORDS[n % len(_WORDS)] for n in range(count))
    kind = "conversation.item.input_audio_transcription"
    yield at + _TAKES_NS
    if fails:
        yield messages.event(f"{kind}.failed", **place, error=_FAILED)
        return
    wire["content"][0]["transcript"] = text
    if config.model is not None and config.model.endswith("-diarize"):
        span = {"id": f"seg_{wire['id']}", "start": 0.0, "end": seconds, "speaker": "A"}
        yield messages.event(f"{kind}.segment", **place, **span, text=text)
    yield messages.event(f"{kind}.delta", **place, delta=text)
    yield messages.event(
        f"{kind}.completed", **place, transcript=text, usage=_usage(config.model, seconds, text)
    )


def _usage(model: str | None, seconds: float, text: str) -> dict[str, Any]:
    """Whisper is paid by the second, its successors by tokens."""
    if model is None or "whisper" in model:
        return {"type": "duration", "seconds": round(seconds, 3)}
    heard, written = math.ceil(seconds * USER_AUDIO_TOKENS), text_tokens(text)
    return {
        "type": "tokens",
        "input_tokens": heard,
        "output_tokens": written,
        "total_tokens": heard + written,
        "input_token_details": {"audio_tokens": heard, "text_tokens": 0},
    }
