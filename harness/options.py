"""Every option of a load test as data, and the frozen structs they are parsed to."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness.audio import PCM16, PCMA, PCMU, AudioFormat
from harness.cost import Prices, load_prices
from harness.durations import Distribution, parse_distribution, parse_duration
from harness.limits import Limits
from harness.realtime.dialects import DIALECTS

__all__ = [
    "OPTIONS",
    "TIMEOUT_OPTIONS",
    "Option",
    "OptionError",
    "Timeouts",
    "Workload",
    "parse_workload",
]

NS = 1_000_000_000

TURN_DETECTION = ("none", "server_vad", "semantic_vad")
NOISES = ("white", "babble")
FORMATS = {"pcm16": PCM16, "pcmu": PCMU, "pcma": PCMA}


class OptionError(ValueError):
    """An option's value makes no sense; the message is one line: which, and what to do."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of definitions, in seconds; the names are those of ``Phase``."""

    connect: float = 10.0
    session: float = 10.0
    detection: float = 12.0
    first_audio: float = 10.0
    stall: float = 5.0
    response: float = 120.0
    tool: float = 30.0
    close: float = 5.0


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """What callers do, parsed; passed down whole."""

    model: str = "gpt-realtime-2.1-mini"
    dialect: str = "auto"
    voice: str = "alloy"
    instructions: str = ""
    turn_detection: str = "none"
    audio_format: AudioFormat = PCM16
    frame_ms: int = 20
    corpus: Path | None = None  # None: the shipped one
    noise: str | Path | None = None  # white, babble, or a file; None: silence
    snr: float | None = None  # dB of voices over it; None: only who is silent hears it
    turns: int = 4  # of one call
    pause: Distribution = Distribution("lognormal", 0.4, 0.3)
    patience: float | None = None  # seconds of silence after which a caller hangs up
    listen: str = "playback"  # or done
    jitter_buffer: float = 0.1  # seconds
    speaks_first: bool = False
    renew: bool = False  # dial again when a session has reached its cap
    transcription: str | None = None  # a transcription model
    tool_choice: str | None = None
    tool_rate: float = 0.0  # share of turns that ask for a tool
    tool_latency: Distribution = Distribution("lognormal", 0.2, 0.3)
    tool_failure_rate: float = 0.0
    tool_rounds: int = 8  # of one turn
    barge_in_rate: float = 0.0
    record: int = 0  # tapes kept of the worst turns, and as many of a sample
    record_audio: bool = False
    seed: int = 1
    slo: str = ""  # objectives, ";" between several
    slo_stop: bool = False  # end the run when one can no longer be met
    session: dict[str, Any] = {}  # merged into session.update
    auth: str = "header"  # or subprotocol
    ephemeral_keys: bool = False  # each session is dialled with a key of its own
    headers: tuple[tuple[str, str], ...] = ()
    ca_file: Path | None = None
    send_key_to: str | None = None
    heed_rate_limits: bool = False  # new callers wait while too little is left for them
    max_cost: float | None = None  # USD that a run may spend
    prices: Prices | None = None  # None: the shipped table
    free: tuple[str, ...] = ()  # hosts that cost nothing, whatever they are called
    timeouts: Timeouts = Timeouts()

    @property
    def limits(self) -> Limits:
        """How long a turn may wait for what."""
        limits = self.timeouts
        return Limits(
            detection=int(limits.detection * NS),
            first_audio=int(limits.first_audio * NS),
            stall=int(limits.stall * NS),
            response=int(limits.response * NS),
            tool=int(limits.tool * NS),
            patience=None if self.patience is None else int(self.patience * NS),
        )


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One option: how it is written, explained and parsed. Its default is text, as in a form."""

    flag: str  # --frame-ms
    default: str | None = None
    help: str
    parse: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    metavar: str | None = None
    switch: bool = False  # takes no value on the command line
    repeat: bool = False  # may be given several times; joined by ";"
    form: bool = True  # shown in Locust's web form
    workload: bool = True  # a field of Workload, or of Timeouts

    @property
    def name(self) -> str:
        """As an attribute: ``frame_ms``."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def env(self) -> str:
        """The environment variable that sets it."""
        return "REALTIME_" + self.name.upper()


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {text!r}")
        return value

    return parse


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError(f"must be a share from 0 to 1, not {text!r}")
    return value


def _above_zero(text: str) -> float:
    value = parse_duration(text)
    if value <= 0:
        raise ValueError("must be longer than 0")
    return value


def _yes(text: str) -> bool:
    if text.lower() in ("", "0", "no", "false", "off"):
        return False
    if text.lower() in ("1", "yes", "true", "on"):
        return True
    raise ValueError(f"must be yes or no, not {text!r}")


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise ValueError(f"there is no folder {text}")
    return path


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"there is no file {text}")
    return path


