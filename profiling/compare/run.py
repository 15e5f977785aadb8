"""The verb ``compare``: two result files of one verb side by side, as benchstat does for Go.

Owns what makes two files comparable, the rows of each verb, and the table.

A row is one figure with its repeated measurements in either file. The change has the 99 % interval of the
Mann-Whitney test: among fifty rows, an interval of 95 % would call two or three changed by chance. A count that repeats
exactly is compared exactly.

Two files were measured at two times, and a shared machine is not equally fast at both. So each verb has, where it can,
two more kinds of rows: ratios within a run, which do not depend on the machine's speed, and controls, which time code
that is not this project's. When the controls differ, times cannot be compared, and the table says so.
"""

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core import estimates, records
from render import terminal
from table import figures

Document = dict[str, Any]
SAME = ("verb", "schema_version", "mode", "workload")
# Every result has these (see ``core.records``).
PARTS = (*SAME, "environment", "config", "ended_by", "samples", "figures")
# What may differ between two files, and is said above the table.
TOLD = ("commit", "uncommitted_changes", "cpu", "cores", "system", "python", "packages")
# One control of a hundred changes by chance; from this share on the machine was another.
CHANCE = 0.05
# Whole numbers by which samples of a verb without a reader of its own differ.
SIZES = ("size", "keys", "rows", "length", "nodes", "threads")


class Row(NamedTuple):
    """One figure of a file and its measurements."""

    name: str
    unit: str  # "ns" for a time, "ratio" of two times of one run, or what is counted
    values: list[float]
    exact: bool = False  # a count that repeats
    control: bool = False  # a time that this project's code has no part in


class Line(NamedTuple):
    """A row of both files."""

    before: Row | None
    after: Row | None
    change: estimates.Estimate | None
    verdict: str


def run(*, before: Path, after: Path) -> str:
    """Compare two files and print the table; ``ValueError`` says why they cannot be compared."""
    one, other = read(before), read(after)
    if differing := unlike(one, other):
        raise ValueError(f"{before} and {after} cannot be compared: " + "; ".join(differing))
    show(terminal.output_console(), one, other, compare(one, other), (before, after))
    return ""


def read(path: Path) -> Document:
    """A result file; ``ValueError`` names it and what is wrong with it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error
    missing = [name for name in PARTS if not isinstance(document, dict) or name not in document]
    if missing:
        raise ValueError(f"{path} is no result of this harness: it has no {', '.join(missing)}")
    if document["schema_version"] > records.SCHEMA_VERSION:
        raise ValueError(f"{path} has schema {document['schema_version']}; this harness reads {records.SCHEMA_VERSION}")
    return document


def unlike(one: Document, other: Document) -> list[str]:
    """What makes two files incomparable, each with both values; nested settings are named one by one.

    >>> unlike({"mode": "quick", "workload": {"keys": 1}}, {"mode": "full", "workload": {"keys": 2}})
    ['mode is "quick" in the first and "full" in the second', 'workload.keys is 1 in the first and 2 in the second']
    """
    found = []
    for name in SAME:
        for path, mine, its in differences(name, one.get(name), other.get(name)):
            found.append(f"{path} is {json.dumps(mine)} in the first and {json.dumps(its)} in the second")
    return found


def differences(path: str, one: Any, other: Any) -> Iterable[tuple[str, Any, Any]]:
    """The leaves at which two values differ, with their paths."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            yield from differences(f"{path}.{name}" if path else name, one.get(name), other.get(name))
    elif one != other:
        yield path, one, other


def rows(document: Document) -> dict[str, Row]:
    """The rows of a file by name."""
    yielded = READERS.get(document["verb"], plain_rows)(document["samples"])
    return {row.name: row for row in yielded if row.values}


def compare(one: Document, other: Document) -> list[Line]:
    """All rows of either file, in the order of the first."""
    before, after = rows(one), rows(other)
    lines = [judge(before.get(name), after.get(name)) for name in before | after]
    controls = [line.verdict == "changed" for line in lines if line.before and line.before.control]
    if sum(controls) > CHANCE * len(controls):
        lines = [line._replace(verdict="machine") if is_time(line) else line for line in lines]
    return lines


def is_time(line: Line) -> bool:
    """Whether a row depends on how fast the machine was."""
    return line.before is not None and line.before.unit == "ns" and not line.before.control and line.change is not None


def judge(before: Row | None, after: Row | None) -> Line:
    """Change and verdict of a row: changed, ``~`` where no change can be shown, or why nothing can be said."""
    if before is None or after is None:
        return Line(before, after, None, "in one file only")
    if before.exact or 0 in before.values:  # there is no ratio to nothing
        same = len(before.values) == len(after.values) and all(map(alike, before.values, after.values))
        change = None
        if before.values[0]:
            change = estimates.as_change(estimates.exact(after.values[0] / before.values[0]))
        return Line(before, after, change, "same" if same else "changed")
    ratio = estimates.unpaired_ratio(after.values, before.values)
    if ratio is None:
        return Line(before, after, None, "too few")
    change = estimates.as_change(ratio)
    return Line(before, after, change, "changed" if estimates.is_change(change) else "~")


