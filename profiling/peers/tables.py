"""What people see of the verb ``peers``: its tables, drawn from the result document alone.

Owns their wording, and the documents' tables of the same figures, as Markdown.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core import estimates
from peers import keys
from peers import targets as peers_targets
from peers.figures import FLOOR, MEASURED
from peers.plan import LARGEST
from render import markdown as md
from render import parts, terminal
from render.parts import Part

Document = dict[str, Any]
Row = dict[str, Any]

# Where the output is no terminal: as wide as the widest table, every library in a column.
PLAIN_WIDTH = 170
NONE = "-"
LOSES_TO = "pyhmap loses to"
LOSES = "<"  # beside a ratio below 1: the library is faster than pyhmap
TITLES = {
    "build": "build from empty",
    "sized": "build pre-sized",
    "iterate": "all keys and values",
    "accumulate": "count (Zipf)",
}
ASKED_ABOUT = ("dict", "boost", "Go Swiss", FLOOR)
SHOWN_LIBRARIES = ("np.take", "boost", "Go Swiss", "cykhash", "pandas", "dict")


def plain(title: str, *columns: str) -> Table:
    """An empty table of figures, its first column of words. Where there is no room, figures are cut, not folded."""
    table = terminal.plain_table(title, *columns, words=columns[:1])
    for column in table.columns[1:]:
        column.no_wrap, column.overflow = True, "ellipsis"
    return table


def digits(value: float) -> str:
    """Two or three digits, as many as can be believed.

    >>> digits(0.834), digits(2.54), digits(12.7), digits(187.3)
    ('0.83', '2.5', '13', '187')
    """
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def ratio_cell(row: Row, library: str) -> str:
    """A library's ratio over its interval, marked where it is below 1; how long it ran where it was cut off."""
    if library in row["cut_off"]:
        return f"> {row['cut_off'][library]:g} s"
    ratio = row["ratios"].get(library)
    if ratio is None:
        return NONE
    text = digits(ratio["value"])
    if ratio["low"] != ratio["high"]:  # a quick run has one pair
        text += f"\n{digits(ratio['low'])}..{digits(ratio['high'])}"
    if library == FLOOR or ratio["value"] >= 1:
        return text
    return f"[red]{LOSES} {text}[/]"


def grid(rows: list[Row], title: str, lead: list[str]) -> Table:
    """A row for each point, a column for each library: how many times pyhmap's time it takes."""
    known = {name for row in rows for name in (*row["ratios"], *row["cut_off"]) if not name.startswith("pyhmap")}
    first = dict.fromkeys(name for row in rows for name in row["spreads"] if name.startswith("pyhmap"))
    ours, peers = list(first), sorted(known, key=column_order)
    table = plain(title, *lead, *(f"{name}\nns" for name in ours), *(name.replace(" ", "\n") for name in peers))
    before: list[str] = []
    for row in rows:
        cells = [TITLES.get(row[name], row[name]) if name != "size" else f"{row[name]:,}" for name in map(field, lead)]
        shown = ["" if cells[:1] == before[:1] and n == 0 else cell for n, cell in enumerate(cells)]
        before = cells
        times = [digits(row["spreads"][name]["median"]) if name in row["spreads"] else NONE for name in ours]
        table.add_row(*shown, *times, *(ratio_cell(row, name) for name in peers))
    return table


def column_order(name: str) -> tuple[int, str]:
    """Those that people ask about first, so that a narrow screen shows them; the others by name."""
    return (ASKED_ABOUT.index(name) if name in ASKED_ABOUT else len(ASKED_ABOUT), name.lower())


def field(title: str) -> str:
    """The field of a row that a column shows."""
    return {"keys": "size", "key type": "kind", "key set": "key_set"}.get(title, title)


def ordered(rows: list[Row], *names: str) -> list[Row]:
    """Rows by these fields, operations and key sets in the order in which they are measured."""
    places = {"operation": MEASURED, "key_set": list(keys.KEY_SETS)}

    def place(row: Row, name: str) -> Any:
        if name == "kind":
            return (row[name].rstrip("0123456789"), int(row[name].lstrip("abcdefghijklmnopqrstuvwxyz")))
        return places[name].index(row[name]) if name in places else row[name]

    return sorted(rows, key=lambda row: [place(row, name) for name in names])


