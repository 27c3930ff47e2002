"""What the report says in the terminal: a screenful, right at any width and in any colours."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.report import words
from harness.report.comparison import Comparison
from harness.verdict import Level, failures

__all__ = ["print_comparison", "print_judgements", "print_summary", "print_verdict"]

# Named colours of the terminal's own theme: readable on dark and on light.
STYLES = {Level.VALID: "bold green", Level.SUSPECT: "bold yellow", Level.INVALID: "bold red"}
FOUND = {"faster": "green", "fewer": "green", "slower": "yellow", "more": "yellow"}
MOST = 4  # kinds of errors that are named
BAR = 24  # columns of all turns
MET = {True: "[green]met[/]", False: "[red]missed[/]", None: "[yellow]undecidable[/]"}


def print_summary(console: Console, summary: Mapping[str, Any]) -> None:
    """The headline of a run."""
    print_verdict(console, summary)
    failed_turns, failed_sessions = failures(summary)
    ttfa = summary["metrics"]["ttfa"]
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    table.add_column(style="dim")
    turns, sessions = summary["turns"], summary["sessions"]
    table.add_row("turns", f"{words.count(turns)}, {words.count(failed_turns)} failed")
    open_ended = summary["sessions_without_end"]
    unknown = f"{words.count(open_ended)} whose end is not recorded" if open_ended else ""
    failed = f"{words.count(failed_sessions)} failed"
    table.add_row("sessions", f"{words.count(sessions)}, {failed}", unknown)
    for name in ("errors", "timeouts"):
        if found := summary[name]:
            table.add_row(name, words.count(sum(found.values())), _most(found))
    table.add_row("at once", words.count(summary["max_concurrency"]))
    for name in ("p50", "p90", "p95", "p99"):
        table.add_row(f"ttfa {name}", words.percentile(ttfa[name]), _certainty(ttfa, name))
    if summary["cost_usd"] is not None:
        table.add_row("cost", words.cost(summary), _price(summary["spending"]))
    if summary["suspect"]:
        table.add_row(
            "suspect", words.count(summary["suspect"]), "turns when we were late ourselves"
        )
    if summary["rounded"]:
        table.add_row("rounded", "seconds of turns, to a ten-millionth: there are so many")
    console.print(table)
    if summary["ended_early"]:
        console.print(f"It ended early: {escape(summary['ended_early'])}")
    print_capacity(console, summary)
    for finding in summary["findings"]:
        console.print(escape(finding["text"]))
    print_judgements(console, summary)


def _certainty(ttfa: Mapping[str, Any], name: str) -> str:
    """How sure a percentile is, or what it would take to tell it."""
    if isinstance(ttfa[name], Mapping) and ttfa[name].get("above") is None:
        return words.too_few(name)
    ends = words.interval(ttfa["ci"].get(name))
    return f"95 % CI {ends}" if ends else ""


def _most(found: Mapping[str, int]) -> str:
    """How often each happened; of many, those that happened most."""
    shown = [f"{words.count(n)} {escape(name)}" for name, n in list(found.items())[:MOST]]
    rest = len(found) - len(shown)
    return ", ".join([*shown, f"{rest} others"] if rest else shown)


def _price(spending: Mapping[str, Any]) -> str:
    """What a minute cost that was worth it, and whether anybody pays it."""
    minute = f"{words.usd(spending['per_good_minute'])} a good minute"
    return f"{minute}, at a vendor: this host is free" if spending["free"] else minute


def print_capacity(console: Console, summary: Mapping[str, Any]) -> None:
    """The answer of a search, with its curve; nothing if the run was none."""
    capacity = summary.get("capacity")
    if capacity is None:
        return
    table = Table("calls", "", "turns", "ttfa p50", "fall short", box=None, pad_edge=False)
    for column in (table.columns[0], *table.columns[2:4]):
        column.justify = "right"
    measured = [step for step in capacity["steps"] if step["kind"] != "recover"]
    for step in sorted(measured, key=lambda step: step["callers"]):
        worst = max((share for share in step["over"].values() if share is not None), default=0.0)
        table.add_row(
            words.count(step["callers"]),
            "[green]holds[/]" if step["holds"] else "[red]breaks[/]",
            words.count(step["turns"]),
            words.percentile(step["p50"]),
            f"{'█' * round(BAR * worst)} {words.share(worst, 1)}".lstrip(),
        )
    console.print(table)
    console.print(f"[bold]capacity[/]  {escape(capacity['text'])}")


def print_verdict(console: Console, summary: Mapping[str, Any]) -> None:
    """The verdict and why, and whether callers of open arrivals were too few."""
    style = STYLES[Level(summary["verdict"])]
    console.print(f"[{style}]{summary['verdict']}[/]  {escape(str(summary['run']))}")
    for reason in summary["reasons"]:
        console.print(f"  {escape(reason)}")
    for entry in summary["roll"]:
        console.print(f"  {escape(entry['text'])}")
    for text in words.damage(summary):
        console.print(f"[yellow]{escape(text)}[/]")
    if blocked := (summary.get("arrivals") or {}).get("text"):
        console.print(f"[bold yellow]{escape(blocked)}[/]")


def print_judgements(console: Console, summary: Mapping[str, Any]) -> None:
    """How the run stands to each of its objectives."""
    for judgement in summary["slo"]:
        asked, met = judgement["objective"], judgement["met"]
        value = words.objective_value(asked, judgement["value"], met)
        console.print(f"{MET[met]}  {escape(asked)}  ({escape(value)})")


def print_comparison(console: Console, comparison: Comparison) -> None:
    """What is stated of each metric, with its figures."""
    for text in comparison.obstacles:
        console.print(f"[bold red]can't be compared[/]  {escape(text)}")
    for text in comparison.warnings:
        console.print(f"[yellow]{escape(text)}[/]")
    table = Table("figure", "base", "candidate", "difference", "99 % interval", box=None,
                  pad_edge=False)  # fmt: skip
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for d in (d for statement in comparison.statements for d in statement.differences):
        table.add_row(
            f"{d.metric} {d.statistic.replace('_', ' ')}",
            words.amount(d.metric, d.base, above=d.base_above),
            words.amount(d.metric, d.candidate, above=d.candidate_above),
            words.difference(d.metric, d.difference),
            words.between(d.metric, d.low, d.high),
        )
    if comparison.statements:
        console.print(table)
    for statement in comparison.statements:
        style = "red" if statement.regressed else FOUND.get(statement.finding, "default")
        console.print(f"[bold]{statement.metric}[/]  [{style}]{escape(statement.text)}[/]")