def _noise(text: str) -> str | Path:
    return text if text in NOISES else _file(text)


def _decibels(text: str) -> float:
    try:
        value = float(text.lower().removesuffix("db"))
    except ValueError:
        value = math.nan
    if not -20 <= value <= 60:
        raise ValueError(f"{text!r} is no ratio from -20dB to 60dB: write it like 10dB")
    return value


def _json_object(text: str) -> dict[str, Any]:
    path = _file(text)
    try:
        raw = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise ValueError(f"{text} is not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise ValueError(f"{text} must hold a JSON object, the session of session.update")
    return raw


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for line in filter(None, (part.strip() for part in text.replace("\n", ";").split(";"))):
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or " " in name.strip():
            # The value may be a secret: it is not repeated.
            raise ValueError("must look like 'Name: value'")
        found.append((name.strip(), value.strip()))
    return tuple(found)


def _usd(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"must be an amount of USD above 0, not {text!r}")
    return value


def _prices(text: str) -> Prices:
    return load_prices(_file(text))


def _hosts(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, (part.strip().lower() for part in text.split(";"))))
    if any("/" in name or " " in name for name in names):
        raise ValueError("must be the name of a host alone, like gateway.example")
    return names


def _format(text: str) -> AudioFormat:
    return FORMATS[text]


OPTIONS = (
    Option(flag="--model", default="gpt-realtime-2.1-mini", help="Model, or deployment on Azure."),
    Option(flag="--dialect", default="auto", choices=("auto", *DIALECTS), help="Whose protocol the host speaks; auto tells by the host's name."),
    Option(flag="--voice", default="alloy", help="Voice of the answers."),
    Option(flag="--instructions", default="", help="System instructions of the session."),
    Option(
        flag="--turn-detection",
        default="none",
        choices=TURN_DETECTION,
        help="Who decides that a caller has finished: none is push to talk, the others keep the microphone open.",
    ),
    Option(flag="--audio-format", default="pcm16", choices=tuple(FORMATS), parse=_format, help="Audio both ways: 24 kHz PCM, or 8 kHz µ-law or A-law as telephones have it."),
    Option(flag="--frame-ms", default="20", parse=_whole(10, 200), help="Audio per message, milliseconds."),
    Option(flag="--corpus", parse=_folder, form=False, metavar="DIR", help="Folder of audio files that callers say (wav, flac, ogg, mp3; any rate); default: the shipped utterances."),
    Option(flag="--noise", parse=_noise, metavar="white|babble|FILE", help="What an open microphone hears while nobody speaks, and with --snr what stands behind voices; default: silence."),
    Option(flag="--snr", parse=_decibels, metavar="DB", help="Mix --noise into what callers say, so far below their voices: 10dB."),
    Option(flag="--turns", default="4", parse=_whole(1, 100_000), help="Things said in one call before hanging up."),
    Option(flag="--pause", default="lognormal(400ms, 0.3)", parse=parse_distribution, help="Between hearing an answer and speaking again: a duration or a distribution."),
    Option(flag="--patience", parse=_above_zero, metavar="TIME", help="A caller hangs up after so much silence; default: never before the timeouts."),
    Option(flag="--listen", default="playback", choices=("playback", "done"), help="Hear answers out at playing speed, or go on when they are complete on the wire."),
    Option(flag="--jitter-buffer", default="100ms", parse=parse_duration, help="Audio a caller's phone holds back before it plays."),
    Option(flag="--speaks-first", default="", switch=True, parse=_yes, help="The agent greets before the caller speaks."),
    Option(flag="--renew", default="", switch=True, parse=_yes, help="When a session has reached its cap, hang up and dial again; the call goes on."),
    Option(flag="--transcription", metavar="MODEL", help="Ask for input transcription by this model."),
    Option(flag="--tool-choice", metavar="CHOICE", help="auto, none, required, or a function's name."),
    Option(flag="--tool-rate", default="0", parse=_share, help="Share of turns that ask for a tool call; where the endpoint answers unasked (VAD), it decides itself."),
    Option(flag="--tool-latency", default="lognormal(200ms, 0.3)", parse=parse_distribution, help="How long the simulated tool takes."),
    Option(flag="--tool-failure-rate", default="0", parse=_share, help="Share of calls that the simulated tool fails."),
    Option(flag="--tool-rounds", default="8", parse=_whole(1, 100), help="How often a turn may call tools and go on; once more, and it has failed."),
    Option(flag="--barge-in-rate", default="0", parse=_share, help="Share of answers a caller talks over."),
    Option(flag="--record", default="0", parse=_whole(0, 1000), metavar="N", help="Keep tapes of the N worst turns and of a sample of N: every event with its instant, to be folded again."),
    Option(flag="--record-audio", default="", switch=True, parse=_yes, help="Keep the sound of the answers on those tapes, too."),
    Option(flag="--seed", default="1", parse=_whole(0, 2**63 - 1), help="The same seed gives the same crowd."),
    Option(flag="--slo", default="", repeat=True, metavar="OBJECTIVE", help='An objective, like "ttfa:p95<0.8s" or "turns:failed<5"; repeatable, ";" between several.'),
    Option(flag="--slo-stop", default="", switch=True, parse=_yes, help="End the run as soon as an objective can no longer be met: its count or largest value is over the bound, or a sequential test leaves one chance in a thousand."),
    Option(flag="--session", parse=_json_object, form=False, metavar="FILE", help="JSON object merged into session.update."),
    Option(flag="--header", default="", repeat=True, parse=_headers, form=False, metavar="'NAME: VALUE'", help="A header of the handshake; secrets belong in REALTIME_HEADERS."),
    Option(flag="--auth", default="header", choices=("header", "subprotocol"), form=False, help="How the key is shown: in a header, or as a subprotocol as browsers do."),
    Option(flag="--ephemeral-keys", default="", switch=True, parse=_yes, form=False, help="Dial each session with a key of short life, asked for by POST …/realtime/client_secrets."),
    Option(flag="--ca-file", parse=_file, form=False, metavar="FILE", help="Certificates (PEM) to trust instead of the system's."),
    Option(flag="--send-key-to", form=False, metavar="HOST", help="Allow the API key to go to this host though it was not the one given at start."),
    Option(flag="--heed-rate-limits", default="", switch=True, parse=_yes, help="New callers wait while the endpoint's rate_limits.updated leaves less than one of them uses in a minute."),
    Option(flag="--max-cost", parse=_usd, form=False, metavar="USD", help="What a run may cost: then callers hang up, and it ends with what it has. Hosts that cost money need it."),
    Option(flag="--prices", parse=_prices, form=False, metavar="FILE", help="Price table (TOML) instead of the shipped one."),
    Option(flag="--free", repeat=True, parse=_hosts, form=False, metavar="HOST", help="A host that costs nothing though it is neither on this machine nor in a private network; repeatable."),
    Option(flag="--run-dir", default="runs", form=False, workload=False, metavar="DIR", help="Folder in which each run makes its own."),
    Option(flag="--metrics-port", parse=_whole(1, 65535), form=False, workload=False, metavar="PORT", help="Serve Prometheus metrics here; the web UI serves them at /metrics too."),
)  # fmt: skip
"""The options of a load test; all but the last two are fields of ``Workload``."""

