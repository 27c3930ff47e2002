"""A self-test's result for people, right in narrow terminals too."""

from rich.console import Console
from rich.table import Table

from harness.selftest.capacity import Capacity, Trial
from harness.selftest.outcome import ERROR_LIMIT_S, Tested

__all__ = ["print_capacities", "print_tested", "print_trial"]


def print_tested(console: Console, tested: Tested) -> None:
    """Errors by figure, how late frames were, and what was missed."""
    table = Table(title="measured − true, ms", title_justify="left", pad_edge=False)
    table.add_column("figure", overflow="fold")
    for name in ("turns", "median", "p99", "max"):
        table.add_column(name, justify="right", no_wrap=True)
    for figure, errors in tested.errors.items():
        wrong = abs(errors.median) > ERROR_LIMIT_S
        cells = (f"{errors.median * 1e3:+.2f}", _ms(errors.p99), _ms(errors.max))
        table.add_row(figure, str(errors.count), *cells, style="bold red" if wrong else None)
    console.print(table)
    for name, lags in (("frames late", tested.frame_lateness), ("read lag", tested.read_lag)):
        told = ", ".join(f"{key} {_ms(value)}" for key, value in lags.items())
        console.print(f"{name}, ms: {told}")
    console.print(
        f"{tested.sessions} sessions at once, {tested.turns} turns, {tested.suspect_turns} of them "
        f"suspect; {tested.cpu:.0%} of a core, {tested.starved:.0%} of the time without one; "
        f"endpoints' own lateness, p99: {_ms(tested.endpoint_lateness_s)} ms"
    )
    for limit in tested.missed:
        console.print(f"[bold red]missed[/] {limit}")
    console.print(f"{tested.verdict}: {'all limits kept' if tested.passed else 'not trusted here'}")


def print_trial(console: Console, duty: str, trial: Trial) -> None:
    """One line as a trial ends."""
    said = "holds" if trial.holds else trial.why
    blame = " (the endpoint was late)" if trial.endpoint_bound else ""
    console.print(
        f"{duty}, {trial.sessions} sessions: {said}{blame}; {trial.cpu:.0%} of the core, "
        f"{trial.starved:.0%} of the time without it"
    )


def print_capacities(console: Console, capacities: list[Capacity]) -> None:
    """What one core carries."""
    table = Table(title="20 ms frames, one core", title_justify="left")
    table.add_column("duty cycle", overflow="fold")
    table.add_column("sessions", justify="right", no_wrap=True)
    for capacity in capacities:
        more = "≥ " if capacity.at_least else ""
        table.add_row(capacity.duty, f"{more}{capacity.sessions}")
    if any(capacity.at_least for capacity in capacities):
        console.print("≥: the endpoints, or this machine, were late before the callers were")
    console.print(table)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f}"
