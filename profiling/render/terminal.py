"""What the verbs print with: consoles, plain tables, changes and intervals in words.

Colour and the live display appear on a terminal only, and NO_COLOR is honoured (both by rich).
"""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

Document = dict[str, Any]

TIMES = "\N{MULTIPLICATION SIGN}"
# Where the output is no terminal there is no width to ask for; the before/after table needs this much.
PLAIN_WIDTH = 100


def output_console() -> Console:
    """Standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, PLAIN_WIDTH)
    return console


def progress_console() -> Console:
    """Standard error, for progress and complaints."""
    return Console(stderr=True, highlight=False)


def plain_table(title: str, *columns: str, words: tuple[str, ...] = ()) -> Table:
    """An empty table; the columns in ``words`` hold text, the others figures."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title=title or None, title_justify="left")
    table.padding = (0, 1, 0, 0)  # with a space on both sides of a column the widest tables need more than PLAIN_WIDTH
    for column in columns:
        table.add_column(column, justify="left" if column in words else "right", overflow="fold")
    return table


def signed(fraction: float, digits: int = 1) -> str:
    """A relative change in percent, with its sign.

    >>> signed(-0.775)
    '-77.5'
    """
    return f"{100 * fraction:+.{digits}f}"


def interval(estimate: dict[str, float]) -> str:
    """The interval of a relative change in percent; empty where the figure is exact."""
    if estimate["low"] == estimate["high"]:
        return ""
    return f"{signed(estimate['low'], 0)}..{signed(estimate['high'], 0)}"


def early_end(document: Document) -> list[str]:
    """The warning of a run that is not whole."""
    reason = document["ended_by"]
    return [f"The run ended early ({reason}); this is what had been measured."] if reason else []
