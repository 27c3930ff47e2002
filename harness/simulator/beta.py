"""The shape that the protocol had as a beta, made from that of today and turned into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.realtime.events import BETA_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "beta_fields",
    "modern_item",
    "modern_params",
    "modern_session",
    "modern_transcription",
]

_NAMES = {modern: beta for beta, modern in BETA_NAMES.items() if beta != "response.cancelled"}
_FORMATS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
_FORMATS_TODAY = {beta: modern for modern, beta in _FORMATS.items()}
_PARTS = {"output_text": "text", "output_audio": "audio"}
_PARTS_TODAY = {beta: modern for modern, beta in _PARTS.items()}
_AUDIO = {
    "voice": ("output", "voice"),
    "speed": ("output", "speed"),
    "output_audio_format": ("output", "format"),
    "input_audio_format": ("input", "format"),
    "input_audio_transcription": ("input", "transcription"),
    "input_audio_noise_reduction": ("input", "noise_reduction"),
    "turn_detection": ("input", "turn_detection"),
}
"""Field of a beta session to its place in ``session.audio``."""
_RENAMED = {
    "max_response_output_tokens": "max_output_tokens",
    "modalities": "output_modalities",
}
_GONE = ("temperature", "client_secret")
_SAME = ("instructions", "model", "tools", "tool_choice", "tracing")


# What the client sends.


def modern_session(session: Mapping[str, Any]) -> dict[str, Any]:
    """The ``session`` of a beta ``session.update`` in the shape of today."""
    return {"type": "realtime", **_modern(session)}


def modern_transcription(session: Mapping[str, Any]) -> dict[str, Any]:
    """The ``session`` of a ``transcription_session.update`` in the shape of today."""
    fields = {name: value for name, value in session.items() if name != "modalities"}
    return {**_modern(fields), "type": "transcription"}


def modern_params(response: Mapping[str, Any]) -> dict[str, Any]:
    """The ``response`` of a beta ``response.create`` in the shape of today."""
    params = _modern(response)
    if isinstance(params.get("input"), list):
        params["input"] = [
            modern_item(item) if isinstance(item, dict) else item for item in params["input"]
        ]
    return params


def modern_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item of a beta conversation in the shape of today."""
    return _with_parts(item, _PARTS_TODAY)


def _modern(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Each field where it stands today; one that is known to neither stays as it is."""
    modern: dict[str, Any] = {}
    audio: dict[str, dict[str, Any]] = {}
    for name, value in fields.items():
        if name in _AUDIO:
            side, key = _AUDIO[name]
            placed = _modern_format(value) if key == "format" else value
            audio.setdefault(side, {})[key] = placed
        elif name == "modalities" and isinstance(value, list):
            modern[_RENAMED[name]] = ["audio"] if "audio" in value else value
        elif name not in _GONE:
            modern[_RENAMED.get(name, name)] = value
    return {"audio": audio, **modern} if audio else modern


def _modern_format(name: object) -> object:
    return {"type": _FORMATS_TODAY.get(name, name)} if isinstance(name, str) else name


# What the endpoint sends.


def beta_fields(fields: Mapping[str, Any], temperature: float) -> dict[str, Any] | None:
    """
    An event in the shape of the beta; ``None`` if it had no such event.

    Args:
        fields: Of the event as it is today.
        temperature: Of the session, which today has none.

    """
    event = dict(fields)
    event["type"] = _NAMES.get(event["type"], event["type"])
    match event["type"]:
        case "conversation.item.done":
            return None
        case "session.created" | "session.updated" if event["session"]["type"] == "transcription":
            event["type"] = f"transcription_{event['type']}"
            event["session"] = _beta_transcription(event["session"])
        case "session.created" | "session.updated":
            event["session"] = _beta_session(event["session"], temperature)
        case "response.created" | "response.done":
            event["response"] = _beta_response(event["response"], temperature)
        case "response.function_call_arguments.done":
            del event["name"]
    if isinstance(event.get("item"), dict):
        event["item"] = _with_parts(event["item"], _PARTS)
    return event


def _beta_session(session: Mapping[str, Any], temperature: float) -> dict[str, Any]:
    return {
        **_identity(session),
        **{name: session[name] for name in _SAME if name in session},
        **_beta_audio(session["audio"]),
        "modalities": _beta_modalities(session["output_modalities"]),
        "max_response_output_tokens": session["max_output_tokens"],
        "temperature": temperature,
    }


def _beta_transcription(session: Mapping[str, Any]) -> dict[str, Any]:
    placed = _beta_audio(session["audio"])
    if isinstance(placed["turn_detection"], dict):  # there are no responses
        placed["turn_detection"] = {
            name: value
            for name, value in placed["turn_detection"].items()
            if not name.endswith("_response")
        }
    return {**_identity(session), **placed, "include": session["include"]}


def _identity(session: Mapping[str, Any]) -> dict[str, Any]:
    return {name: session[name] for name in ("id", "object", "expires_at")}


def _beta_audio(audio: Mapping[str, Any]) -> dict[str, Any]:
    """What today's ``session.audio`` holds, where it stood then."""
    placed = {
        name: audio[side][key] for name, (side, key) in _AUDIO.items() if key in audio.get(side, ())
    }
    return {
        name: _FORMATS[value["type"]] if name.endswith("_format") else _told(value)
        for name, value in placed.items()
    }


def _beta_response(response: Mapping[str, Any], temperature: float) -> dict[str, Any]:
    beta = dict(response)
    output = beta.pop("audio")["output"]
    beta["modalities"] = _beta_modalities(beta.pop("output_modalities"))
    beta["output"] = [_with_parts(item, _PARTS) for item in beta["output"]]
    return {
        **beta,
        "voice": output["voice"],
        "output_audio_format": _FORMATS[output["format"]["type"]],
        "temperature": temperature,
    }


def _told(value: Any) -> Any:
    """A part of the configuration without what is not set: the beta knew less."""
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if each is not None}


def _beta_modalities(modalities: Iterable[str]) -> list[str]:
    """Whoever spoke wrote as well."""
    return ["text", "audio"] if "audio" in modalities else ["text"]


def _with_parts(item: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """An item whose content parts have other names."""
    content = item.get("content")
    if not isinstance(content, list):
        return dict(item)
    return {**item, "content": [_renamed(part, names) for part in content]}


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    kind = part.get("type") if isinstance(part, dict) else None
    return {**part, "type": names.get(kind, kind)} if isinstance(kind, str) else part
