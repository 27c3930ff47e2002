"""Every option of a load test as data: how it is written, explained, and parsed to a workload."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness.audio import PCM16, PCMA, PCMU, AudioFormat
from harness.cost import Prices, load_prices
from harness.durations import parse_distribution, parse_duration
from harness.realtime.dialects import DIALECTS
from harness.values import (
    existing_file,
    existing_folder,
    longer_than,
    number,
    parse_share,
    whole,
    yes,
)
from harness.workload import Timeouts, Workload

__all__ = [
    "OPTIONS",
    "TIMEOUT_OPTIONS",
    "Option",
    "OptionError",
    "parse_option",
    "parse_workload",
]

TURN_DETECTION = ("none", "server_vad", "semantic_vad")
NOISES = ("white", "babble")
FORMATS = {"pcm16": PCM16, "pcmu": PCMU, "pcma": PCMA}
_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # a line break in a header begins another
_BETWEEN_HEADERS = re.compile(r"\n|;(?=\s*(?:[\w!#$%&'*+.^`|~-]+\s*:(?!//)|$))")
"""A semicolon may stand within a value, as in a cookie: it ends a header if another follows."""


class OptionError(ValueError):
    """An option's value makes no sense; the message is one line: which, and what to do."""


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
    def placeholder(self) -> str:
        """What stands for the value where the option is explained."""
        if self.choices:
            return "{" + ",".join(self.choices) + "}"
        return self.metavar or _PLACEHOLDERS.get(self.parse, self.name.rsplit("_", 1)[-1].upper())

    @property
    def env(self) -> str:
        """The environment variable that sets it."""
        return "REALTIME_" + self.name.upper()


def _noise(text: str) -> str | Path:
    return text if text in NOISES else existing_file(text)


def _decibels(text: str) -> float:
    value = number(text.lower().removesuffix("db"))
    if not -20 <= value <= 60:
        raise ValueError(f"{text!r} is no ratio from -20dB to 60dB: write it like 10dB")
    return value


def _json_object(text: str) -> dict[str, Any]:
    path = existing_file(text)
    try:
        raw = msgspec.json.decode(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{text} is not JSON: {error}") from None
    except OSError as error:
        raise ValueError(f"can't read {text}: {error.strerror}") from None
    if not isinstance(raw, dict):
        raise ValueError(f"{text} must hold a JSON object, the session of session.update")
    return raw


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for line in filter(None, (part.strip() for part in _BETWEEN_HEADERS.split(text))):
        name, colon, value = line.partition(":")
        if not colon or not _HEADER_NAME.fullmatch(name.strip()) or _CONTROL.search(value):
            # The value may be a secret: it is not repeated.
            raise ValueError("must look like 'Name: value'")
        found.append((name.strip(), value.strip()))
    return tuple(found)


def _usd(text: str) -> float:
    value = number(text)
    if not 0 < value < math.inf:
        raise ValueError(f"must be an amount of USD above 0, not {text!r}")
    return value


def _prices(text: str) -> Prices:
    return load_prices(existing_file(text))


def _hosts(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, (part.strip().lower() for part in text.split(";"))))
    if any("/" in name or " " in name for name in names):
        raise ValueError("must be the name of a host alone, like gateway.example")
    return names


def _format(text: str) -> AudioFormat:
    return FORMATS[text]


_PLACEHOLDERS: dict[Callable[[str], Any], str] = {
    parse_distribution: "TIME|DISTRIBUTION",
    parse_duration: "TIME",
    parse_share: "SHARE",
}

