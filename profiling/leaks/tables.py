"""What the verb ``leaks`` prints, from a result document alone."""

from typing import Any

from rich.console import Console
from rich.table import Table

from leaks import zero_growth
from render import markdown as md
from render import terminal

ARMS = ("leaking", "fixed")
FEW = 8  # calls that grew are listed up to here
PATHS = 2  # of the paths to what is held
TITLES = {
    "blocks": "blocks",
    "traced": "traced,\nbytes",
    "heap": "C heap,\nbytes",
    "uss": "USS,\nbytes",
    "references": "refer-\nences",
    "cycles": "in\ncycles",
}


def show(console: Console, document: dict[str, Any]) -> None:
    """Print the result."""
    made = document["figures"]
    if made["cases"]:
        console.print(case_sentence(made["cases"]), style="bold", markup=False)
        console.print()
        console.print(case_table(made["cases"]))
        console.print()
        console.print("\n".join(line for row in made["cases"] for line in culprit(row)), markup=False, soft_wrap=True)
        console.print()
    if made["collector"]:
        console.print(collector_table(made["collector"]))
        console.print(collector_sentence(made["collector"]), markup=False)
        console.print(
            "CPU time, medians of processes. first, again: a full collection with everything alive, and the next five. "
            "Then those that came while the entries were written: their share of that time, how many there were of "
            "generation 0, 1 and 2, and the longest. A tuple of ints is looked at once: the collection that meets "
            "it takes it off its list."
        )
        console.print()
    if made["header"]:
        show_header(console, made["header"])
    if made["growth"]:
        show_growth(console, made)
    for line in terminal.early_end(document):
        console.print(line, style="bold", markup=False)


def amount(size: float) -> str:
    """Bytes, short.

    >>> amount(0), amount(8061), amount(2.5e6)
    ('0 B', '8.1 kB', '2.5 MB')
    """
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{size:.0f} B"


# --- cases ---


def case_sentence(rows: list[dict[str, Any]]) -> str:
    """How many verdicts are those expected, and which are not."""
    forms = [(row["case"], arm, row[arm]) for row in rows for arm in ARMS if arm in row]
    wrong = [
        f"{case}, {arm}: {form['verdict']} instead of {form['expected']}"
        for case, arm, form in forms
        if not form["as_expected"]
    ]
    said = f"{len(forms) - len(wrong)} of {len(forms)} verdicts are those expected."
    return said if not wrong else f"{said} UNEXPECTED: {'; '.join(wrong)}."


def verdict_cell(form: dict[str, Any] | None) -> str:
    """A verdict, and what was expected instead where it is another."""
    if form is None:
        return "-"
    return form["verdict"] if form["as_expected"] else f"{form['verdict']}\nUNEXPECTED: {form['expected']}"


def case_table(rows: list[dict[str, Any]]) -> Table:
    """Leaking and fixed side by side."""
    words = ("case", "leaking", "fixed", "the fix", "the article")
    columns = ("case", "leaking", "bytes\nper call", "fixed", "the fix", "the article")
    table = terminal.plain_table("Cases", *columns, words=words)
    for row in rows:
        leaking = row.get("leaking")
        size = amount(leaking["bytes_a_call"]) if leaking and leaking["bytes_a_call"] else ""
        table.add_row(
            row["case"],
            verdict_cell(leaking),
            size,
            verdict_cell(row.get("fixed")),
            row["remedy"],
            row["article"] or "-",
            end_section=True,
        )
    return table


def culprit(row: dict[str, Any]) -> list[str]:
    """Who is named: the line that allocated most of what stays, and the paths to it."""
    form = row.get("leaking", {})
    named = [f"    allocated by {form['line']}"] if form.get("line") else []
    named += [f"    held by {path}" for path in form.get("paths", [])[:PATHS]]
    return [f"{row['case']}:", *named] if named else []


# --- the collector ---


def seconds(value: float) -> str:
    """A time with its unit.

    >>> seconds(0.00012), seconds(0.0123), seconds(4.5)
    ('0.12 ms', '12 ms', '4.5 s')
    """
    if value < 1:
        return f"{value * 1e3:.2g} ms" if value < 0.0995 else f"{value * 1e3:.0f} ms"
    return f"{value:.2g} s" if value < 9.95 else f"{value:.0f} s"


def collector_table(rows: list[dict[str, Any]]) -> Table:
    """A row per container and size."""
    columns = ("container", "entries", "first", "quartiles", "again", "share", "collections", "longest", "memory")
    table = terminal.plain_table("The collector", *columns, words=("container",))
    for column in table.columns:
        column.no_wrap = True
    for place, row in enumerate(rows):
        counts = [f"{row['building'].get(generation, {'count': 0})['count']:.0f}" for generation in "012"]
        longest = max((generation["max"] for generation in row["building"].values()), default=0.0)
        low, high = (seconds(row["first"][end]) for end in ("q1", "q3"))
        same_unit = low.split()[1] == high.split()[1]
        table.add_row(
            row["container"],
            power(row["entries"]),
            seconds(row["first"]["median"]),
            f"{low.split()[0] if same_unit else low}..{high}",
            seconds(row["later"]["median"]),
            f"{100 * row['share']['median']:.0f} %",
            " ".join(counts) if longest else "-",
            seconds(longest) if longest else "-",
            amount(row["uss"]["median"]),
            end_section=place + 1 < len(rows) and rows[place + 1]["entries"] != row["entries"],
        )
    return table