def alike(one: float, other: float) -> bool:
    """Whether two counts are the same; memray counts an allocation of its own now and then, one of ten thousand."""
    return math.isclose(one, other, rel_tol=1e-3)


# --- the rows of each verb ---


def grouped(samples: Iterable[tuple[str, float]]) -> dict[str, list[float]]:
    """Values by name, in order of first sight."""
    groups: dict[str, list[float]] = {}
    for name, value in samples:
        groups.setdefault(name, []).append(value)
    return groups


def plain_rows(samples: list[dict[str, Any]]) -> Iterable[Row]:
    """Rows of a verb without a reader of its own: what a sample says in words and sizes names it, its floats are rows.

    Nested objects are walked, so ``{"state": "churned", "even": {"single_ns": 5.1}}`` is the row
    "churned even.single_ns"; so are the objects in a list called ``rows``.
    """

    def floats(prefix: str, sample: dict[str, Any]) -> Iterable[tuple[str, float]]:
        for name, value in sample.items():
            if isinstance(value, float):
                yield prefix + name, value
            elif isinstance(value, dict):
                yield from floats(f"{prefix}{name}.", value)

    def words(sample: dict[str, Any]) -> list[str]:
        said = [str(value) for value in sample.values() if isinstance(value, str)]
        said += [name for name, value in sample.items() if value is True]
        return said + [f"{name} {sample[name]:,}" for name in SIZES if isinstance(sample.get(name), int)]

    named = []
    for sample in samples:
        held = sample.get("rows")  # objects, or how many rows there are
        inner = [row for row in held if isinstance(row, dict)] if isinstance(held, list) else []
        for part, lead in [(sample, []), *((row, words(sample)) for row in inner)]:
            named += [(" ".join([*lead, *words(part), name]), value) for name, value in floats("", part)]
    for name, values in grouped(named).items():
        yield Row(name, "ns" if name.endswith(("_ns", " ns")) or ".ns" in name else "", values)


def peers_rows(samples: list[dict[str, Any]]) -> Iterable[Row]:
    """Nanoseconds of each library at each point; its time over pyhmap's, block by block."""
    points: dict[str, dict[str, dict[int, float]]] = {}
    for sample in samples:
        if "library" in sample and "size" in sample:
            where = [str(sample[name]) for name in ("kind", "key_set") if name in sample]
            for operation, value in sample.items():
                if isinstance(value, float):
                    point = ", ".join([operation, *where, f"{sample['size']:,}"])
                    points.setdefault(point, {}).setdefault(sample["library"], {})[sample["block"]] = value
    for point, libraries in points.items():
        ours = next((blocks for name, blocks in libraries.items() if name.startswith("pyhmap")), {})
        memory = point.startswith("memory")
        for name, blocks in libraries.items():
            own = name.startswith("pyhmap")
            yield Row(
                f"{name}: {point}", "bytes" if memory else "ns", list(blocks.values()), control=not (own or memory)
            )
            if not own:
                ratios = [blocks[block] / ours[block] for block in blocks if block in ours]
                yield Row(f"{name} over pyhmap: {point}", "ratio", ratios)
    yield from plain_rows([sample for sample in samples if "library" not in sample])


def fragmentation_rows(samples: list[dict[str, Any]]) -> Iterable[Row]:
    """Nanoseconds of each state and map; time over the even map's; and what is counted."""
    made = []
    for sample in samples:
        for name in ("even", "fragmented", "compacted"):
            where = f"{sample['state']}, {name}"
            for figure, unit in (
                ("single_ns", "ns"),
                ("batch_ns", "ns"),
                ("nbytes", "bytes"),
                ("noverflow", "buckets"),
            ):
                made.append((f"{where}: {figure}", unit, sample[name][figure]))
            if name != "even":
                for figure in ("single_ns", "batch_ns"):
                    ratio = sample[name][figure] / sample["even"][figure]
                    made.append((f"{where} over even: {figure}", "ratio", ratio))
    units = {name: unit for name, unit, _ in made}
    for name, values in grouped((name, value) for name, _, value in made).items():
        yield Row(name, units[name], sorted(values), exact=units[name] in ("bytes", "buckets"))


