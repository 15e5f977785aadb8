"""What people see of the verb ``table``: the before/after table, its verdicts and notes, from a result document alone.

Owns the wording.
"""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from render import markdown as md
from render import terminal
from table import figures

Document = dict[str, Any]

ARM_TITLES = {
    "before": "before",
    "oneshot": "one-shot",
    "cache": "cache",
    "inside": "in map",
    "direct": "direct",
    "batch": "batch",
}
ROW_TITLES = {
    "py-spy": ("CPU hashing", "%, py-spy"),
    "ablation": ("CPU hashing", "%, ablation"),
    "cProfile": ("CPU hashing", "%, cProfile"),
    "memray": ("allocs per op", "memray"),
    "time": ("ns per op", "CPU time"),
    "hits": ("hit rate", "%, cache"),
}
COLOURS = {
    "reproduced": "green",
    "lower": "green",
    "direction only": "yellow",
    "~": "yellow",
    "not reproduced": "red",
    "higher": "red",
    "invalid": "red",
}


def change_cell(estimate: dict[str, float] | None) -> str:
    """A relative change over its interval."""
    return "" if estimate is None else f"{terminal.signed(estimate['value'])} %\n{terminal.interval(estimate)}"


def value_cell(row: dict[str, Any], arm: str) -> str:
    """An arm's figure over its uncertainty: half of its 95 % interval, or of the middle half of its samples."""
    value = row["arms"].get(arm)
    if value is None:
        return "" if row["measure"] == "hits" else "-"
    if row["measure"] == "time":
        return f"{value['median']:.0f}\n±{50 * (value['q3'] - value['q1']) / value['median']:.0f} %"
    if row["measure"] == "memray":
        return f"{value['value']:.1f}"
    half = 50 * (value["high"] - value["low"])
    return f"{100 * value['value']:.1f}" + (f"\n±{half:.1f}" if half else "")


def article_cell(row: dict[str, Any]) -> str:
    """Go's figures and their fall, as the article prints them."""
    if row["article"] is None:
        return ""
    before, after, fall = row["article"]
    return f"{before} → {after}\n{terminal.signed(-fall)} %"


def before_after(document: Document) -> Table:
    """The article's table with our arms beside it."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    table.add_column("article\n(Go)", justify="right")
    for title in ARM_TITLES.values():
        table.add_column(
            title.replace("-", "-\n").replace(" ", "\n"), justify="right", style="bold" if title == "cache" else ""
        )
    table.add_column("cache vs\nbefore", justify="right")
    table.add_column("cache vs\none-shot", justify="right")
    table.add_column("verdict")
    for row in document["figures"]:
        title = "\n".join(ROW_TITLES[row["measure"]])
        if "unavailable" in row:
            table.add_row(title, article_cell(row), *["-"] * len(ARM_TITLES), "-", "-", "not\nmeasured")
            continue
        verdict = row.get("verdict", "")
        table.add_row(
            title,
            article_cell(row),
            *[value_cell(row, arm) for arm in ARM_TITLES],
            change_cell(row.get("change")),
            change_cell(row.get("change_from_oneshot")),
            f"[{COLOURS.get(verdict, 'default')}]{verdict.replace(' ', chr(10))}[/]",
        )
    return table


DOCUMENT_TITLES = {
    "py-spy": "share of CPU in hashing, py-spy",
    "ablation": "the same, by ablation",
    "cProfile": "the same, cProfile",
    "memray": "allocations per op, memray",
    "time": "CPU time per op",
    "hits": "hit rate",
}


def markdown(document: Document) -> str:
    """The table for the documents."""
    made = []
    for row in document["figures"]:
        cells = [DOCUMENT_TITLES[row["measure"]], article_words(row)]
        if "unavailable" in row:
            made.append([*cells, *[""] * len(ARM_TITLES), "", "not measured"])
            continue
        cells += [arm_words(row["measure"], row["arms"].get(arm)) for arm in ARM_TITLES]
        change = row.get("change")
        interval = terminal.interval(change) if change else ""
        cells.append(
            f"{terminal.signed(change['value'], 0)} %" + (f" ({interval})" if interval else "") if change else ""
        )
        made.append([*cells, row.get("verdict", "").replace("%", " %")])
    return md.table(["", "article (Go)", *ARM_TITLES.values(), "cache vs before", "verdict"], made)


def article_words(row: dict[str, Any]) -> str:
    """The article's figures, once for the three rows that measure its share of CPU time."""
    if row["measure"] == "hits":
        return f"above {100 * figures.ARTICLE_HIT_RATE:.0f} %"
    if row["article"] is None or row["measure"] in figures.SHARES[1:]:
        return ""
    before, after, fall = row["article"]
    unit = " %" if row["measure"] in figures.SHARES else ""
    return f"{before} → {after}{unit} ({terminal.signed(-fall)} %)"