def power(n: int) -> str:
    """A number of entries, short.

    >>> power(10**7), power(2000)
    ('10^7', '2,000')
    """
    digits = f"{n}"
    return f"10^{len(digits) - 1}" if digits.strip("0") == "1" else f"{n:,}"


def collector_sentence(rows: list[dict[str, Any]]) -> str:
    """The largest size in words."""
    largest = max(row["entries"] for row in rows)
    at = {row["container"]: row for row in rows if row["entries"] == largest}
    if not {"nothing", "HMap", "dict of tuples", "dict of lists"} <= set(at):
        return ""
    said = ", ".join(f"{name} {seconds(at[name]['first']['median'])}" for name in at)
    return f"A full collection with {power(largest)} entries alive: {said}."


def markdown(document: dict[str, Any]) -> str:
    """The collector's table for the documents, of the largest size."""
    rows = document["figures"]["collector"]
    largest = max(row["entries"] for row in rows)
    made = [
        [
            row["container"],
            seconds(row["first"]["median"]),
            seconds(row["later"]["median"]),
            f"{100 * row['share']['median']:.0f} %",
        ]
        for row in rows
        if row["entries"] == largest
    ]
    share = "share of the filling spent in collections"
    return md.table([f"{power(largest)} entries in", "first full collection", "later ones", share], made)


def sentences(document: dict[str, Any]) -> list[tuple[str, str]]:
    """What the prose says in figures of this result: the document, and words that must stand in it."""
    made = document["figures"]
    largest = max(row["entries"] for row in made["collector"])
    rows = {row["container"]: row for row in made["collector"] if row["entries"] == largest}
    first = {name: seconds(row["first"]["median"]) for name, row in rows.items()}
    share = rows["dict of lists"]["share"]["median"]
    public = public_rows(made["growth"])
    calls = power(min((row["calls"] for row in public), default=0))
    texts = (
        f"takes {first['dict of tuples']} for a dict of tuples, {first['dict of lists']} for one of lists and "
        f"{first['HMap']} for an `HMap`; it takes {first['nothing']} in a process without any of them",
        f"{100 * share:.0f} % of the time goes to collections",
        f"{calls} calls of each of {len(public)} public calls of both packages",
    )
    return [("docs/measurements.md", text) for text in texts]


# --- the header ---


def show_header(console: Console, made: dict[str, Any]) -> None:
    """Both ways, field by field, and what was refused."""
    table = terminal.plain_table(
        "The header, by header() and from memory", "field", *(f"{name}\nheader(), memory" for name in made["headers"]),
        words=("field",),
    )  # fmt: skip
    for fields in zip(*made["headers"].values(), strict=True):
        cells = [
            f"{field['header']:,}, {field['memory']:,}" + ("" if field["agrees"] else "\nDIFFERS") for field in fields
        ]
        table.add_row(fields[0]["field"], *cells)
    console.print(table)
    for name, reason in made["refused"].items():
        console.print(f"{name}: {f'refused: {reason}' if reason else 'NOT REFUSED'}", markup=False)
    console.print()


# --- zero growth ---


# Names that begin like this are one line of the table; the others are a line by class.
GROUPS = {"pyhmap.debug": "pyhmap.debug", "pyhmap": "pyhmap", "tophash_cache": "tophash_cache"}


def owner_of(call: str) -> str:
    """The class or package whose call it is.

    >>> [owner_of(call) for call in ("HMap()", "HMap.get", "HMap.keys().__and__", "pyhmap.debug.Line()", "two threads")]
    ['HMap', 'HMap', 'HMap.keys()', 'pyhmap.debug', 'two threads']
    """
    for prefix, group in GROUPS.items():
        if call.startswith(f"{prefix}."):
            return group
    owner, dot, _ = call.rpartition(".")
    return owner if dot else call.removesuffix("()")


def show_growth(console: Console, made: dict[str, Any]) -> None:
    """What grew, the most of each group of calls; and every call that grew."""
    rows = made["growth"]
    grown = [row for row in rows if row["beyond"]]
    total = sum(row["calls"] for row in rows)
    said = f"Zero growth: {len(rows) - len(grown)} of {len(rows)} calls leave nothing behind, {total:,} times called."
    if grown:
        said += f" GREW: {'; '.join(map(grew_words, grown[:FEW]))}."
    console.print(said, style="bold", markup=False)
    console.print()
    table = terminal.plain_table(
        "The most that a meter grew by", "calls of", "calls", "each,\nat least", *TITLES.values(), words=("calls of",)
    )
    for owner in dict.fromkeys(owner_of(row["call"]) for row in rows):
        of = [row for row in rows if owner_of(row["call"]) == owner]
        least = min(row["calls"] for row in of)
        most = [max(row["grew"][meter] for row in of) for meter in TITLES]
        table.add_row(owner, str(len(of)), f"{least:,}", *(f"{figure:,}" for figure in most))
    slack = [f"{made['growth_slack'][meter]['most']:,}" for meter in TITLES]
    table.add_row("allowed", "", "", *slack)
    console.print(table)
    for meter in TITLES:
        console.print(f"{meter}: {made['growth_slack'][meter]['why']}", markup=False)
    console.print()


def public_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of public calls: without the one of no call, and without those of several calls together."""
    return [row for row in rows if row["call"] not in (zero_growth.NOTHING, *zero_growth.EXTRAS)]


def grew_words(row: dict[str, Any]) -> str:
    """A call that grew, and by what."""
    return f"{row['call']}: " + ", ".join(f"{meter} {row['grew'][meter]:,}" for meter in row["beyond"])
