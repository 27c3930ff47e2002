"""A self-test's result for people, right in narrow terminals too."""

from rich.console import Console
from rich.table import Table

from harness.selftest.capacity import Capacity, Trial
from harness.selftest.outcome import ERROR_LIMIT_S, Tested

__all__ = ["print_capacities", "print_tested", "print_trial"]


def print_tested(console: Console, tested: Tested) -> None:
    """Errors by figure, how late frames were, and what was missed."""
    table = Table(title="measured − true, ms", title_justify="left", box=None, pad_edge=False)
    table.add_column("figure", overflow="fold")
    for name in ("turns", "median", "p99", "max"):
        table.add_column(name, justify="right", no_wrap=True)
    for figure, errors in tested.errors.items():
        wrong = abs(errors.median) > ERROR_LIMIT_S
        p99 = "–" if errors.p99 is None else _ms(errors.p99)
        cells = (f"{errors.median * 1e3:+.2f}", p99, _ms(errors.max))
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
    said = "holds" if trial.holds else f"too many, {trial.why}"
    blame = " (the endpoint was late)" if trial.endpoint_bound else ""
    console.print(
        f"{duty}, {trial.sessions} sessions: {said}{blame}; {trial.cpu:.0%} of the core, "
        f"{trial.starved:.0%} of the time without it"
    )


def print_capacities(console: Console, capacities: list[Capacity], frame_ms: int) -> None:
    """What one core carries."""
    title = f"sessions one core carries, {frame_ms} ms frames"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("duty cycle", overflow="fold")
    for name in ("sessions", "core", "late p99, ms", "error, ms"):
        table.add_column(name, justify="right", overflow="fold")
    for capacity in capacities:
        table.add_row(capacity.duty, *_carried(capacity))
    console.print(table)
    console.print(
        f"the most at which the run is VALID and the first audio of 99 in 100 turns "
        f"is at most {ERROR_LIMIT_S * 1e3:g} ms off"
    )
    if any(capacity.at_least for capacity in capacities):
        console.print("≥: no more were tried, or the endpoint was late before the callers were")


def _carried(capacity: Capacity) -> tuple[str, ...]:
    """How many, and how the largest trial that held went."""
    more = "≥ " if capacity.at_least else ""
    held = [trial for trial in capacity.trials if trial.holds]
    if not held:
        return (f"{more}0", "–", "–", "–")
    best = max(held, key=lambda trial: trial.sessions)
    late, error = best.frame_lateness_p99_s, best.first_audio_error_s
    return (f"{more}{best.sessions}", f"{best.cpu:.0%}", _ms(late), _ms(error))


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f}"
