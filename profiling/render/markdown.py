"""Tables in Markdown, for the documents. The verbs say what is in them; the verb ``record`` puts them in place."""

from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table without padding.

    >>> print(table(["", "ns"], [["hit", "5.4"], ["miss", ""]]))
    | | ns |
    |---|---|
    | hit | 5.4 |
    | miss | |
    """
    columns = list(head)
    lines = [line(columns), "|" + "---|" * len(columns)]
    return "\n".join([*lines, *map(line, rows)])


def line(cells: Iterable[str]) -> str:
    """One row."""
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def bold(text: str, when: bool) -> str:
    """The text, in bold or plain.

    >>> bold("5.4", True), bold("5.4", False)
    ('**5.4**', '5.4')
    """
    return f"**{text}**" if when else text
