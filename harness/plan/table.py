"""A plan for people, right in narrow terminals too."""

import math
from collections.abc import Iterator, Sequence

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.forecast import Assumed, Forecast, Minute, Plateau
from harness.plan.carriers import ROOM, Carriers

__all__ = ["Plan", "print_plan"]

ROWS = 8  # of minutes shown
CONTEXTS = (32_000, 128_000)  # tokens, of models of the first generation and of later ones
LONGEST_SESSION = 3600.0  # seconds


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that is said of a load test before it starts."""

    model: str
    renews: bool
    max_cost: float | None  # USD
    assumed: Assumed
    forecast: Forecast
    carriers: Carriers
    refusal: str  # why it would not start; empty: it would
    free: bool  # whether the host is known to cost nothing


def print_plan(console: Console, plan: Plan) -> None:
    """The load, its tokens by the minute of a call, what it costs, and what to know."""
    console.print(_figures(plan))
    if plan.forecast.plateaus:
        console.print(_plateaus(plan.forecast.plateaus))
    console.print(_minutes(plan.forecast.minutes))
    for note in _notes(plan):
        console.print(escape(note))
    if plan.refusal:
        console.print(f"[bold red]would be refused[/]  {escape(plan.refusal)}")


def _figures(plan: Plan) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _rows(plan):
        table.add_row(name, escape(text))
    return table


def _rows(plan: Plan) -> Iterator[tuple[str, str]]:
    f, assumed = plan.forecast, plan.assumed
    if assumed.arrivals is not None:
        yield "callers", f"{f.at_once:,.0f} at once of {assumed.users:,}, {assumed.arrivals:g} calls/s"  # fmt: skip # noqa: E501
    else:
        full = f", all there after {_span(f.full_after_s)}" if assumed.users > 1 else ""
        yield "callers", f"{assumed.users:,}{full}"
    yield "a turn", f"{f.turn_s:.1f} s: {f.says_s:.1f} s said, answered after {assumed.ttfa_s:g} s"
    yield "a call", f"{f.turns_per_call:,} turns, {_span(f.call_s)}"
    yield "run", f"{f.calls:,} calls, {f.turns:,} turns in {_span(assumed.run_time_s)}"
    for name, traffic in (("sent", f.sent), ("received", f.received)):
        yield name, f"{traffic.messages:,.0f} messages/s, {traffic.mbit:.3g} Mbit/s"
    yield "quotas", f"{f.tokens_per_minute:,.0f} tokens/min, {f.requests_per_minute:,.0f} requests/min"  # fmt: skip # noqa: E501
    for name, usd in (("a call costs", f.usd_call), ("it costs", f.usd)):
        if usd is None:
            yield name, f"unpriced: no price is known for {plan.model}"
        else:
            yield name, f"{_usd(usd.most_cached)} (all cached that can be) to {_usd(usd.none_cached)} (nothing cached)"  # fmt: skip # noqa: E501
    workers = plan.carriers.workers
    enough = f"{workers} of one core each, filled to {ROOM:.0%}"
    yield "workers", plan.carriers.source if workers is None else enough


def _plateaus(plateaus: Sequence[Plateau]) -> Table:
    """The load over time, without the ways from level to level."""
    table = Table(title="callers over time", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("from", "callers", "sent/s", "received/s", "tokens/min"):
        table.add_column(name, justify="right", overflow="fold")
    for row in plateaus:
        figures = (row.callers, row.messages_sent, row.messages_received, row.tokens_per_minute)
        table.add_row(_clock(row.from_s), *(f"{n:,.0f}" for n in figures))
    return table


def _minutes(minutes: Sequence[Minute]) -> Table:
    """Tokens by the minute of one call; of many minutes, the first ones and the last."""
    table = Table(title="tokens of one call", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("minute", justify="right", no_wrap=True)
    for name in ("in", "of these cached, at most", "out"):
        table.add_column(name, justify="right")
    shown = minutes if len(minutes) <= ROWS else [*minutes[: ROWS - 1], minutes[-1]]
    for row in shown:
        figures = (row.input, row.cached, row.output)
        table.add_row(str(row.minute), *(f"{n:,}" for n in figures))
    return table


def _notes(plan: Plan) -> Iterator[str]:
    f, assumed = plan.forecast, plan.assumed
    yield (
        f"Assumed: answers of {assumed.answer_s:g} s that begin after {assumed.ttfa_s:g} s, "
        f"{assumed.wait_s:g} s between calls (--answer, --ttfa, --wait)."
    )
    if plan.free:
        yield "This host costs nothing: the money is what a vendor would take."
    if plan.carriers.workers is not None:
        yield f"Workers by {plan.carriers.source}."
    if assumed.arrivals is not None and assumed.arrivals * f.call_s > assumed.users:
        needed = math.ceil(assumed.arrivals * f.call_s)
        yield f"Calls will wait for an idle caller: it takes {needed:,} of them (-u)."
    if f.full_after_s > assumed.run_time_s:
        yield "The run is over before all callers are there: give it a higher --spawn-rate."
    for limit in CONTEXTS:
        if f.context > limit:
            yield f"A call's last turn reads {f.context:,} tokens: models of {limit:,} forget."
    if f.call_s > LONGEST_SESSION and not plan.renews:
        yield "Sessions of most vendors end after an hour: --renew dials again."
    if plan.max_cost is not None and f.usd is not None:
        yield _budget(plan.max_cost, f.usd.most_cached, f.usd.none_cached)


def _budget(limit: float, low: float, high: float) -> str:
    """What becomes of the run under its budget."""
    if limit < low:
        return f"The budget of {_usd(limit)} ends the run early, after {limit / low:.0%} at most."
    if limit < high:
        return f"The budget of {_usd(limit)} may end the run early: it depends on caching."
    return f"The budget of {_usd(limit)} is enough."


def _usd(value: float) -> str:
    if value == 0 or value >= 100:
        return f"${value:,.0f}"
    return f"${value:.2f}" if value >= 1 else f"${value:.2g}"


def _clock(seconds: float) -> str:
    """``4:10``, or ``1:04:10`` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 s"
