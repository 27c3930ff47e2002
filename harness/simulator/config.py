"""A session's configuration: what ``session.update`` may say, what ``session.updated`` echoes."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from harness.audio import PCM16, AudioFormat
from harness.simulator.refusal import missing, refusal_of

__all__ = [
    "ResponseParams",
    "SemanticVad",
    "ServerVad",
    "SessionConfig",
    "parse_params",
    "updated",
]

_Config = TypeVar("_Config", "SessionConfig", "ResponseParams")
Modalities = tuple[Literal["audio", "text"]]  # one of them, never both
MaxTokens = Annotated[int, Meta(ge=1, le=4096)] | Literal["inf"]
ToolChoice = Literal["auto", "none", "required"] | dict[str, Any]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Part of a configuration; a field that the API doesn't know is refused."""


class Pcm(msgspec.Struct, frozen=True, tag_field="type", tag="audio/pcm"):
    """PCM16 at a rate; the API knows 24 kHz only, compatible servers others."""

    rate: Annotated[int, Meta(ge=8_000, le=48_000)] = PCM16.rate


class Pcmu(msgspec.Struct, frozen=True, tag_field="type", tag="audio/pcmu"):
    """µ-law at 8 kHz."""


class Pcma(msgspec.Struct, frozen=True, tag_field="type", tag="audio/pcma"):
    """A-law at 8 kHz."""


Format = Pcm | Pcmu | Pcma


class ServerVad(_Part, frozen=True, tag_field="type", tag="server_vad"):
    """The endpoint hears by the level of the audio that the caller has finished."""

    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, Meta(ge=0)] = 300
    silence_duration_ms: Annotated[int, Meta(ge=0)] = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: Annotated[int, Meta(ge=5000, le=30_000)] | None = None


class SemanticVad(_Part, frozen=True, tag_field="type", tag="semantic_vad"):
    """The endpoint waits longer where the caller may go on."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


class Transcription(_Part, frozen=True):
    """How the caller's words are told."""

    model: str | None = None
    language: str | None = None
    languages: list[str] | None = None
    keywords: list[str] | None = None
    prompt: str | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class NoiseReduction(_Part, frozen=True):
    """Accepted, without effect."""

    type: Literal["near_field", "far_field"] | None = None
    strength: float | None = None


class AudioInput(_Part, frozen=True):
    """What the endpoint hears, and how it knows that a turn is over."""

    format: Format = Pcm()
    noise_reduction: NoiseReduction | None = None
    transcription: Transcription | None = None
    turn_detection: ServerVad | SemanticVad | None = ServerVad()


class AudioOutput(_Part, frozen=True):
    """What the endpoint says."""

    format: Format = Pcm()
    voice: str | dict[str, Any] = "alloy"
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] = 1.0

    @property
    def audio_format(self) -> AudioFormat:
        """The same as bytes are counted."""
        return _format(self.format)


class Audio(_Part, frozen=True):
    """Audio both ways."""

    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class SessionConfig(_Part, frozen=True):
    """The session of the API, with its defaults."""

    type: Literal["realtime", "transcription"] = "realtime"
    model: str | None = None
    output_modalities: Modalities = ("audio",)
    instructions: str = "You are a friendly assistant. Talk in short sentences."
    tools: list[dict[str, Any]] = []
    tool_choice: ToolChoice = "auto"
    max_output_tokens: MaxTokens = "inf"
    parallel_tool_calls: bool | None = None
    reasoning: dict[str, Any] | None = None
    prompt: dict[str, Any] | None = None
    tracing: Literal["auto"] | dict[str, Any] | None = None
    truncation: Literal["auto", "disabled"] | dict[str, Any] = "auto"
    include: list[str] | None = None
    audio: Audio = Audio()

    @property
    def speaks(self) -> bool:
        """Whether it answers; else it writes down what is said."""
        return self.type == "realtime"

    def resource(self, session_id: str, expires_at: int) -> dict[str, Any]:
        """The session as events show it; ``expires_at`` in seconds since 1970."""
        config = msgspec.to_builtins(self)
        kind = "session"
        if not self.speaks:
            kind = "transcription_session"
            audio = {"input": config["audio"]["input"]}
            config = {"type": self.type, "audio": audio, "include": self.include}
        return {**config, "object": f"realtime.{kind}", "id": session_id, "expires_at": expires_at}

    @property
    def input_format(self) -> AudioFormat:
        """What the caller sends."""
        return _format(self.audio.input.format)

    @property
    def vad(self) -> ServerVad | SemanticVad | None:
        """Who decides that the caller has finished; ``None`` is the caller."""
        return self.audio.input.turn_detection

    @property
    def turn_detection(self) -> str:
        """The same by name."""
        return "none" if self.vad is None else str(self.vad.__struct_config__.tag)


