"""The options that say how a simulated endpoint behaves, for the command line and for profiles."""
# ruff: noqa: E501  a table: one row a line

from __future__ import annotations

import argparse
import itertools
import math
from typing import TYPE_CHECKING, Any

import msgspec

from harness.durations import parse_distribution, parse_duration
from harness.errors import CommandError
from harness.simulator.faults import Faults, parse_fault
from harness.simulator.phrases import SOUNDS
from harness.simulator.settings import Settings
from harness.values import longer_than, number, parse_share, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["GROUPS", "OPTIONS", "Option", "add_options", "parse_settings"]


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One option; its default is that of ``Settings``, and ``shown`` as it would be written."""

    flag: str  # --stall-rate
    parse: Callable[[str], Any] = str
    metavar: str | None = None
    shown: str = ""
    repeat: bool = False
    help: str

    @property
    def name(self) -> str:
        """As a field of ``Settings`` and a key of a profile: ``stall_rate``."""
        return self.flag.removeprefix("--").replace("-", "_")


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is none of {', '.join(choices)}")
        return text

    return parse


def _speed(text: str) -> float:
    value = number(text)
    if math.isinf(value):
        return 0.0
    if not 0 <= value <= 1000:
        raise ValueError(f"{text!r} is no speed: 1 is playing speed, 0 at once")
    return value


def _per_minute(text: str) -> float:
    return parse_duration(text.strip().removesuffix("/min"))


# fmt: off
GROUPS = {
    "How it answers": (
        Option(flag="--ttfa", parse=parse_distribution, metavar="DIST", shown="300ms", help="From response.create, or speech_stopped under VAD, to the first audio: 300ms, uniform(200ms, 1s), normal(300ms, 50ms) or lognormal(300ms, 0.3)"),
        Option(flag="--drift", parse=_per_minute, metavar="TIME", shown="0ms/min", help="What the first audio takes longer in each minute of a session"),
        Option(flag="--answer", parse=parse_distribution, metavar="DIST", shown="whole sentences", help="Length of the answers' audio, cut or repeated"),
        Option(flag="--answer-audio", parse=_one_of(*SOUNDS), metavar="SOUND", shown="speech", help="What answers sound like: speech, tone (heard from its first sample) or silence"),
        Option(flag="--delta-ms", parse=whole(10, 2000), metavar="MS", shown="100", help="Audio per delta, milliseconds"),
        Option(flag="--silence-ms", parse=whole(0, 5000), metavar="MS", shown="0", help="Silence at the start of each answer, milliseconds"),
        Option(flag="--speed", parse=_speed, metavar="X", shown="4", help="Speed of generation: 1 is as fast as it is played, 0 is all at once"),
        Option(flag="--jitter", parse=parse_distribution, metavar="DIST", shown="0ms", help="By which each delta after the first is late"),
        Option(flag="--stall-rate", parse=parse_share, metavar="SHARE", shown="0", help="Share of answers that stall once"),
        Option(flag="--stall", parse=parse_distribution, metavar="DIST", shown="uniform(500ms, 2s)", help="How long they do"),
    ),
    "Tools, in sessions that have some": (
        Option(flag="--tool-rate", parse=parse_share, metavar="SHARE", shown="0.5", help="Share of turns that call a tool, when the session has tools"),
        Option(flag="--tool-calls", parse=whole(1, 100), metavar="N", shown="1", help="How many tools such a turn calls at once: from 1 to N; but one in a session with parallel_tool_calls false"),
        Option(flag="--filler-rate", parse=parse_share, metavar="SHARE", shown="0", help="Share of tool calls before which something short is said, such as 'Let me see.'"),
    ),
    "MCP servers, in sessions that have some": (
        Option(flag="--mcp-delay", parse=parse_distribution, metavar="DIST", shown="300ms", help="What a server takes to list its tools, and to run one"),
        Option(flag="--mcp-failure-rate", parse=parse_share, metavar="SHARE", shown="0", help="Share of these that fail"),
    ),
    "What it can carry": (
        Option(flag="--capacity", parse=whole(0, 100_000), metavar="N", shown="0", help="Responses made at a time: the others wait their turn; 0 is any number"),
        Option(flag="--requests-per-minute", parse=whole(0, 10**9), metavar="N", shown="0", help="Responses in a minute, of all sessions; beyond it they fail as rate limited"),
        Option(flag="--tokens-per-minute", parse=whole(0, 10**12), metavar="N", shown="0", help="Tokens in a minute, of all sessions; likewise"),
        Option(flag="--max-sessions", parse=whole(0, 10**6), metavar="N", shown="0", help="Sessions open at a time; 0 is any number"),
        Option(flag="--when-full", parse=_one_of("reject", "429"), metavar="HOW", shown="reject", help="How a session beyond that is refused: 'reject' after the upgrade, 429 at the handshake"),
        Option(flag="--session-cap", parse=longer_than(0), metavar="TIME", shown="60m", help="How long a session lasts at most; then it expires"),
    ),
    "What goes wrong, and what it speaks": (
        Option(flag="--fault", parse=parse_fault, repeat=True, metavar="FAULT", shown="none", help="What goes wrong, and how often: 'refuse:429=2%', 'drop:response.done=1%'; repeatable; --list-faults names all"),
        Option(flag="--beta", parse=_one_of("asked", "always", "refused"), metavar="WHEN", shown="asked", help="When the beta's event names and shapes are spoken: if a client asks for them (OpenAI-Beta header, Azure's preview path), always, or never: who asks is refused, as by OpenAI now"),
        Option(flag="--model", repeat=True, metavar="NAME", shown="any", help="A model that exists; repeatable; all others are then refused"),
        Option(flag="--seed", parse=whole(0, 2**63), metavar="N", shown="1", help="Same seed: same answers, same faults"),
    ),
}
"""One row an option, by what it is about."""
# fmt: on

OPTIONS = tuple(itertools.chain.from_iterable(GROUPS.values()))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Put them on a command line; one that is not given is left out."""
    for title, options in GROUPS.items():
        group = parser.add_argument_group(title)
        for option in options:
            group.add_argument(
                option.flag,
                metavar=option.metavar,
                default=argparse.SUPPRESS,
                action="append" if option.repeat else "store",
                help=f"{option.help} (default: {option.shown})".replace("%", "%%"),
            )


def parse_settings(given: Mapping[str, str | list[str]]) -> Settings:
    """
    The settings of options as text, by name; those left out have their defaults.

    Raises:
        CommandError: If a value makes no sense.

    """
    parsed: dict[str, Any] = {}
    for option in OPTIONS:
        if (value := given.get(option.name)) is None:
            continue
        texts = [value] if isinstance(value, str) else value
        try:
            values = tuple(map(option.parse, texts))
        except ValueError as error:
            raise CommandError(f"{option.flag}: {error}") from None
        parsed[_FIELDS.get(option.name, option.name)] = values if option.repeat else values[-1]
    try:
        Faults(parsed.get("faults", ()), 0)
    except ValueError as error:
        raise CommandError(f"--fault: {error}") from None
    return Settings(**parsed)


_FIELDS = {"model": "models", "fault": "faults"}
