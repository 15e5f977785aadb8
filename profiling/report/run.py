"""The verb ``report``: every result of a folder on one HTML page that needs no network.

Owns which results are shown and what of each: its verdicts, what its verb prints, its pictures, its raw file. Imports
the siblings; the page itself is in the sibling ``page``.

A verb needs nothing here to have its part of the page. What it prints (``show(console, document)``, in ``VERB/run.py``
or ``VERB/tables.py``) is caught and becomes tables and paragraphs; what it draws (``save_all(document, folder)``, in
``VERB/pictures.py``) is drawn again from the file. A file of a verb that this harness does not know is shown by its
fields.
"""

import importlib
import inspect
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from compare import run as compare
from core import environment, records
from fragmentation import run as fragmentation
from layout import run as layout
from render import flames, terminal
from report import page, strip
from table import figures, tables

Document = dict[str, Any]
COMMITTED = records.COMMITTED
# What a file of an older or newer form than its verb's raises in the verb's functions.
OTHER_FORM = (KeyError, TypeError, ValueError, AttributeError, IndexError)
# The pages' order of verbs; others follow by name.
ORDER = ("table", "cache", "peers", "growth", "fragmentation", "layout", "leaks")


def run(*, folder: Path | None, out: Path) -> str:
    """Write ``report.html`` to ``out`` from the results in ``folder``: by default ``out``, else the committed ones."""
    records.prepare(out)
    console = terminal.output_console()
    chosen = folder or (out if results(out) else COMMITTED)
    paths = results(chosen)
    if not paths:
        raise ValueError(f"{chosen} holds no result files (VERB.json)")
    documents, unread = {}, []
    for path in paths:
        try:
            documents[path.stem] = compare.read(path)
        except ValueError as error:
            unread.append(str(error).replace(str(path), path.name))
    if chosen.resolve() == COMMITTED:
        source = "the results committed with the project (profiling/results)"
    else:
        source = f"the results in the folder “{chosen.name}”"
    with tempfile.TemporaryDirectory(prefix="report-") as scratch:
        parts = [part(name, document, Path(scratch)) for name, document in sorted_by_verb(documents)]
    path = out / "report.html"
    records.write_text(path, page.page(source, parts, unread))
    console.print(f"{len(parts)} results of {chosen}: {', '.join(made['name'] for made in parts)}", markup=False)
    for reason in unread:
        console.print(f"Left out: {reason}", markup=False, soft_wrap=True)
    console.print(f"Written: {path}", markup=False, soft_wrap=True)
    return ""


def results(folder: Path) -> list[Path]:
    """The result files of a folder; speedscope's are none."""
    return sorted(path for path in folder.glob("*.json") if not path.name.endswith(".speedscope.json"))


def sorted_by_verb(documents: dict[str, Document]) -> list[tuple[str, Document]]:
    """By verb in the page's order, then by name."""

    def place(item: tuple[str, Document]) -> tuple[int, str]:
        verb = item[1]["verb"]
        return (ORDER.index(verb) if verb in ORDER else len(ORDER), item[0])

    return sorted(documents.items(), key=place)


def part(name: str, document: Document, scratch: Path) -> dict[str, Any]:
    """What the page shows of one result."""
    return {
        "name": name,
        "document": document,
        "verdicts": judged(document),
        "shown": shown(document),
        "pictures": drawn(document, scratch / name) + flame_graphs(name, document) + strips(document),
    }


# --- what a verb prints, caught ---


class Catcher:
    """Stands in for a rich console: keeps what is printed."""

    is_terminal = False
    width = 200

    def __init__(self) -> None:
        self.caught: list[Any] = []

    def print(self, *printed: Any, markup: bool = True, style: str = "", **_: Any) -> None:
        """Keep tables as they are and texts without their markup, with whether they were bold."""
        for each in printed:
            if isinstance(each, str):
                text = Text.from_markup(each).plain if markup else each
                if text.strip():
                    self.caught.append((text, "bold" in style))
            else:
                self.caught.append(each)


def function_of(verb: str, name: str) -> Callable[..., Any] | None:
    """A verb's function of this name, in a file of the verb's folder; None where it has none."""
    for module in ("run", "tables", "pictures"):
        # Only this harness's own modules: the name of a verb is whatever a file says.
        if re.fullmatch(r"\w+", verb) and (environment.HARNESS / verb / f"{module}.py").exists():
            found = getattr(importlib.import_module(f"{verb}.{module}"), name, None)
            if callable(found):
                return found
    return None