OPTIONS = (
    Option(flag="--model", default="gpt-realtime-2.1-mini", help="Model, or deployment on Azure."),
    Option(flag="--dialect", default="auto", choices=("auto", *DIALECTS), help="Whose protocol the host speaks; auto tells by the host's name."),
    Option(flag="--voice", default="alloy", help="Voice of the answers."),
    Option(flag="--instructions", default="", metavar="TEXT", help="System instructions of the session."),
    Option(
        flag="--turn-detection",
        default="none",
        choices=TURN_DETECTION,
        help="Who decides that a caller has finished: none is push to talk, the others keep the microphone open.",
    ),
    Option(flag="--audio-format", default="pcm16", choices=tuple(FORMATS), parse=_format, help="Audio both ways: 24 kHz PCM, or 8 kHz µ-law or A-law as telephones have it."),
    Option(flag="--frame-ms", default="20", parse=whole(10, 200), metavar="MS", help="Audio per message, milliseconds."),
    Option(flag="--corpus", parse=existing_folder, form=False, metavar="DIR", help="Folder of audio files that callers say (wav, flac, ogg, mp3; any rate); default: the shipped utterances."),
    Option(flag="--noise", parse=_noise, metavar="white|babble|FILE", help="What an open microphone hears while nobody speaks, and with --snr behind voices."),
    Option(flag="--snr", parse=_decibels, metavar="DB", help="Mix --noise into what callers say, so far below their voices: 10dB."),
    Option(flag="--turns", default="4", parse=whole(1, 100_000), metavar="N", help="Things said in one call before hanging up."),
    Option(flag="--pause", default="lognormal(400ms, 0.3)", parse=parse_distribution, help="Between hearing an answer and speaking again: a duration or a distribution."),
    Option(flag="--patience", parse=longer_than(0), metavar="TIME", help="A caller hangs up after so much silence; default: never before the timeouts."),
    Option(flag="--listen", default="playback", choices=("playback", "done"), help="Hear answers out at playing speed, or go on when they are complete on the wire."),
    Option(flag="--jitter-buffer", default="100ms", parse=parse_duration, help="Audio a caller's phone holds back before it plays."),
    Option(flag="--speaks-first", default="", switch=True, parse=yes, help="The agent greets before the caller speaks."),
    Option(flag="--renew", default="", switch=True, parse=yes, help="When a session has reached its cap, hang up and dial again; the call goes on."),
    Option(flag="--transcription", metavar="MODEL", help="Ask for input transcription by this model."),
    Option(flag="--tool-choice", metavar="CHOICE", help="auto, none, required, or a function's name."),
    Option(flag="--tool-rate", default="0", parse=parse_share, help="Share of turns that ask for a tool call; where the endpoint answers unasked (VAD), it decides itself."),
    Option(flag="--tool-latency", default="lognormal(200ms, 0.3)", parse=parse_distribution, help="How long the simulated tool takes."),
    Option(flag="--tool-failure-rate", default="0", parse=parse_share, help="Share of calls that the simulated tool fails."),
    Option(flag="--tool-rounds", default="8", parse=whole(1, 100), metavar="N", help="How often a turn may call tools and go on; once more, and it has failed."),
    Option(flag="--barge-in-rate", default="0", parse=parse_share, help="Share of answers a caller talks over."),
    Option(flag="--record", default="0", parse=whole(0, 1000), metavar="N", help="Keep tapes of the N worst turns and of a sample of N: every event with its instant, to be folded again."),
    Option(flag="--record-audio", default="", switch=True, parse=yes, help="Keep the sound of the answers on those tapes, too."),
    Option(flag="--seed", default="1", parse=whole(0, 2**63 - 1), metavar="N", help="The same seed gives the same crowd."),
    Option(flag="--slo", default="", repeat=True, metavar="OBJECTIVE", help='An objective, like "ttfa:p95<0.8s" or "turns:failed<5"; repeatable, ";" between several.'),
    Option(flag="--slo-stop", default="", switch=True, parse=yes, help="End the run as soon as an objective can no longer be met: its count or largest value is over the bound, or a sequential test leaves one chance in a thousand."),
    Option(flag="--session", parse=_json_object, form=False, metavar="FILE", help="JSON object merged into session.update."),
    Option(flag="--header", default="", repeat=True, parse=_headers, form=False, metavar="'NAME: VALUE'", help="A header of the handshake; secrets belong in REALTIME_HEADERS."),
    Option(flag="--auth", default="header", choices=("header", "subprotocol"), form=False, help="How the key is shown: in a header, or as a subprotocol as browsers do."),
    Option(flag="--ephemeral-keys", default="", switch=True, parse=yes, form=False, help="Dial each session with a key of short life, asked for by POST …/realtime/client_secrets."),
    Option(flag="--ca-file", parse=existing_file, form=False, metavar="FILE", help="Certificates (PEM) to trust instead of the system's."),
    Option(flag="--send-key-to", form=False, metavar="HOST", help="Allow the API key to go to this host though it was not the one given at start."),
    Option(flag="--heed-rate-limits", default="", switch=True, parse=yes, help="New callers wait while the endpoint's rate_limits.updated leaves less than one of them uses in a minute."),
    Option(flag="--max-cost", parse=_usd, form=False, metavar="USD", help="What a run may cost: then callers hang up, and it ends with what it has. Hosts that cost money need it."),
    Option(flag="--prices", parse=_prices, form=False, metavar="FILE", help="Price table (TOML) instead of the shipped one."),
    Option(flag="--free", repeat=True, parse=_hosts, form=False, metavar="HOST", help="A host that costs nothing though it is neither on this machine nor in a private network; repeatable."),
    Option(flag="--run-dir", default="runs", form=False, workload=False, metavar="DIR", help="Folder in which each run makes its own."),
    Option(flag="--metrics-port", parse=whole(1, 65535), form=False, workload=False, metavar="PORT", help="Serve Prometheus metrics here; the web UI serves them at /metrics too."),
)  # fmt: skip
"""The options of a load test; all but the last two are fields of ``Workload``."""

_TIMEOUT_HELP = {
    "connect": "dialling, until the upgrade is done",
    "session": "the upgrade, until session.updated; tools of MCP servers are waited for no longer",
    "detection": "the end of speech, until the endpoint noticed it (VAD)",
    "first_audio": "the turn detected, until the first audio; stands still while a tool runs",
    "stall": "the last delta or the playback buffer running dry, until the next delta",
    "response": "the response created, until it is done",
    "tool": "the tool call complete, until our tool, or an MCP server's, answered",
    "close": "close sent, until closed",
}

TIMEOUT_OPTIONS = tuple(
    Option(
        flag="--timeout-" + name.replace("_", "-"),
        default=f"{getattr(Timeouts(), name):g}s",
        parse=longer_than(0),
        metavar="TIME",
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