def show(console: Console, document: Document) -> None:
    """Print the result: the verdict, the tables, the notes."""
    if not console.is_terminal:
        console.width = max(console.width, PLAIN_WIDTH)
    made = document["figures"]
    timed = [row for row in made["rows"] if row["operation"] != "memory"]
    kind = [row for row in timed if row["key_set"] == "random"]
    for line in summary(document):  # the losses are for reading, not a headline
        console.print(line, style=None if line.startswith(LOSES_TO) else "bold", markup=False)
    console.print()
    numbers = ordered([row for row in kind if row["kind"] == "int64"], "operation", "size")
    others = ordered([row for row in kind if row["kind"] != "int64"], "kind", "operation", "size")
    sets = ordered([row for row in timed if row["key_set"] != "random"], "key_set", "operation")
    for rows, title, lead in (
        (numbers, "int64 to int64: times pyhmap's time", ["operation", "keys"]),
        (
            others,
            "Other keys to int64: times the time of pyhmap with the same input",
            ["key type", "operation", "keys"],
        ),
        (sets, "Hard key sets: times pyhmap's time", ["key set", "operation", "keys"]),
    ):
        if rows:
            console.print(grid(rows, title, lead))
            console.print()
    for table in (memory_table(document), targets_table(made["targets"])):
        console.print(table)
        console.print()
    for line in notes(document):
        console.print(line, markup=False)


def summary(document: Document) -> list[str]:
    """Where pyhmap loses, before any table; targets met; whether the run is whole."""
    lines, by_library = [], defaultdict(list)
    for loss in document["figures"]["losses"]:
        if loss["operation"] != "memory":
            by_library[loss["library"]].append(loss)
    for library, lost in sorted(by_library.items(), key=lambda item: -len(item[1])):
        points = defaultdict(list)
        for loss in ordered(lost, "kind", "key_set", "operation", "size"):
            what = loss["kind"] if loss["key_set"] == "random" else loss["key_set"]
            points[what, loss["operation"]].append(peers_targets.power(loss["size"]))
        said = [f"{what} {operation} at {', '.join(sizes)}" for (what, operation), sizes in points.items()]
        lines.append(f"{LOSES_TO} {library} at: {'; '.join(said)}.")
    return lines + verdict(document)


def verdict(document: Document) -> list[str]:
    """Targets met; whether the run is whole."""
    judged = [target["met"] for target in document["figures"]["targets"] if target["met"] is not None]
    met = [f"Targets: {sum(judged)} of {len(judged)} met."] if judged else []
    return met + terminal.early_end(document)


def show_parts(console: Console, document: Document, tables: Iterable[Part], notes: list[str]) -> None:
    """Print the result of a verb that has targets and parts: the verdict, the targets, the tables, the notes."""
    if not console.is_terminal:
        console.width = max(console.width, PLAIN_WIDTH)
    for line in verdict(document):
        console.print(line, style="bold", markup=False)
    console.print()
    console.print(targets_table(document["figures"]["targets"]))
    parts.show(console, tables)
    console.print()
    for line in notes:
        console.print(line, markup=False)


def memory_table(document: Document) -> Table:
    """Bytes per entry by key type and size, and the worst single insert."""
    chosen = [row for row in document["figures"]["rows"] if row["operation"] == "memory" and row["key_set"] == "random"]
    rows = ordered(chosen, "kind", "size")
    inserts = document["figures"]["worst_inserts"]
    worst = f"worst insert to\n{inserts['inserts']:,} keys, ms"
    heads = [f"{row['kind']}\n{peers_targets.power(row['size'])}" for row in rows]
    table = plain("Private memory, bytes per entry, and the worst single insert (CPU time)", "", *heads, worst)
    names = dict.fromkeys([*(name for row in rows for name in row["spreads"]), *inserts["ns"]])
    for name in sorted(names, key=lambda name: (not name.startswith("pyhmap"), name.lower())):
        cells = [digits(row["spreads"][name]["median"]) if name in row["spreads"] else NONE for row in rows]
        ns = inserts["ns"].get(name)
        table.add_row(name, *cells, NONE if ns is None else f"{ns / 1e6:,.2f}")
    return table