def arm_words(measure: str, value: dict[str, float] | None) -> str:
    """An arm's figure with its unit."""
    if value is None:
        return ""
    if measure == "time":
        return f"{value['median'] / 1e3:.2f} µs"
    return f"{value['value']:.1f}" if measure == "memray" else f"{100 * value['value']:.1f} %"


def row_title(row: dict[str, Any]) -> str:
    """A row's title on one line.

    >>> row_title({"measure": "cProfile"})
    'CPU hashing (cProfile)'
    """
    what, how = ROW_TITLES[row["measure"]]
    return f"{what} ({how.removeprefix('%, ')})"


def verdict_sentence(document: Document) -> str:
    """The result in a sentence or three, before any table."""
    rows = {row["measure"]: row for row in document["figures"]}
    parts = []
    if against := figures.disagreements(document["figures"]):
        parts.append(
            f"WARNING: no verdict on the share of CPU time, its three measurements disagree: {'; '.join(against)}."
        )
    judged = [row for row in document["figures"] if row["article"] and "verdict" in row]
    judged = [row for row in judged if not (against and row["measure"] in figures.SHARES)]
    if judged:
        said = "; ".join(f"{row_title(row)}: {row['verdict']}" for row in judged)
        parts.append(f"From the article's before to the cache: {said}.")
    time = rows.get("time", {})
    if time.get("verdict") == "invalid":
        parts.append("The null arm differs from itself: believe no time of this run.")
    elif time.get("verdict") == "~":
        parts.append("No difference in the CPU time of a request can be shown.")
    elif "verdict" in time:
        amount = abs(time["change"]["value"])
        parts.append(f"A request takes {amount:.0%} {'less' if time['verdict'] == 'lower' else 'more'} CPU time.")
    if time.get("loses_to") and time.get("verdict") != "invalid":
        parts.append(f"The cache is slower than {' and '.join(ARM_TITLES[arm] for arm in time['loses_to'])}.")
    parts += terminal.early_end(document)
    return " ".join(parts) or "Nothing was measured."


def notes(document: Document) -> list[str]:
    """What a reader must know to judge the table."""
    workload, lines = document["workload"], []
    of_files = f", of {workload['files']:,} files" if workload["files"] else ""
    lines.append(
        f"One op: a request of {workload['keys_per_request']} keys: hash, look up, count. Input: {workload['source']}: "
        f"{workload['identifiers']:,} keys, {workload['distinct']:,} distinct{of_files}."
    )
    lines += amdahl_notes(document)
    for row in document["figures"]:
        if "unavailable" in row:
            lines.append(f"{row_title(row)}: {row['unavailable']}.")
        for arm, reason in row.get("missing", {}).items():
            lines.append(f"{ARM_TITLES[arm]}: not measured: {reason}.")
        if "c_calls" in row:
            counts = ", ".join(f"{ARM_TITLES[arm]} {calls:.0f}" for arm, calls in row["c_calls"].items())
            lines.append(f"Calls of C functions in hashing, per op (cProfile, exact): {counts}.")
        if "null" in row:
            null = row["null"]
            lines.append(
                f"Null arm, before against itself: {terminal.signed(null['value'])} % ({terminal.interval(null)})."
            )
        if row["measure"] == "hits":
            lines.append(f"The cache looked up {row['looked_up']:.1%} of the keys and stood aside for the rest.")
    lines.append(
        "reproduced: the fall is at least the article's over the whole 95 % interval; direction only: it falls "
        "by more than 2 %, interval without 0. Changes of times and of ablation are by pairs: the interval is a "
        "bootstrap's, and that of the sign test must say the same. ± is half a 95 % interval (shares) or half the "
        "quartile range (ns). in map: the cache inside an HMap of the keys themselves. ablation: the time that goes "
        "when hashing is taken out."
    )
    return lines


def amdahl_notes(document: Document) -> list[str]:
    """What the falls in share could save at most, beside what was saved: a share is no run time."""
    rows = {row["measure"]: row for row in document["figures"]}
    bounds = [
        f"{terminal.signed(rows[way]['amdahl'])} % ({way})" for way in figures.SHARES if "amdahl" in rows.get(way, {})
    ]
    if not bounds:
        return []
    before, after, _ = figures.ARTICLE_SHARE
    articles = terminal.signed(figures.amdahl(before / 100, after / 100))
    change = rows.get("time", {}).get("change")
    measured = f"; measured: {terminal.signed(change['value'])} % ({terminal.interval(change)})" if change else ""
    return [
        f"Amdahl: were hashing all that changed, the shares from before to cache would mean {', '.join(bounds)} CPU "
        f"time per op{measured}. The article's fall from {before} to {after} % means at most {articles} %, not -77.5 %."
    ]


def show(console: Console, document: Document) -> None:
    """Print the result of ``table``: the verdict, the rows, the notes."""
    console.print(verdict_sentence(document), style="bold", markup=False)
    console.print()
    console.print(before_after(document))
    console.print()
    for line in notes(document):
        console.print(line, markup=False)
