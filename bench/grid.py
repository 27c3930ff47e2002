"""A table, for the terminal and for a page."""

from collections.abc import Sequence

import msgspec
from rich.table import Table

__all__ = ["Grid", "as_markdown", "as_table"]


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of text under their columns; the first column is words, the others figures."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()


def as_table(grid: Grid) -> Table:
    """For the terminal."""
    table = Table(title=grid.title, caption="\n".join(grid.notes), caption_justify="left")
    for number, name in enumerate(grid.columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for row in grid.rows:
        table.add_row(*row)
    return table


def as_markdown(grid: Grid) -> str:
    """For a page."""
    rule = ["---", *["---:"] * (len(grid.columns) - 1)]
    lines = [_line(grid.columns), _line(rule), *map(_line, grid.rows)]
    notes = "".join(f"{note}\n" for note in grid.notes)
    return f"### {grid.title}\n\n" + "\n".join(lines) + "\n" + (f"\n{notes}" if notes else "")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
