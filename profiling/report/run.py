"""The verb ``report``: every result of a folder on one HTML page that needs no network.

Owns which results are shown, what each verb contributes to the page, and the page's data; the markup is
``page.html.jinja``.
A verb contributes the functions that it prints and draws with (``VERBS``): what it prints is caught and becomes tables
and paragraphs. A file of a verb that is not listed, or of an older or newer form, is shown by its fields with a
warning.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup
from rich.console import Console

from builds import pictures as builds_pictures
from builds import run as builds
from cache import pictures as cache_pictures
from cache import run as cache
from cluster import pictures as cluster_pictures
from cluster import tables as cluster_tables
from compare import run as compare
from core import records
from files import pictures as files_pictures
from files import tables as files_tables
from floods import pictures as floods_pictures
from floods import run as floods
from floor import pictures as floor_pictures
from floor import run as floor
from fragmentation import pictures as fragmentation_pictures
from fragmentation import run as fragmentation
from gateway import pictures as gateway_pictures
from gateway import tables as gateway_tables
from growth import pictures as growth_pictures
from growth import run as growth
from ids import pictures as ids_pictures
from ids import tables as ids_tables
from instructions import pictures as instructions_pictures
from instructions import run as instructions
from layout import run as layout
from leaks import pictures as leaks_pictures
from leaks import tables as leaks_tables
from peers import pictures as peers_pictures
from peers import tables as peers_tables
from render import style, terminal
from report import answers, headline, pictures, printed, verdicts
from table import pictures as table_pictures
from table import tables as table_tables

Document = dict[str, Any]
HERE = Path(__file__).resolve().parent
# What a file of an older or newer form than its verb's raises in the verb's functions.
OTHER_FORM = (KeyError, TypeError, ValueError, AttributeError, IndexError)
# So many paragraphs in a row are shown; more are folded behind their first.
PARAGRAPHS = 3
# Values of settings are cut to this length; the raw result has them whole.
LONGEST_SETTING = 200


class Verb(NamedTuple):
    """What a verb contributes: how it prints a result (None: its fields are as good), and what it draws of one."""

    show: Callable[[Console, Document], None] | None
    drawings: Callable[[Document], style.Drawings] = lambda _: {}


VERBS = {
    "peers": Verb(peers_tables.show, peers_pictures.drawings),
    "table": Verb(table_tables.show, table_pictures.drawings),
    "cache": Verb(cache.show, cache_pictures.drawings),
    "growth": Verb(growth.show, growth_pictures.drawings),
    "fragmentation": Verb(fragmentation.show, fragmentation_pictures.drawings),
    "floods": Verb(floods.show, floods_pictures.drawings),
    "files": Verb(files_tables.show, files_pictures.drawings),
    "ids": Verb(ids_tables.show, ids_pictures.drawings),
    "floor": Verb(floor.show, floor_pictures.drawings),
    "cluster": Verb(cluster_tables.show, cluster_pictures.drawings),
    "gateway": Verb(gateway_tables.show, gateway_pictures.drawings),
    "leaks": Verb(leaks_tables.show, leaks_pictures.drawings),
    "layout": Verb(layout.show),
    "instructions": Verb(instructions.show_recorded, instructions_pictures.drawings),
    "builds": Verb(builds.show, builds_pictures.of_builds),
    "grouping": Verb(None, builds_pictures.of_grouping),
}


@dataclass
class Part:
    """What the page shows of one result."""

    name: str
    title: str
    document: Document
    answer: str = ""
    drawn: list[pictures.Picture] = field(default_factory=list)
    said: list[Any] = field(default_factory=list)  # a Grid, or a list of paragraphs that stand together
    judged: list[verdicts.Verdict] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The name as an HTML id."""
        return "result-" + "".join(letter if letter.isalnum() else "-" for letter in self.name)

    @property
    def settings(self) -> printed.Grid:
        """How the result came to be: command, workload, plan, machine."""
        rows = [["command", str(self.document.get("command", ""))], ["run", self.document["ended_by"] or "whole"]]
        for part in ("workload", "config", "environment"):
            rows += [[f"{part}: {name}", value] for name, value in leaves(self.document[part])]
        return printed.Grid("", ["setting", "value"], rows, [False, False])

    @property
    def paired(self) -> bool:
        """Whether it has ratios by pairs, whose intervals the page explains."""
        return '"sign_low"' in json.dumps(self.document["figures"])

    @property
    def raw(self) -> Markup:
        """The result as JSON that may stand in a script element."""
        return Markup(json.dumps(self.document, separators=(",", ":")).replace("<", "\\u003c"))


