"""The verb ``files`` as text: what it prints, and the tables of the documents, from a result document alone."""

from typing import Any

from rich.console import Console

from files.figures import MEMORY, NP_SAVE, OURS
from files.worker import COPY, MAPPED, READ, SMALL_COPY, TOUCHED, UNPICKLED
from peers.tables import NONE, digits, show_parts
from peers.targets import power
from render import markdown as md
from render import parts, terminal
from render.parts import Part

Document = dict[str, Any]
WAYS = {
    MEMORY: "in memory",
    MAPPED: "mapped, just saved",
    READ: "mapped, read from the disk",
    TOUCHED: 'the same with `prefetch="touch"`',
    COPY: '`prefetch="copy"`',
    SMALL_COPY: "the same in small pages",
    UNPICKLED: "unpickled",
}


def over(ratio: dict[str, float] | None) -> str:
    """A ratio with its interval; a dash for what is compared with itself."""
    return NONE if ratio is None else parts.over(ratio)


def opening(document: Document) -> Part:
    """Opening and a first look-up."""
    rows = []
    for row in document["figures"]["opening"]:
        way = WAYS[UNPICKLED] if row["way"] == UNPICKLED else f'`"{row["way"]}"`'
        times = [f"{digits(row[name]['median'])} ms" for name in ("first_ms", "again_ms")]
        rows.append([f"{power(row['size'])} {row['kind']}", way, *times])
    head = ("keys", "`verify=`", "first in a process", "again")
    return Part("open, and a first look-up: wall time, the file in the page cache", head, 2, rows)


def batches(document: Document) -> Part:
    """Batches in memory and in files."""
    rows = []
    for row in document["figures"]["batches"]:
        ratio = None if row["way"] == MEMORY else row["over_memory"]
        rows.append(
            [
                power(row["size"]),
                WAYS[row["way"]],
                f"{digits(row['ns']['median'])} ns",
                over(ratio),
                f"{100 * row['huge']:.0f} %",
                f"{digits(row['first_ns']['median'])} ns",
            ]
        )
    head = ("keys", "the map", "a key", "over memory", "in huge pages", "the first batch")
    return Part("get_many, int64, keys that are there: CPU time", head, 2, rows)


def sharing(document: Document) -> Part:
    """What many processes take that have the same map."""
    rows = []
    for row in document["figures"]["sharing"]:
        cells = [f"{row['processes']} processes, {WAYS[row['way']]}", power(row["size"])]
        cells += [f"{digits(row[name]['median'])} MB" for name in ("each_mb", "all_mb")]
        rows.append([*cells, f"{digits(row['seconds']['median'])} s"])
    head = ("", "int64 pairs", "each", "all together", "until all have looked up")
    return Part("Proportional set size", head, 1, rows)


def saving(document: Document) -> Part:
    """What it takes to save a map."""
    rows = []
    for row in document["figures"]["saving"]:
        ratio = None if row["way"] == NP_SAVE else row["over_np_save"]
        rows.append([f"`{row['way']}`", power(row["size"]), f"{digits(row['s']['median'])} s", over(ratio)])
    return Part("Saving: wall time", ("", "int64 pairs", "time", "over `np.save`"), 1, rows)


def stores(document: Document) -> Part:
    """Other libraries' files."""
    rows = []
    for row in document["figures"]["stores"]:
        cells = [f"{power(row['size'])} {row['kind']}", row["library"]]
        for name in ("single_ns", "batch_ns"):
            ratio = row["over"].get(name)
            text = f"{digits(row[name]['median'])} ns"
            text += f", {digits(ratio['value'])}{terminal.TIMES}" if ratio else ""
            cells.append(md.bold(text, bool(ratio) and ratio["value"] < 1))
        cells.append(f"{row['bytes'] / row['size']:.0f}")
        rows.append([*cells, f"{digits(row['build_s']['median'])} s", f"{digits(row['open_ms']['median'])} ms"])
    head = ("keys", "library", "a single look-up", "one of a batch", "bytes per key", "to build", "to open")
    return Part("Files of other libraries, warm", head, 2, rows)


PARTS = (opening, batches, sharing, saving, stores)


def sentences(document: Document) -> list[tuple[str, str]]:
    """What the prose says in figures of this result: the document, and words that must stand in it."""
    small = [row for row in document["figures"]["batches"] if row["way"] == READ][-1]
    return [
        (
            "docs/files.md",
            f"A batch of a large map takes {small['over_memory']['value']:.1f} times as long in small pages as in huge",
        )
    ]


def show(console: Console, document: Document) -> None:
    """Print the result: the targets, then a table for each measurement."""
    show_parts(console, document, (part(document) for part in PARTS), notes(document))


def notes(document: Document) -> list[str]:
    """What a reader must know to judge the tables."""
    lines = [
        f"The files were on {document['workload']['file system']}. Small pages: 4 KiB; huge ones: 2 MiB.",
        f"Behind a time: that time over {OURS}'s. Answers count in the form that a library gives.",
        f"Versions: {', '.join(f'{name} {version}' for name, version in document['versions'].items())}.",
    ]
    return lines + parts.left_out(document)