def targets_table(targets: list[dict[str, Any]]) -> Table:
    """Each target, what was measured, and whether it is met."""
    table = plain("Targets", "target", "bound", "measured", "interval", "")
    for target in targets:
        bound = f"{'≤' if target['at_most'] else '≥'} {target['bound']:g} {target['unit']}"
        if target["met"] is None:
            table.add_row(escape(target["what"]), bound, NONE, "", "not measured")
            continue
        ends = "" if target["low"] == target["high"] else f"{target['low']:.2f}..{target['high']:.2f}"
        word = "[green]met[/]" if target["met"] else "[red]missed[/]"
        table.add_row(escape(target["what"]), bound, f"{target['value']:.2f}", ends, word)
    return table


def notes(document: Document) -> list[str]:
    """What a reader must know to judge the tables."""
    lines = [
        "A cell: the library's time over pyhmap's, median of pairs of fresh processes, over its 95 % interval (by "
        f"bootstrap; below {estimates.FEWEST_PAIRS} pairs the range). {LOSES}: the library is faster. {NONE}: no such "
        "call. CPU time.",
        "hirola, pandas and arraykit find positions: they hold no values. pyarrow and polars build a table in every "
        "call, and that is timed; pandas builds none at all for keys in order until it is asked for many. np.take "
        "reads as many random items and compares nothing: the floor.",
    ]
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    lines.append(f"Versions: {versions}." if versions else "No peer but dict was there.")
    lines += parts.left_out(document)
    lines += [f"Failed: {name}: {reason}" for name, reason in document["figures"]["failed"].items()]
    return lines


def markdown(
    document: Document,
    libraries: tuple[str, ...] = SHOWN_LIBRARIES,
    sizes: tuple[int, ...] = (),
    intervals: bool = True,
) -> str:
    """Builds, hits and misses of int64 by size, all sizes by default, and who takes how many times as long."""
    rows = [
        row
        for row in document["figures"]["rows"]
        if row["kind"] == "int64" and row["key_set"] == "random" and row["operation"] in ("build", "hit", "miss")
        if not sizes or row["size"] in sizes
    ]
    names = [name for name in libraries if any(name in row["ratios"] for row in rows)]
    made = []
    for row in ordered(rows, "operation", "size"):
        cells = [row["operation"], peers_targets.power(row["size"])]
        cells.append(f"{digits(row['spreads']['pyhmap']['median'])} ns")
        for name in names:
            ratio = row["ratios"].get(name)
            text = NONE
            if ratio:
                text = f"{digits(ratio['value'])}{terminal.TIMES}"
                text += f" ({digits(ratio['low'])}..{digits(ratio['high'])})" if intervals else ""
            cells.append(md.bold(text, bool(ratio) and ratio["value"] < 1 and name != FLOOR))
        made.append(cells)
    return md.table(["", "keys", "pyhmap", *names], made)


def frozen(document: Document) -> str:
    """Look-ups of int64 in frozen maps beside HMap, boost and np.take, by size: nanoseconds per key."""
    columns = (
        (FLOOR, "hit"),
        *((name, how) for how in ("hit", "miss") for name in ("pyhmap frozen", "pyhmap", "boost")),
    )
    by_size: dict[int, list[str]] = defaultdict(lambda: [NONE] * len(columns))
    for row in document["figures"]["rows"]:
        if row["kind"] == "int64" and row["key_set"] == "random":
            for at, (name, how) in enumerate(columns):
                if row["operation"] == how and name in row["spreads"]:
                    by_size[row["size"]][at] = digits(row["spreads"][name]["median"])
    huge = [sample for sample in document["samples"] if sample["measure"] == "frozen"]
    for size in {sample["size"] for sample in huge} - by_size.keys():
        for at, (name, how) in enumerate(columns):
            way = name if name == FLOOR else f"{name}, {how}"
            found = [sample["ns"][way] for sample in huge if sample["size"] == size and way in sample["ns"]]
            if found:
                by_size[size][at] = digits(statistics.median(found))
    titles = {"pyhmap frozen": "`FrozenMap`", "pyhmap": "`HMap`", FLOOR: f"`{FLOOR}`"}
    heads = [titles.get(name, name) + ("" if name == FLOOR else f", {how}") for name, how in columns]
    return md.table(["keys", *heads], [[peers_targets.power(size), *by_size[size]] for size in sorted(by_size)])


