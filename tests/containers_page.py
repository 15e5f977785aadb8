"""Writes the tables of docs/containers.md from the catalogue: `python tests/containers_page.py --write`.

What they say is what `tests/map/test_containers.py` asserts: both ask `container_cases`. A test there fails if the page
is not current.
"""

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from container_cases import NULL, Refusal, expected_items, in_the_contract
from containers import CONTAINERS, Container, samples
from held_exactly import KEY_TYPES, NAN, VALUE_TYPES

PAGE = Path(__file__).parent.parent / "docs" / "containers.md"
OPENING, END = "<!-- containers: {} -->", "<!-- containers: end -->"
WIDTH = 100  # columns of a line, tables apart

# What the error matches -> what the page advises, for a column of a kind that no type but object takes.
ADVICE = {"cast": "cast it", "UTC.*convert": "convert it to UTC", "convert": "convert it", "plain items": "explode it",
          "one column": "give one column"}  # fmt: skip


def cell(container: Container, name: str, what: str) -> str:
    """`yes` if the type holds all items, `exact` if it holds some of them, `rounded`, or `-` if it holds none."""
    answers, rounded = [], False
    for items in samples(container, name):
        if not in_the_contract(container, name, what, items):
            continue
        expected = expected_items(container, name, what, items, items)
        answers.append(expected.error if isinstance(expected, Refusal) else None)
        if answers[-1] is None and what == "values":
            pairs = zip(expected, items, strict=True)
            rounded |= any(theirs is not NULL and theirs != NAN and theirs != own for theirs, own in pairs)
    if None not in answers:
        return "-" if answers else ""
    if rounded and "float" in name:
        return "rounded"
    return "exact" if OverflowError in answers and container.kind != "any" else "yes"


def table(rows: Iterable[Container], names: Iterable[str], what: str) -> list[str]:
    """A line per row; containers with the same cells share one."""
    lines = [f"| | null | {' | '.join(names)} |", "|---" * (2 + len(list(names))) + "|"]
    merged: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        cells = (row.null or "", *(cell(row, name, what) for name in names))
        merged.setdefault(cells, []).append(row.name + (f" ({ADVICE[row.refused]})" if row.refused else ""))
    return lines + [f"| {', '.join(found)} | {' | '.join(cells)} |" for cells, found in merged.items()]


def forms(rows: list[Container]) -> str:
    return ", ".join(dict.fromkeys(variant for row in rows for variant in row.variants))


def wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + 1 + len(word) > WIDTH:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def generated(what: str) -> str:
    names = list(KEY_TYPES if what == "keys" else VALUE_TYPES)
    lines = []
    for library, rows in groupby(CONTAINERS, lambda row: row.library):
        found = list(rows)
        if what == "values" and library == "tables":
            continue
        lines += [f"### {what.capitalize()}: {library}", ""]
        if what == "keys":
            lines += [*wrapped(f"Tested forms: {forms(found)}."), ""]
        lines += [*table(found, names, what), ""]
    return "\n".join(lines)


def current(page: str) -> str:
    """The page with tables that are up to date."""
    for what in "keys", "values":
        start = page.index(OPENING.format(what)) + len(OPENING.format(what))
        page = f"{page[:start]}\n\n{generated(what)}\n{page[page.index(END, start) :]}"
    return page


if __name__ == "__main__":
    found = PAGE.read_text(encoding="utf-8")
    if found == current(found):
        print(f"{PAGE.name} is current")
    elif sys.argv[1:] == ["--write"]:
        PAGE.write_text(current(found), encoding="utf-8")
        print(f"written {PAGE.name}")
    else:
        sys.exit(f"{PAGE.name} differs from the catalogue: run `python tests/containers_page.py --write`")
