"""The verb ``ids`` as text: what it prints, and the tables of the documents, from a result document alone."""

from typing import Any

from rich.console import Console

from ids.figures import FULLEST, OURS
from peers.tables import NONE, digits, show_parts
from peers.targets import power
from render import markdown as md
from render import parts
from render.parts import Part

Document = dict[str, Any]
Row = dict[str, Any]
TASKS = {"known": "known keys", "new": "new keys, from empty", "decode": "decode"}
FORMS = {
    "array": "array",
    "objects": "array of `str` objects",
    "objects, hashed before": "the same, hashed before",
    "list": "list",
    "string": "`StringDType`",
    "StringDType": "`StringDType`",
    "U17": "`U17`",
    "Arrow": "Arrow",
}


def grid(document: Document, measure: str, lead: tuple[str, ...], title: str) -> Part:
    """A row for each task, type and size, a column for each way. A task's first way has its time, the others theirs
    over it, in bold where they are faster."""
    rows = [row for row in document["figures"]["times"] if row["measure"] == measure]
    ways = list(dict.fromkeys(row["way"] for row in rows))
    cells: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in rows:
        place = cells.setdefault((row["task"], row["kind"], row["size"]), {})
        faster = bool(place) and row["over"]["value"] < 1
        place[row["way"]] = md.bold(parts.over(row["over"]), faster) if place else f"{digits(row['ns']['median'])} ns"
    shown = []
    for (task, kind, size), place in sorted(cells.items(), key=lambda item: order(rows, item[0])):
        named = {"task": TASKS.get(task) or FORMS.get(task, task), "kind": kind, "size": power(size)}
        shown.append([*(named[name] for name in lead), *(place.get(way, NONE) for way in ways)])
    heads = {"task": "", "kind": "keys", "size": "size"}
    return Part(title, (*(heads[name] for name in lead), *map(headed, ways)), len(lead), shown)


def order(rows: list[Row], place: tuple[Any, ...]) -> tuple[Any, ...]:
    """By type, then task as measured, then size."""
    task, kind, size = place
    return kind, [row["task"] for row in rows if row["kind"] == kind].index(task), size


def headed(way: str) -> str:
    """A way as a column is called: calls as code.

    >>> headed("pd.factorize, str"), headed("HIndex, labels"), headed("dict and list")
    ('`pd.factorize`, str', '`HIndex`, labels', 'dict and list')
    """
    name, comma, rest = way.partition(", ")
    return f"`{name}`{comma}{rest}" if "." in name or name[:1].isupper() else way


def codes(document: Document) -> Part:
    """Codes and keys of an int64 index beside maps and arrays."""
    return grid(document, "codes", ("task", "size"), "int64 keys, CPU time per key: beside HMap's batch calls")


def batch(document: Document) -> Part:
    """One batch, from empty."""
    return grid(document, "batch", ("kind", "task"), "Codes of a batch of draws, from empty: CPU time per draw")


def stable(document: Document) -> Part:
    """Batches one after the other."""
    title = "Codes that stay, of ten batches one after the other: CPU time per draw"
    return grid(document, "stable", ("kind", "task", "size"), title)


def decoding(document: Document) -> Part:
    """Texts of codes."""
    return grid(document, "decoding", ("task",), "decode of texts of 17 characters: CPU time per code")


def bulk(document: Document) -> Part:
    """Calls that say more in one pass."""
    return grid(document, "bulk", ("task",), "One pass instead of several, int64 keys: CPU time per draw")


def memory(document: Document) -> Part:
    """Bytes per key: own account, private memory."""
    rows = document["figures"]["memory"]
    holders = list(dict.fromkeys(row["holder"] for row in rows))
    cells: dict[tuple[str, int], dict[str, str]] = {}
    for row in rows:
        own = NONE if row["nbytes"] is None else f"{row['nbytes']:.1f}"
        cells.setdefault((row["kind"], row["size"]), {})[row["holder"]] = f"{own} / {row['private']:.1f}"
    shown = [
        [kind, f"{power(size)}, full" if size == FULLEST else power(size), *(place.get(one, NONE) for one in holders)]
        for (kind, size), place in cells.items()
    ]
    return Part("Bytes per key: own account / private memory", ("keys", "", *map(headed, holders)), 2, shown)


PARTS = (codes, batch, stable, decoding, memory, bulk)


def show(console: Console, document: Document) -> None:
    """Print the result: the targets, then a table for each measurement."""
    show_parts(console, document, (part(document) for part in PARTS), notes(document))


def notes(document: Document) -> list[str]:
    """What a reader must know to judge the tables."""
    lines = [
        f"Ratios: the time of a way over that of the first one of its row, such as {OURS}, by pairs of one process "
        "each. Behind it the 95 % interval.",
        "labels: with all distinct keys too, which pd.factorize returns as well. str: as a column of pandas' type for "
        "texts. all: of all batches so far, once more for each.",
    ]
    return lines + parts.left_out(document)