def readme(document: Document) -> str:
    """The same for the README: the libraries alone, two sizes, no intervals."""
    return markdown(document, SHOWN_LIBRARIES[1:], (10**3, 10**6), intervals=False)


def targets_markdown(document: Document) -> str:
    """Each target, what was measured, and whether it is met."""
    made = []
    for target in document["figures"]["targets"]:
        unit = terminal.TIMES if target["unit"] == "times" else f" {target['unit']}"
        cells = [target["what"], f"{'at most' if target['at_most'] else 'at least'} {target['bound']:g}{unit}"]
        if target["met"] is None:
            made.append([*cells, NONE, "not measured"])
            continue
        exact = target["low"] == target["high"]
        interval = "" if exact else f" ({target['low']:.2f}..{target['high']:.2f})"
        made.append([*cells, f"{target['value']:.2f}{interval}", "met" if target["met"] else "missed"])
    return md.table(["target", "aimed at", "measured", ""], made)


def sentences(document: Document) -> list[tuple[str, str]]:
    """What the prose says in figures of this result: the document, and words that must stand in it."""
    rows = {
        (row["kind"], row["size"], row["operation"]): {name: each["median"] for name, each in row["spreads"].items()}
        for row in document["figures"]["rows"]
        if row["key_set"] == "random"
    }
    hit, miss = (rows["int64", 10**6, operation]["pyhmap"] for operation in ("hit", "miss"))
    large, small = (rows["int64", size, "memory"] for size in (10**7, 10**6))
    text, longest = rows["str17", 10**6, "memory"], rows["str40", 10**6, "memory"]
    shares = large["pyhmap"] / large["dict"], longest["pyhmap (Arrow)"] / longest["dict"]
    with_two = [target for target in document["figures"]["targets"] if "threads=2" in target["what"]]
    threads = [f"{target['value']:.2f}" for target in with_two if target["what"].startswith("hit")]
    freezes = [s["wall"] for s in document["samples"] if s["measure"] == "freezing" and s["size"] == LARGEST]
    at_once = estimates.paired_ratio([2 * wall["1"] for wall in freezes], [wall["two processes"] for wall in freezes])
    worst = {name: f"{ns / 1e3:.0f} µs" for name, ns in document["figures"]["worst_inserts"]["ns"].items()}
    shared = f"divided by {threads[0]} at 10^6 keys and by {threads[1]} at 10^7"
    return [
        ("README.md", f"{shares[0]:.0%} (int64) to {shares[1]:.0%} (strings of 40 characters)".replace("%", " %")),
        ("README.md", f"{digits(hit)} ns per key that is present and {digits(miss)} ns per key that is absent"),
        (
            "README.md",
            f"{large['pyhmap']:.0f} to {small['pyhmap']:.0f} bytes per int64 pair (`dict`: {large['dict']:.0f} to "
            f"{small['dict']:.0f}), {text['pyhmap (Arrow)']:.0f} per 17-character string with its value (`dict`: "
            f"{text['dict']:.0f})",
        ),
        ("docs/measurements.md", shared),
        ("docs/experiments.md", shared),
        (
            "docs/measurements.md",
            f"Two processes that freeze at the same time do {at_once.value:.2f} times the work of one",
        ),
        ("docs/measurements.md", f"{worst['Go Swiss']} against {worst['pyhmap']} for pyhmap"),
    ]
