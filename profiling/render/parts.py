"""A table that a verb prints and a document shows: made once, as cells with Markdown's marks."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape

from render import markdown as md
from render import terminal

Document = dict[str, Any]


class Part(NamedTuple):
    """A table: its title, its columns (the first ones of words), its rows."""

    title: str
    head: tuple[str, ...]
    words: int
    rows: list[list[str]]


def over(ratio: dict[str, float]) -> str:
    """A ratio with its interval, where it has one."""
    ends = f" ({ratio['low']:.2f}..{ratio['high']:.2f})" if ratio["low"] != ratio["high"] else ""
    return f"{ratio['value']:.2f}{terminal.TIMES}{ends}"


def markdown(part: Callable[[Document], Part]) -> Callable[[Document], str]:
    """What makes the Markdown of one of the tables."""

    def made(document: Document) -> str:
        table = part(document)
        return md.table(table.head, table.rows)

    return made


def show(console: Console, parts: Iterable[Part]) -> None:
    """Print those that have rows, each behind an empty line."""
    for table in parts:
        if table.rows:
            head = plain(table.head)
            shown = terminal.plain_table(table.title, *map(escape, head), words=tuple(map(escape, head[: table.words])))
            for row in table.rows:
                shown.add_row(*map(escape, plain(row)))
            console.print()
            console.print(shown)


def show_all(console: Console, document: Document, tables: Iterable[Part], notes: list[str], width: int) -> None:
    """Print the result of a verb: its tables, what a reader must know, and whether the run is whole. ``width``: of the
    widest table, where nobody looks at a terminal."""
    if not console.is_terminal:
        console.width = max(console.width, width)
    show(console, tables)
    console.print()
    for line in notes:
        console.print(line, markup=False)
    for line in terminal.early_end(document):
        console.print(line, style="bold", markup=False)


def left_out(document: Document) -> list[str]:
    """What was not measured, and why."""
    return [f"Left out: {name}: {reason}." for name, reason in document["left_out"].items()]


def plain(cells: Iterable[str]) -> list[str]:
    """Cells without Markdown's marks.

    >>> plain(["`m[k]`", "**5.4**"])
    ['m[k]', '5.4']
    """
    return [cell.replace("`", "").replace("**", "") for cell in cells]
