"""The session object, in the shape of today and of the beta: made by us, stated by servers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.audio import PCM16, AudioFormat

__all__ = [
    "NEGOTIATED",
    "asked_for_audio",
    "merge",
    "session_update",
    "stated_create_response",
    "stated_format",
    "stated_turn_detection",
]

_BETA_FORMATS = {"pcm16": "pcm16", "pcmu": "g711_ulaw", "pcma": "g711_alaw"}


def session_update(
    *,
    beta: bool = False,
    voice: str = "",
    instructions: str = "",
    turn_detection: str | Mapping[str, Any] | None = None,
    audio_format: AudioFormat = PCM16,
    transcription: str | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
    tool_choice: str | None = None,
    override: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """
    The session object that configures a session.

    Args:
        beta: In the shape that it had as a beta.
        voice: Of the answers; left to the server if empty.
        instructions: Left to the server if empty.
        turn_detection: The name of a kind, or its object with parameters; ``None`` or ``none`` for
            push to talk.
        audio_format: Of both directions.
        transcription: Model that transcribes what the caller says, if any.
        tools: Function schemas, ``{"type": "function", "name": …}``.
        tool_choice: ``auto``, ``none``, ``required`` or the name of a function.
        override: Merged over all of it; a null in it is sent as null.

    """
    shape = _beta_session if beta else _session
    session = shape(
        voice,
        audio_format,
        _turn_detection(turn_detection),
        {"model": transcription} if transcription else None,
    )
    if instructions:
        session["instructions"] = instructions
    if tools:
        session["tools"] = [dict(tool) for tool in tools]
    if tool_choice:
        named = tool_choice not in ("auto", "none", "required")
        session["tool_choice"] = {"type": "function", "name": tool_choice} if named else tool_choice
    return merge(session, override or {})


def _session(
    voice: str,
    audio_format: AudioFormat,
    turn_detection: dict[str, Any] | None,
    transcription: dict[str, Any] | None,
) -> dict[str, Any]:
    output: dict[str, Any] = {"format": audio_format.wire()}
    if voice:
        output["voice"] = voice
    return {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": audio_format.wire(),
                "turn_detection": turn_detection,
                "transcription": transcription,
            },
            "output": output,
        },
    }


def _beta_session(
    voice: str,
    audio_format: AudioFormat,
    turn_detection: dict[str, Any] | None,
    transcription: dict[str, Any] | None,
) -> dict[str, Any]:
    name = _BETA_FORMATS[audio_format.name]
    session: dict[str, Any] = {
        "modalities": ["audio", "text"],
        "input_audio_format": name,
        "output_audio_format": name,
        "turn_detection": turn_detection,
        "input_audio_transcription": transcription,
    }
    if voice:
        session["voice"] = voice
    return session


def _turn_detection(wanted: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if wanted is None or wanted == "none":
        return None
    return {"type": wanted} if isinstance(wanted, str) else dict(wanted)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` laid over it: objects are merged, anything else is replaced."""
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[name] = merge(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _dig(config: Any, *path: str) -> Any:
    for key in path:
        config = config.get(key) if isinstance(config, dict) else None
    return config


def stated_format(session: dict[str, Any], side: str) -> AudioFormat | None:
    """The audio format that a session object states, in today's shape or the beta one."""
    return AudioFormat.from_wire(
        _dig(session, "audio", side, "format") or session.get(f"{side}_audio_format")
    )


def stated_turn_detection(session: dict[str, Any]) -> str | None:
    """The turn detection that a session object states, "none" for null; ``None`` if it doesn't."""
    for holder in (_dig(session, "audio", "input"), session):
        if isinstance(holder, dict) and "turn_detection" in holder:
            kind = _dig(holder, "turn_detection", "type")
            return kind if isinstance(kind, str) else "none"
    return None


def stated_create_response(session: dict[str, Any]) -> bool | None:
    """Whether turns that are detected are answered unasked; ``None`` if it isn't stated."""
    for holder in (_dig(session, "audio", "input"), session):
        if isinstance(stated := _dig(holder, "turn_detection", "create_response"), bool):
            return stated
    return None


def asked_for_audio(session: dict[str, Any]) -> bool | None:
    """Whether answers are to be spoken, by what we ask of them; ``None`` if nothing is asked."""
    for name in ("output_modalities", "modalities"):
        if isinstance(asked := session.get(name), list):
            return "audio" in asked
    return None


NEGOTIATED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "audio.input.format": lambda session: stated_format(session, "input"),
    "audio.output.format": lambda session: stated_format(session, "output"),
    "audio.input.turn_detection": stated_turn_detection,
}
"""What a server may grant otherwise than asked, by name: how it is read of a session object."""