class ResponseAudio(_Part, frozen=True):
    """Audio of one response only."""

    output: AudioOutput = AudioOutput()


class ResponseParams(_Part, frozen=True):
    """The ``response`` of ``response.create``; what is ``None`` is as in the session."""

    conversation: str | None = None  # none: beside the conversation
    input: list[dict[str, Any]] | None = None
    instructions: str | None = None
    max_output_tokens: MaxTokens | None = None
    metadata: dict[str, str] | None = None
    output_modalities: Modalities | None = None
    parallel_tool_calls: bool | None = None
    prompt: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    tool_choice: ToolChoice | None = None
    tools: list[dict[str, Any]] | None = None
    audio: ResponseAudio | None = None

    def output_in(self, config: SessionConfig) -> AudioOutput:
        """Format and voice of the response, in a session of that configuration."""
        return config.audio.output if self.audio is None else self.audio.output


def updated(config: SessionConfig, patch: dict[str, Any]) -> SessionConfig:
    """
    ``config`` with the fields of ``patch``, a ``session.update``; those left out stay.

    Raises:
        Refusal: If it is none the API would take.

    """
    if "type" not in patch:
        raise missing("session.type")
    merged = {**msgspec.to_builtins(config), **patch}
    if isinstance(patch.get("audio"), dict):
        merged["audio"] = _merged_audio(config, patch["audio"])
    return _convert(merged, SessionConfig, "session")


def _merged_audio(config: SessionConfig, patch: dict[str, Any]) -> dict[str, Any]:
    """The two sides, each field by field."""
    current = msgspec.to_builtins(config.audio)
    return {
        **current,
        **{
            side: {**current.get(side, {}), **fields} if isinstance(fields, dict) else fields
            for side, fields in patch.items()
        },
    }


def parse_params(raw: dict[str, Any] | None, config: SessionConfig) -> ResponseParams:
    """
    The parameters of a response; what they leave open of its audio is as in the session.

    Raises:
        Refusal: If the API would not take them.

    """
    raw = raw or {}
    if isinstance(raw.get("audio"), dict):
        audio = _merged_audio(config, raw["audio"])
        raw = {**raw, "audio": {side: audio[side] for side in {"output", *raw["audio"]}}}
    return _convert(raw, ResponseParams, "response")


def _convert(raw: object, to: type[_Config], within: str) -> _Config:
    try:
        config = msgspec.convert(raw, to)
    except msgspec.ValidationError as error:
        raise refusal_of(error, within) from None
    for index, tool in enumerate(config.tools or ()):
        if tool.get("type", "function") == "function" and not isinstance(tool.get("name"), str):
            raise missing(f"{within}.tools[{index}].name")
        if tool.get("type") == "mcp" and not isinstance(tool.get("server_label"), str):
            raise missing(f"{within}.tools[{index}].server_label")
    return config


def _format(wire: Format) -> AudioFormat:
    return AudioFormat.from_wire(msgspec.to_builtins(wire)) or PCM16
