"""What a verb prints of a result, as tables and paragraphs of the page.

Owns the console that keeps what it is given, and the way from a rich table, or from the plain fields of a result, to a
``Grid`` of cells.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# As many leading columns as may be needed to tell the rows of a table apart, e.g. key type, operation, number of keys.
MOST_LEADING = 3
# The longest line of a figure, which is kept on one line; what is longer is text, which may be broken.
LONGEST = 24


@dataclass(frozen=True)
class Grid:
    """A table of cells. The first column names the rows."""

    title: str
    heads: list[str]
    rows: list[list[str]]
    numeric: list[bool]  # for each column


class Catcher(Console):
    """A console that keeps its tables as ``Grid`` and everything else as text, and prints nothing."""

    def __init__(self) -> None:
        super().__init__(file=io.StringIO(), width=200)
        self.caught: list[str | Grid] = []

    def print(self, *objects: Any, markup: bool | None = None, **_: Any) -> None:
        for each in objects:
            if isinstance(each, Table):
                self.caught.append(grid(each))
            elif text := plain(each, markup=markup is not False).strip("\n"):
                self.caught.append(text)


def plain(cell: Any, *, markup: bool = True) -> str:
    """The text of what rich would print."""
    return Text.from_markup(cell).plain if markup and isinstance(cell, str) else str(cell)


def grid(table: Table) -> Grid:
    """The cells of a rich table. A group's name, printed on its first row only, is on each, so that rows can move."""
    columns = [[plain(cell).strip() for cell in column.cells] for column in table.columns]
    for place, name in enumerate(columns[0] if columns else []):
        if not name and place:
            columns[0][place] = columns[0][place - 1]
    heads = [plain(column.header).replace("-\n", "-").replace("\n", " ") for column in table.columns]
    rows = [list(row) for row in zip(*columns, strict=True)]
    numeric = [
        column.justify == "right"
        and max((len(line) for cell in cells for line in cell.split("\n")), default=0) <= LONGEST
        for column, cells in zip(table.columns, columns, strict=True)
    ]
    return named_rows(Grid(plain(table.title or ""), heads, rows, numeric))


def named_rows(grid: Grid) -> Grid:
    """The same with the columns that tell rows apart joined into the first, which stays in view while others scroll."""
    for count in range(2, min(MOST_LEADING, len(grid.heads) - 1) + 1):
        if len({tuple(row[: count - 1]) for row in grid.rows}) == len(grid.rows):
            break
        if len({tuple(row[:count]) for row in grid.rows}) == len(grid.rows):
            heads, *rows = ([", ".join(filter(None, row[:count])), *row[count:]] for row in (grid.heads, *grid.rows))
            return Grid(grid.title, heads, rows, [False, *grid.numeric[count:]])
    return grid


def fields(figures: Any, title: str = "") -> Iterable[Grid]:
    """A table for each list of objects, and for each object of objects or of plain values, in a result's figures."""
    if isinstance(figures, dict) and len(figures) > 1 and all(isinstance(row, dict) for row in figures.values()):
        figures = [{"": name, **row} for name, row in figures.items()]
    if isinstance(figures, list) and figures and all(isinstance(row, dict) for row in figures):
        flat = [dict(flattened(row)) for row in figures]
        heads = list(dict.fromkeys(name for row in flat for name in row))
        yield Grid(title, heads, [[row.get(name, "") for name in heads] for row in flat], [False] * len(heads))
    elif isinstance(figures, dict):
        values = list(flattened({name: value for name, value in figures.items() if not isinstance(value, dict)}))
        if values:
            yield Grid(title, ["field", "value"], [list(pair) for pair in values], [False, False])
        for name, value in figures.items():
            if isinstance(value, (list, dict)):
                yield from fields(value, f"{title}: {name}" if title else name)


def flattened(row: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """The plain values of an object with their paths."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            yield prefix + name, f"{value:,.4g}" if isinstance(value, float) else str(value)