def table_rows(samples: list[dict[str, Any]]) -> Iterable[Row]:
    """Times per op of each arm and their ratios to before by block; shares of hashing; what is counted per op."""
    times: dict[str, dict[int, float]] = {}
    made = []
    for sample in samples:
        arm = sample.get("arm")
        if sample["measure"] == "time":
            times.setdefault(arm, {})[sample["block"]] = sample["cpu_ns"] / sample["ops"]
            if "control_ns" in sample:
                made.append(("counting keys in a dict", "ns", sample["control_ns"]))
            if "rest_ns" in sample:
                made.append(
                    (f"share of hashing by ablation, {arm}", "%", 100 * (1 - sample["rest_ns"] / sample["whole_ns"]))
                )
        elif sample["measure"] == "py-spy" and sample.get("in_loop"):
            made.append((f"share of hashing by py-spy, {arm}", "%", 100 * sample["in_hashing"] / sample["in_loop"]))
        elif sample["measure"] == "cProfile" and sample.get("c_calls_ops"):
            made.append((f"C calls in hashing, {arm}", "per op", sample["c_calls"] / sample["c_calls_ops"]))
    for arm, blocks in times.items():
        made += [(f"time, {arm}", "ns", value) for value in blocks.values()]
    before = times.get("before", {})
    for arm, blocks in times.items():
        if arm != "before":
            made += [(f"time, {arm} over before", "ratio", blocks[b] / before[b]) for b in blocks if b in before]
    for arm in figures.ARMS:
        if slope := figures.allocations_per_op(figures.of(samples, "memray", arm)):
            made.append((f"allocations, {arm}", "per op", slope.value))
    units = {name: unit for name, unit, _ in made}
    values = grouped((name, value) for name, _, value in made)
    measures = list(dict.fromkeys(name.partition(", ")[0] for name in values))
    order = [*figures.ARMS, "before2"]

    def place(name: str) -> tuple[int, int]:  # the arms were measured in shuffled order
        measure, _, rest = name.partition(", ")
        return measures.index(measure), next((order.index(arm) for arm in order if arm == rest.split(" ")[0]), 0)

    for name in sorted(values, key=place):
        unit = units[name]
        yield Row(name, unit, values[name], exact=unit == "per op", control=name == "counting keys in a dict")


READERS: dict[str, Callable[[list[dict[str, Any]]], Iterable[Row]]] = {
    "table": table_rows,
    "peers": peers_rows,
    "fragmentation": fragmentation_rows,
}


# --- what is printed ---


def middle(row: Row | None) -> str:
    """The median of a row."""
    return "" if row is None else f"{estimates.spread(row.values).median:,.4g}"


def change_cell(change: estimates.Estimate | None) -> str:
    """A change with its interval, both in percent."""
    if change is None:
        return ""
    if change.low == change.high:
        return f"{terminal.signed(change.value)} %"
    return f"{terminal.signed(change.value)} % ({terminal.signed(change.low)}..{terminal.signed(change.high)})"


def summary(lines: list[Line]) -> str:
    """The outcome in a sentence or two."""
    counts = {
        verdict: sum(line.verdict == verdict for line in lines) for verdict in ("changed", "~", "same", "machine")
    }
    unchanged = counts["~"] + counts["same"]
    said = f"Of {len(lines)} rows {counts['changed']} changed, {unchanged} did not as far as can be shown."
    if counts["machine"]:
        said += " A control changed, so the machine did: no verdict on times, only on ratios and counts."
    return said


def show(console: Console, one: Document, other: Document, lines: list[Line], paths: tuple[Path, Path]) -> None:
    """Print the outcome, what else differs, and the table."""
    console.print(summary(lines), style="bold", markup=False)
    console.print()
    for document, path in zip((one, other), paths, strict=True):
        environment = document["environment"]
        ended = "".join(f" {line}" for line in terminal.early_end(document))
        console.print(f"{path}: {environment['date']}, commit {str(environment['commit'])[:9]}.{ended}", markup=False)
    for part in ("environment", "config"):
        for name, mine, its in differences("", one[part], other[part]):
            if part == "config" or name.split(".")[0] in TOLD:
                console.print(f"Differs: {name}: {mine} and {its}.", markup=False)
    console.print()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    for title in ("unit", "first", "second", "change", "n"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("verdict")
    for line in lines:
        row = line.before or line.after
        sizes = "+".join(str(len(side.values) if side else 0) for side in (line.before, line.after))
        colour = {"changed": "red", "machine": "yellow"}.get(line.verdict, "default")
        cells = [row.unit, middle(line.before), middle(line.after), change_cell(line.change), sizes]
        table.add_row(escape(row.name) + (" (control)" if row.control else ""), *cells, f"[{colour}]{line.verdict}[/]")
    console.print(table)
    console.print()
    console.print(
        "first, second: medians. change: from the first to the second, median of all pairs, with its 99 % interval "
        "(Mann-Whitney). ~: no change can be shown, or less than 2 %. too few: not five values in each file."
    )