def shown(document: Document) -> list[Any]:
    """What the verb prints of the document: ``(text, bold)`` and ``page.Grid``; its fields when it cannot."""
    show = function_of(document["verb"], "show")
    if show is not None and len(inspect.signature(show).parameters) != 2:  # not (console, document)
        show = None
    catcher = Catcher()
    if show is not None:
        try:
            show(catcher, document)
        except OTHER_FORM as error:
            catcher.caught = [
                (f"This file is not of the form that its verb prints ({error!r}); here are its fields.", False)
            ]
            show = None
    if show is None:
        return [*catcher.caught, *fields(document["figures"])]
    return [grid(each) if isinstance(each, Table) else each for each in catcher.caught]


def grid(table: Table) -> "page.Grid":
    """A rich table as plain cells; a group's name, printed on its first row only, is on each, so that rows can move."""

    def plain(cell: Any) -> str:
        return (Text.from_markup(cell).plain if isinstance(cell, str) else str(cell)).strip()

    columns = [[plain(cell) for cell in column.cells] for column in table.columns]
    for place, name in enumerate(columns[0] if columns else []):
        if not name and place:
            columns[0][place] = columns[0][place - 1]
    numeric = [column.justify == "right" for column in table.columns]
    title = plain(table.title) if table.title else ""
    heads = [plain(column.header).replace("-\n", "-") for column in table.columns]
    return page.Grid(title, heads, [list(row) for row in zip(*columns, strict=True)], numeric)


def fields(figures: Any, title: str = "figures") -> Iterable[Any]:
    """A table for each list of objects, and for each object of objects or of plain values, in a document's figures."""
    if isinstance(figures, dict) and len(figures) > 1 and all(isinstance(row, dict) for row in figures.values()):
        figures = [{"": name, **row} for name, row in figures.items()]
    if isinstance(figures, list) and figures and all(isinstance(row, dict) for row in figures):
        flat = [dict(flattened(row)) for row in figures]
        heads = list(dict.fromkeys(name for row in flat for name in row))
        yield page.Grid(title, heads, [[row.get(name, "") for name in heads] for row in flat], [False] * len(heads))
    elif isinstance(figures, dict):
        plain = list(flattened({name: value for name, value in figures.items() if not isinstance(value, dict)}))
        if plain:
            yield page.Grid(title, ["field", "value"], [list(pair) for pair in plain], [False, False])
        for name, value in figures.items():
            if isinstance(value, (list, dict)):
                yield from fields(value, f"{title}: {name}")


