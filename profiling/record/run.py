"""The verb ``record``: checks that the committed results are complete and that the documents quote them correctly.

Owns which table is made of which result, and how the checks are printed. ``results`` has the checks of the files,
``documents`` the markers, ``pictures`` the pictures. Nothing is measured. These are not tests: they fail when a verb
has to be run again or a document has to be changed.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from builds import run as builds
from cache import markdown as cache
from cluster import tables as cluster
from core.environment import PROJECT
from files import tables as files
from floods import run as floods
from floor import run as floor
from gateway import tables as gateway
from growth import markdown as growth
from ids import tables as ids
from layout import run as layout
from leaks import tables as leaks
from peers import tables as peers
from record import documents, pictures, results
from record.results import Check
from render import parts, terminal
from table import tables as table

# The name of a table in a marker, the result that it is made of, and what makes it.
TABLES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "readme": ("peers", peers.readme),
    "peers": ("peers", peers.markdown),
    "targets": ("peers", peers.targets_markdown),
    "targets-two-cores": ("peers-two-cores", peers.targets_markdown),
    "table": ("table", table.markdown),
    "growth": ("growth", growth.inserts),
    "loads": ("growth", growth.loads),
    "floods": ("floods", floods.markdown),
    "layout": ("layout", layout.markdown),
    **{f"cluster-{part.__name__}": ("cluster", parts.markdown(part)) for part in cluster.PARTS},
    **{f"files-{part.__name__}": ("files", parts.markdown(part)) for part in files.PARTS},
    **{part.__name__: ("floor", parts.markdown(part)) for part in floor.PARTS},
    **{f"gateway-{part.__name__}": ("gateway", parts.markdown(part)) for part in gateway.PARTS},
    "files-targets": ("files", peers.targets_markdown),
    **{f"ids-{part.__name__}": ("ids", parts.markdown(part)) for part in ids.PARTS},
    "ids-targets": ("ids", peers.targets_markdown),
    "leaks": ("leaks", leaks.markdown),
    "builds": ("builds", builds.markdown),
    "builds-frozen": ("builds-frozen", builds.markdown),
    "builds-prefetch": ("builds-prefetch", builds.markdown),
    "builds-small": ("builds-small", builds.markdown),
    "builds-stages": ("builds-stages", builds.markdown),
    "frozen": ("peers", peers.frozen),
    "cache-hits": ("cache", cache.hits),
    "cache-break-even": ("cache", cache.break_even),
    "cache-held": ("cache", cache.held),
    "cache-policies": ("cache", cache.by_policy),
    "cache-rules": ("cache", cache.scores),
    "cache-sizes": ("cache", cache.sizes),
}

# What the prose says in figures of a result.
SENTENCES: dict[str, Callable[[Any], list[tuple[str, str]]]] = {
    "cache": cache.sentences,
    "files": files.sentences,
    "growth": growth.sentences,
    "leaks": leaks.sentences,
    "peers": peers.sentences,
    "floor": floor.sentences,
}


def run(*, write: bool, project: Path = PROJECT) -> str:
    """Write tables and pictures if asked to, check, and print a line per check; return how many failed, if any did."""
    console = terminal.output_console()
    found, checks = results.read(project / "profiling" / "results")
    tables = {name: make(found[result]) for name, (result, make) in TABLES.items() if result in found}
    texts = documents.read(project)
    shown = pictures.shown(texts)
    drawn = pictures.draw(shown, found)
    if write:
        for line in (*fill(project, tables), *pictures.write(project, drawn)):
            console.print(line, markup=False, soft_wrap=True)
        texts = documents.read(project)
    joined = {name: " ".join(text.split()) for name, text in texts.items()}
    said = [pair for name, say in SENTENCES.items() if name in found for pair in say(found[name])]
    checks += [*results.checks(found, joined, project), *table_checks(texts, tables), *sentence_checks(joined, said)]
    checks += pictures.checks(project, shown, drawn)
    for check in checks:
        word = "FAILED" if check.wrong else "skipped" if check.skipped else "ok"
        reason = check.wrong or check.skipped
        console.print(f"{word:8}{check.what}" + (f": {reason}" if reason else ""), markup=False, soft_wrap=True)
    failed = sum(bool(check.wrong) for check in checks)
    return f"{failed} of {len(checks)} checks failed" if failed else ""


def fill(project: Path, tables: dict[str, str]) -> Iterator[str]:
    """Write the tables into the documents; a line for each that changed. Nothing is written between wrong markers."""
    for name, text in documents.read(project).items():
        try:
            stale = [place.name for place in documents.places(text) if is_stale(text, place, tables)]
        except documents.MarkerError:
            continue
        if stale:
            (project / name).write_text(documents.filled(text, tables), encoding="utf-8")
            yield from (f"written {name}: table {table}" for table in stale)


def is_stale(text: str, place: documents.Place, tables: dict[str, str]) -> bool:
    """Whether another table stands there than the result's."""
    return place.name in tables and documents.shown(text, place) != tables[place.name]


def table_checks(texts: dict[str, str], tables: dict[str, str]) -> Iterator[Check]:
    """Every table of every document is known and is the one that its result gives, and every known table is shown."""
    seen = set()
    for name, text in texts.items():
        try:
            places = list(documents.places(text))
        except documents.MarkerError as error:
            yield Check(f"{name}: markers of tables", str(error))
            continue
        for place in places:
            seen.add(place.name)
            what, wrong = f"{name}, line {place.start}: table {place.name}", ""
            if place.name not in TABLES:
                wrong = f"there is no such table; known: {', '.join(TABLES)}"
            elif place.name not in tables:
                wrong = f"profiling/results/{TABLES[place.name][0]}.json is missing or not complete"
            elif is_stale(text, place, tables):
                wrong = "it differs from the result: run `make record WRITE=1`"
            yield Check(what, wrong)
    for name in TABLES.keys() - seen:
        yield Check(f"table {name}", "no document shows it: put its markers in one, or remove it from `TABLES`")


def sentence_checks(texts: dict[str, str], said: list[tuple[str, str]]) -> Iterator[Check]:
    """The documents say in words what the results say."""
    for name, words in said:
        # Whole figures: 5.4 is not in 15.4, 5.41 or 5.4.1.
        whole = re.compile(rf"(?<![\d.,]){re.escape(words)}(?![.,]?\d)")
        wrong = "the result says this now, and no sentence of the document does: write it there"
        yield Check(f'{name}: "{words}"', "" if whole.search(texts.get(name, "")) else wrong)