def run(*, folder: Path | None, out: Path) -> str:
    """Write ``report.html`` to ``out`` from the results in ``folder``: by default ``out``, else the committed ones."""
    records.prepare(out)
    console = terminal.output_console()
    chosen = folder or (out if results(out) else records.COMMITTED)
    paths = results(chosen)
    if not paths:
        raise ValueError(f"{chosen} holds no result files (VERB.json)")
    documents, unread = {}, []
    for path in paths:
        try:
            documents[path.stem] = compare.read(path)
        except ValueError as error:
            unread.append(str(error).replace(str(path), path.name))
    if chosen.resolve() == records.COMMITTED:
        source = "the results committed with the project (profiling/results)"
    else:
        source = f"the results in the folder “{chosen.name}”"
    parts = [part(name, document) for name, document in sorted_by_verb(documents)]
    path = out / "report.html"
    records.write_text(path, page(source, parts, unread))
    console.print(f"{len(parts)} results of {chosen}: {', '.join(made.name for made in parts)}", markup=False)
    for warning in warnings(parts, unread):
        console.print(f"Warning: {warning}", markup=False, soft_wrap=True)
    console.print(f"Written: {path}", markup=False, soft_wrap=True)
    return ""


def results(folder: Path) -> list[Path]:
    """The result files of a folder; speedscope's are none."""
    return sorted(path for path in folder.glob("*.json") if not path.name.endswith(".speedscope.json"))


def sorted_by_verb(documents: dict[str, Document]) -> list[tuple[str, Document]]:
    """By verb in the order of the titles, unknown ones last, then by name."""
    order = list(answers.TITLES)

    def place(item: tuple[str, Document]) -> tuple[int, str]:
        verb = item[1]["verb"]
        return (order.index(verb) if verb in order else len(order), item[0])

    return sorted(documents.items(), key=place)


def part(name: str, document: Document) -> Part:
    """What the page shows of one result: what its verb makes of it, or its fields."""
    made = Part(name, answers.title(name, document["verb"]), document)
    verb = VERBS.get(document["verb"])
    try:
        made.doubts += verdicts.doubts(document)
        made.judged += verdicts.verdicts(document)
        made.answer = answers.answer(document)
        made.drawn += pictures.flame_graphs(name, document)
        made.drawn += pictures.strips(made.key, document)
        if not verb:
            made.doubts.append(f"this harness has no verb “{document['verb']}”; shown by its fields")
        else:
            made.drawn[:0] = pictures.of_verb(made.key, verb.drawings(document))
        if verb and verb.show:
            catcher = printed.Catcher()
            verb.show(catcher, document)
            made.said = grouped(catcher.caught)
    except OTHER_FORM as error:
        made.doubts.append(f"not of the form that the verb “{document['verb']}” reads ({error!r}); shown by its fields")
        made.said = []
    if not made.said:
        made.said = list(printed.fields(document["figures"]))
    return made


def grouped(caught: Iterable[Any]) -> list[Any]:
    """Paragraphs that follow one another in a list of their own, so that a long row of them can be folded."""
    made: list[Any] = []
    for each in caught:
        if isinstance(each, str) and made and isinstance(made[-1], list):
            made[-1].append(each)
        else:
            made.append([each] if isinstance(each, str) else each)
    return made


def leaves(value: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    """The plain values of nested objects with their paths; long lists are cut."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{prefix}.{name}" if prefix else name)
    else:
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield prefix, text if len(text) <= LONGEST_SETTING else text[:LONGEST_SETTING] + " …"


def warnings(parts: list[Part], unread: list[str]) -> list[str]:
    """Every warning, after the title of its result."""
    said = [f"{made.title}: {warning}." for made in parts for warning in made.doubts]
    return said + [f"Left out: {reason}." for reason in unread]


# --- the page ---


def page(source: str, parts: list[Part], unread: list[str]) -> str:
    """The whole page, from where the results are and what is shown of each."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["verdict_class"] = verdicts.css_class
    environment.tests["text"] = lambda each: isinstance(each, list)
    whole = {made.name: made.document for made in parts if made.answer and made.name == made.document["verb"]}
    return environment.get_template("page.html.jinja").render(
        source=source,
        parts=parts,
        points=headline.points(whole),
        picture=headline.picture(whole),
        warnings=warnings(parts, unread),
        verdicts=verdict_table(parts),
        counted=Counter(verdicts.words(each.verdict) for made in parts for each in made.judged).most_common(),
        runs=run_table(parts),
        paragraphs=PARAGRAPHS,
        palette=style.PAGES,
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "page.js").read_text(encoding="utf-8")),
    )


def verdict_table(parts: list[Part]) -> printed.Grid:
    """Every verdict; it stands before the figures, where a narrow screen shows it too."""
    heads = ["what", "verdict", "the article, or the target", "here", "result"]
    rows = [
        [each.what, each.verdict, each.against, each.measured, made.title] for made in parts for each in made.judged
    ]
    return printed.Grid("", heads, rows, [False] * len(heads))


def run_table(parts: list[Part]) -> printed.Grid:
    """Which runs are on the page."""
    heads = ["result", "mode", "date", "commit", "processor", "run"]
    rows = []
    for made in parts:
        environment = made.document["environment"]
        said = [str(environment.get(name) or "") for name in ("date", "commit", "cpu")]
        rows.append(
            [made.title, made.document["mode"], said[0], said[1][:9], said[2], made.document["ended_by"] or "whole"]
        )
    return printed.Grid("", heads, rows, [False] * len(heads))