def flattened(row: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """The plain values of an object with their paths."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            yield prefix + name, f"{value:,.4g}" if isinstance(value, float) else str(value)


# --- verdicts ---


def judged(document: Document) -> list[tuple[str, str, str, str]]:
    """The verdicts of one result; none where its form is another."""
    try:
        return list(verdicts(document))
    except OTHER_FORM:
        return []


def verdicts(document: Document) -> Iterable[tuple[str, str, str, str]]:
    """``(what, the article's, ours, verdict)`` of one result, for the table that the page begins with.

    A verb may put them into its file itself, as ``verdicts``: a list of such quadruples.
    """
    made = document["figures"]
    yield from targets(made)
    if "verdicts" in document:
        yield from (tuple(row) for row in document["verdicts"])
    elif document["verb"] == "table":
        yield from table_verdicts(document)
    elif document["verb"] == "growth":
        for row in made.get("trigger", []):
            if row["B"] == 1:
                said = "reproduced" if row["grew_at_key"] == 13 else "not reproduced"
                yield "2 buckets grow", "at the 13th key", f"at the {row['grew_at_key']}th", said
        latency = made.get("latency", {}).get("libraries", {})
        if "pyhmap" in latency:
            worst = {name: row["recurring_worst_ns"] / 1e6 for name, row in latency.items()}
            others = ", ".join(f"{name} {ms:,.0f} ms" for name, ms in worst.items() if name != "pyhmap")
            yield "worst insert that recurs", "", f"{worst['pyhmap']:.2f} ms; {others}", target(worst["pyhmap"] < 1)
    elif document["verb"] == "fragmentation":
        worst = max((row for row in made if row["map"] == "fragmented"), key=over_even, default=None)
        if worst:
            ratio = worst["single_ns_over_even"]
            said = fragmentation.against_article(ratio)
            yield "time of a fragmented map", "4.5 times (42 to 187 ns)", f"{ratio['value']:.2f} times", said
    elif document["verb"] == "layout":
        said = "agrees with" if made["header"]["agree"] else "DIFFERS FROM"
        here = made["buckets"]["int64 to int64"]["bucket_bytes"]
        yield "header of a map", f"{layout.ARTICLE_HEADER} bytes", f"48 in Go; ours {said} the memory", "not reproduced"
        yield (
            "bucket of a map",
            f"{layout.ARTICLE_BUCKET} bytes",
            f"{layout.GO_BUCKET} in Go, {here} here",
            "not reproduced",
        )


def targets(made: Any) -> Iterable[tuple[str, str, str, str]]:
    """The targets of the project's own that a verb judges in its figures, as ``targets``.

    Each is an object with ``target`` or ``what``, ``most`` or ``bound`` (``at_most`` says on which side), ``measured``
    or ``value``, and ``met``, which is None where nothing was measured.
    """
    for row in made.get("targets", []) if isinstance(made, dict) else []:
        what, value = row.get("what", row.get("target", "")), row.get("value", row.get("measured"))
        bound = row.get("bound", row.get("most", 0))
        said = f"{'at most' if row.get('at_most', True) else 'at least'} {bound:g} {row.get('unit', '')}".rstrip()
        if row["met"] is None or value is None:
            yield what, said, "", "not measured"
        else:
            yield what, said, f"{value:,.3g}", target(row["met"])


def over_even(row: dict[str, Any]) -> float:
    """How many times an even map's time a row's is."""
    return row["single_ns_over_even"]["value"]


def target(met: bool) -> str:
    """The word for a target of the project's own."""
    return "target met" if met else "target missed"


def table_verdicts(document: Document) -> Iterable[tuple[str, str, str, str]]:
    """The rows of the before/after table that have a verdict; none on shares that contradict one another."""
    against = figures.disagreements(document["figures"])
    for row in document["figures"]:
        if "verdict" not in row:
            continue
        article = ""
        if row["article"]:
            before, after, fall = row["article"]
            article = f"{before} → {after} ({terminal.signed(-fall)} %)"
        change = row.get("change")
        ours = f"{terminal.signed(change['value'])} % {bracketed(change)}".strip() if change else ""
        if row["measure"] == "hits":
            ours = f"{row['arms']['cache']['value']:.1%}"
        doubted = bool(against) and row["measure"] in figures.SHARES
        yield tables.row_title(row), article, ours, "measurements disagree" if doubted else row["verdict"]


def bracketed(change: dict[str, float]) -> str:
    """The interval of a change in brackets."""
    said = terminal.interval(change)
    return f"({said})" if said else ""


# --- pictures ---


def drawn(document: Document, folder: Path) -> list["page.Picture"]:
    """The pictures that the verb draws of its file, each for light and dark pages."""
    save_all = function_of(document["verb"], "save_all")
    if save_all is None:
        return []
    folder.mkdir()
    try:
        written = save_all(document, folder)
    except OTHER_FORM:
        return []
    made = []
    for path in (path for path in written if not path.stem.endswith("-dark")):
        title = path.stem.removeprefix(f"{document['verb']}-").replace("-", " ").capitalize()
        dark = path.with_name(f"{path.stem}-dark.svg")
        made.append(page.Picture(title, described(save_all, path.stem), path, dark if dark.exists() else None))
    return [picture.read() for picture in made]


def described(save_all: Callable[..., Any], stem: str) -> str:
    """What a picture shows: the first sentence of the function that drew it."""
    known = getattr(importlib.import_module(save_all.__module__), "PICTURES", {})
    for name, draw in known.items():
        if stem.endswith(f"-{name}") and draw.__doc__:
            return draw.__doc__.strip().splitlines()[0]
    return stem


def flame_graphs(name: str, document: Document) -> list["page.Picture"]:
    """The flame graph of each arm that was sampled, and what differs between two."""
    profiles = {
        arm: [(tuple(stack.split(";")), count) for stack, count in stacks]
        for arm, stacks in document.get("stacks", {}).items()
    }
    made = []
    for arm, stacks in profiles.items():
        title = f"Flame graph of the arm {arm}"
        about = "Width: share of the samples. Blue: hashing. Point at a frame for its figures."
        made.append(page.Picture(title, about, svg=flames.flame_graph(stacks, f"{name}, arm {arm}")))
    for before, after in (("before", "cache"), ("before", "batch")):
        if before in profiles and after in profiles:
            title = f"Differential flame graph: {after} against {before}"
            about = f"Width: share of the samples of {after}. Orange: more than in {before}; blue: less."
            drawn = flames.difference(profiles[before], profiles[after], f"{name}: {after} against {before}")
            made.append(page.Picture(title, about, svg=drawn))
    return made


def strips(document: Document) -> list["page.Picture"]:
    """What the cache did along its input, of the first sample of each kind that tells."""
    made, seen = [], set()
    for sample in document["samples"]:
        stats = sample.get("cache_stats", {})
        words = " ".join(str(sample[key]) for key in ("traffic", "workload", "arm") if key in sample)
        if stats.get("transitions") and stats.get("hits", 0) + stats.get("misses", 0) and words not in seen:
            seen.add(words)
            calls = sum(stats.get(name, 0) for name in strip.COUNTED)
            title = f"States of the cache: {words}"
            about = "What the cache was doing along its input, and the hit rate that each state ended with."
            made.append(page.Picture(title, about, svg=strip.draw(stats["transitions"], calls, title)))
    return made
