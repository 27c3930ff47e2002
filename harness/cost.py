"""What the usage that an endpoint reports costs, by a dated price table."""

import tomllib
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import msgspec

__all__ = ["Price", "Prices", "Rate", "cost_usd", "load_prices", "merge_usage", "tokens"]


Usd = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD per million tokens of one modality; ``None`` where the table does not say."""

    input: Usd | None = None
    cached: Usd | None = None  # as input, if it does not say
    output: Usd | None = None

    def usd(self, way: str) -> float | None:
        """The price of ``input``, ``cached`` or ``output``."""
        if way == "cached" and self.cached is None:
            return self.input
        found: float | None = getattr(self, way)
        return found


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one model costs."""

    text: Rate = Rate()
    audio: Rate = Rate()
    image: Rate = Rate()
    minute: Usd | None = None  # USD per minute of audio

    @property
    def of_answers(self) -> bool:
        """Whether it says what spoken conversations cost: text and audio, in and out."""
        rates = (self.text.input, self.text.output, self.audio.input, self.audio.output)
        return None not in rates


class Prices(msgspec.Struct, frozen=True):
    """A price table and the day it was true."""

    date: date
    models: dict[str, Price]

    def find(self, model: str) -> Price | None:
        """The price of a model, or of the one it is a dated snapshot of."""
        base, _, day = model.rpartition("-20")  # gpt-realtime-2.1-2026-08-28
        return self.models.get(model) or (self.models.get(base) if len(day) == 8 else None)


def load_prices(path: Path | None = None) -> Prices:
    """
    The table of a file, or the shipped one.

    Raises:
        ValueError: If the file is no price table; one line.

    """
    source = path or files("harness").joinpath("data/prices.toml")
    try:
        return msgspec.convert(tomllib.loads(source.read_text(encoding="utf-8")), Prices)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{source} is no price table: {error}") from None


_MODALITIES = ("text", "audio", "image")
_TOKENS: dict[str, Any] = dict.fromkeys(f"{name}_tokens" for name in _MODALITIES)
_USAGE: dict[str, Any] = {
    "total_tokens": None,
    "input_tokens": None,
    "output_tokens": None,
    "input_token_details": {**_TOKENS, "cached_tokens": None, "cached_tokens_details": _TOKENS},
    "output_token_details": _TOKENS,
    "seconds": None,
}
_SHAPE = {**_USAGE, "transcription": _USAGE}
"""The usage of a turn: of its responses, and under ``transcription`` of the caller's words."""


def merge_usage(
    usage: Mapping[str, Any] | None, more: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """
    Two usages added up; what no usage has is left out, so that the sum stays small.

    Args:
        usage: As in ``response.done``, the sum so far; ``None`` for none.
        more: Another; that of a transcription event stands under ``transcription``.

    """
    if usage is None and more is None:
        return None
    return _add(usage or {}, more or {}, _SHAPE)


def _add(a: Mapping[str, Any], b: Mapping[str, Any], shape: Mapping[str, Any]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for name, inner in shape.items():
        if inner is not None:
            if below := _add(_object(a.get(name)), _object(b.get(name)), inner):
                total[name] = below
        elif name in a or name in b:
            total[name] = _number(a.get(name)) + _number(b.get(name))
    return total


def _number(value: object) -> Any:
    """A count as a server states it; 0 for anything that is none."""
    counts = isinstance(value, int | float) and not isinstance(value, bool)
    return value if counts and 0 <= value < 1e15 else 0  # type: ignore[operator]


def tokens(usage: Mapping[str, Any], speaks: bool = True) -> dict[str, int]:
    """
    Tokens by kind: ``text_input``, ``text_cached``, ``text_output`` and so on.

    Input is what was not cached. Tokens that the endpoint does not tell apart count as audio, the
    dearest; cached ones as text, which saves the least: a cost is never understated.

    Args:
        usage: As in ``response.done``.
        speaks: Whether the model puts out audio; one that does not puts out text.

    """
    into = _split(usage, "input_tokens", usage.get("input_token_details"))
    details = _object(usage.get("input_token_details"))
    cached = _split(details, "cached_tokens", details.get("cached_tokens_details"), rest="text")
    rest = "audio" if speaks else "text"
    out = _split(usage, "output_tokens", usage.get("output_token_details"), rest)
    found: dict[str, int] = {}
    for name in _MODALITIES:
        hit = min(cached[name], into[name])
        found[f"{name}_input"] = into[name] - hit
        found[f"{name}_cached"] = hit
        found[f"{name}_output"] = out[name]
    return found


def _split(
    holder: Mapping[str, Any], total: str, details: object, rest: str = "audio"
) -> dict[str, int]:
    """Tokens by modality; what the details leave of the total counts as ``rest``."""
    stated = {name: int(_number(_object(details).get(f"{name}_tokens"))) for name in _MODALITIES}
    stated[rest] += max(0, int(_number(holder.get(total))) - sum(stated.values()))
    return stated


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def cost_usd(
    model: str,
    usage: Mapping[str, Any] | None,
    prices: Prices,
    *,
    transcription_model: str | None = None,
) -> float | None:
    """
    What a usage costs, in USD; ``None`` if any of it has no price or there is no usage.

    Args:
        model: The model of the responses.
        usage: As ``merge_usage`` returns it, or as in ``response.done`` or a transcription event.
        prices: The table.
        transcription_model: The model that transcribed what the caller said.

    """
    if not usage:
        return None
    parts = [_cost(model, usage, prices)]
    if "transcription" in usage:
        parts.append(_cost(transcription_model or "", _object(usage["transcription"]), prices))
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _cost(model: str, usage: Mapping[str, Any], prices: Prices) -> float | None:
    price = prices.find(model)
    if price is None:
        return None
    parts = [_times(_number(usage.get("seconds")) / 60, price.minute)]
    for kind, count in tokens(usage, speaks=price.audio.output is not None).items():
        modality, _, way = kind.partition("_")
        rate: Rate = getattr(price, modality)
        parts.append(_times(count / 1e6, rate.usd(way)))
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _times(amount: float, usd: float | None) -> float | None:
    """What an amount costs: nothing for none of it, ``None`` where there is no price."""
    return 0.0 if not amount else None if usd is None else amount * usd