_TIMEOUT_HELP = {
    "connect": "dialling, until the upgrade is done",
    "session": "the upgrade, until session.updated",
    "detection": "the end of speech, until the endpoint noticed it (VAD)",
    "first_audio": "the turn detected, until the first audio; stands still while our own tool runs",
    "stall": "the last delta or the playback buffer running dry, until the next delta",
    "response": "the response created, until it is done",
    "tool": "the tool call complete, until our tool answered",
    "close": "close sent, until closed",
}

TIMEOUT_OPTIONS = tuple(
    Option(
        flag="--timeout-" + name.replace("_", "-"),
        default=f"{getattr(Timeouts(), name):g}s",
        parse=_above_zero,
        help=f"Limit, from {text}.",
    )
    for name, text in _TIMEOUT_HELP.items()
)

_RENAMED = {"header": "headers"}


def parse_option(option: Option, text: Any) -> Any:
    """
    The value of one option, ``None`` when it was not given.

    Web forms post strings, ``None`` among them as an empty one or as ``"None"``.

    Raises:
        OptionError: If the value makes no sense; the message names the option.

    """
    if isinstance(text, list | tuple):
        text = ";".join(map(str, text))
    text = "" if text is None or text == "None" else str(text)
    if option.switch:
        text = "yes" if text == "True" else "" if text == "False" else text
    elif not text.strip():
        text = option.default or ""
        if not text:
            return None
    if option.choices and text not in option.choices:
        raise OptionError(f"{option.flag} must be one of {', '.join(option.choices)}, not {text!r}")
    try:
        return option.parse(text)
    except ValueError as error:
        raise OptionError(f"{option.flag}: {error}") from None


def parse_workload(raw: Mapping[str, Any]) -> Workload:
    """
    The workload of raw option values, from Locust's parser, its web form or the environment.

    Args:
        raw: By option name, ``frame_ms``; what is missing takes its default.

    Raises:
        OptionError: If a value makes no sense.

    """
    given: dict[str, Any] = {}
    for option in OPTIONS:
        if option.workload and (value := parse_option(option, raw.get(option.name))) is not None:
            given[_RENAMED.get(option.name, option.name)] = value
    limits = {
        option.name.removeprefix("timeout_"): parse_option(option, raw.get(option.name))
        for option in TIMEOUT_OPTIONS
    }
    return Workload(**given, timeouts=Timeouts(**limits))
