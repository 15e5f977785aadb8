"""What must hold of every results file: whole, in use, of a commit that exists, and its figures are its samples'.

Owns these checks, and what more is asked of single verbs. Nothing is measured.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from builds import run as builds
from cache import policies, rules
from cache import run as cache
from compare import run as compare
from core import records
from core.environment import HARNESS, git
from fragmentation import run as fragmentation
from growth import latency
from instructions import run as instructions
from instructions import worker as instructions_worker
from leaks import run as leaks
from leaks import tables as leaks_tables
from leaks.cases import ARMS, CASES
from peers import figures as peers
from peers import targets
from table import figures as table

Document = dict[str, Any]


class Check(NamedTuple):
    """What was looked at; what is wrong, with what to do; or what there was no way to look at."""

    what: str
    wrong: str = ""
    skipped: str = ""


def inserts(document: Document) -> Document:
    """Of ``growth``, what its file has samples of: those of single inserts, less what only the figures hold."""
    samples = [sample for sample in document["samples"] if sample["measure"] == "inserts"]
    return latency.figures([sample | dict.fromkeys(NOT_IN_SAMPLES) for sample in samples])


# The figures of a verb from its samples. ``layout`` times nothing, and has none.
FIGURES: dict[str, Callable[[Document], Any]] = {
    "builds": lambda document: builds.rows(document["samples"], document["config"]["builds"]),
    "cache": lambda document: cache.figures(document["samples"]),
    "fragmentation": lambda document: fragmentation.rows(document["samples"]),
    "growth": inserts,
    "instructions": lambda document: instructions.medians(document["samples"]),
    "leaks": lambda document: leaks.figures(document["samples"]),
    "peers": lambda document: peers.figures(document["samples"]) | {"targets": targets.judge(document["samples"])},
    "table": lambda document: table.rows(document["samples"]),
}
NOT_IN_SAMPLES = ("series", "largest")
# Words beside a figure, which may be put better without a new run.
WORDS = {"what", "why", "target", "mend"}


def read(folder: Path) -> tuple[dict[str, Document], list[Check]]:
    """The files that are whole results, and a check for each file of the folder."""
    found, checks = {}, []
    for path in sorted(folder.iterdir()):
        what = f"{path.name}: whole result of its verb"
        try:
            document = compare.read(path)
            wrong = unlike_a_record(path.stem, document)
        except ValueError as error:
            wrong = f"{error}: delete the file, or run its verb again"
        if not wrong:
            found[path.stem] = document
        checks.append(Check(what, wrong))
    return found, checks


def unlike_a_record(name: str, document: Document) -> str:
    """Why a result is not one to keep; empty if it is."""
    anew = f"run `{document['command']} --out profiling/results`"
    if document["schema_version"] != records.SCHEMA_VERSION:
        return f"it has schema {document['schema_version']}, and {records.SCHEMA_VERSION} is written now: {anew}"
    if document["mode"] != "full" or document["ended_by"]:
        ended = document["ended_by"] or "to its end"
        return f"it is of a {document['mode']} run that went on: {ended}; only whole full runs are kept: {anew}"
    if name != document["verb"] and not name.startswith(f"{document['verb']}-"):
        return f"it is a result of {document['verb']}: call it {document['verb']}.json or {document['verb']}-WHAT.json"
    return ""


def checks(results: dict[str, Document], texts: dict[str, str], project: Path) -> Iterator[Check]:
    """Everything that is asked of whole results. ``texts`` are the documents, each on one line."""
    no_history = why_no_history(project)
    for name, document in results.items():
        yield used(name, texts)
        yield Check(f"{name}.json: commit", skipped=no_history) if no_history else commit(name, document, project)
        yield uncommitted(name, document, texts)
        if document["verb"] in FIGURES:
            yield figures(name, document)
    for name, check in OF_VERBS.items():
        if name in results:
            yield from check(results[name]["figures"])


def used(name: str, texts: dict[str, str]) -> Check:
    """A file is the latest run of a verb, or a document names it."""
    of_a_verb = (HARNESS / name / "run.py").exists()
    named = of_a_verb or any(f"{name}.json" in text for text in texts.values())
    return Check(f"{name}.json: in use", "" if named else "no verb has this name and no document names it: delete it")


def why_no_history(project: Path) -> str:
    """Why commits cannot be looked for; empty if they can."""
    if not (project / ".git").exists():
        return "no git repository here"
    shallow = git("rev-parse", "--is-shallow-repository", folder=project)
    if shallow is None:
        return "git cannot be run here"
    return "a shallow clone has not all commits" if shallow == "true" else ""


def commit(name: str, document: Document, project: Path) -> Check:
    """The commit that was measured is one of this history."""
    measured = document["environment"]["commit"]
    known = measured and git("merge-base", "--is-ancestor", measured, "HEAD", folder=project) is not None
    command = f"run `{document['command']} --out profiling/results` on a commit of this history"
    return Check(f"{name}.json: commit", "" if known else f"{measured} is no commit that HEAD descends from: {command}")


def uncommitted(name: str, document: Document, texts: dict[str, str]) -> Check:
    """The commit is all that was measured; where it is not, a document must say so."""
    said = f"`{name}.json` was made with uncommitted changes"
    hidden = document["environment"]["uncommitted_changes"] and not any(said in text for text in texts.values())
    wrong = f'run it again on a commit without changes; or, if it cannot be repeated, a document must say "{said}"'
    return Check(f"{name}.json: no uncommitted changes, or a document says so", wrong if hidden else "")


def figures(name: str, document: Document) -> Check:
    """The stored figures are those of the samples, computed anew."""
    computed = json.loads(json.dumps(FIGURES[document["verb"]](document)))
    stored = document["figures"]
    if document["verb"] == "growth":
        stored = {part: stored[part] for part in computed}
    found = list(differences("figures", stored, computed))
    wrong = "; ".join(f"{path} is {mine} and by the samples {its}" for path, mine, its in found[:3])
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    command = f"run `{document['command']} --out profiling/results` again"
    return Check(f"{name}.json: figures are those of its samples", f"{wrong}{more}: {command}" if found else "")


def differences(path: str, stored: Any, computed: Any) -> Iterator[tuple[str, Any, Any]]:
    """The figures at which two values differ by more than rounding.

    >>> list(differences("figures", {"ns": [1.0, 2.0], "what": "a"}, {"ns": [1.0, 2.5], "what": "b"}))
    [('figures.ns[1]', 2.0, 2.5)]
    """
    if isinstance(stored, dict) and isinstance(computed, dict):
        for name in sorted((stored.keys() | computed.keys()) - WORDS - set(NOT_IN_SAMPLES)):
            yield from differences(f"{path}.{name}", stored.get(name), computed.get(name))
    elif isinstance(stored, list) and isinstance(computed, list) and len(stored) == len(computed):
        for number, (mine, its) in enumerate(zip(stored, computed, strict=True)):
            yield from differences(f"{path}[{number}]", mine, its)
    elif isinstance(stored, float) and isinstance(computed, float):
        if not math.isclose(stored, computed, rel_tol=1e-9):
            yield path, stored, computed
    elif stored != computed:
        yield path, stored, computed


# --- what is asked of single verbs ---


def of_leaks(made: Any) -> Iterator[Check]:
    """Verdicts as expected, and no call that grew.

    A call that was added since need not be there: it has a recipe (a test says so), and the next run measures it.
    """
    measured = {row["case"]: row for row in made["cases"]}
    wrong = "; ".join(f"{name} was not measured" for name in CASES if name not in measured)
    if not all(row[arm]["as_expected"] for row in measured.values() for arm in ARMS):
        wrong = leaks_tables.case_sentence(made["cases"])
    anew = f"{wrong}: run `make leaks OUT=profiling/results`"
    yield Check("leaks.json: each case has the verdict expected", anew if wrong else "")

    grown = [leaks_tables.grew_words(row) for row in made["growth"] if row["beyond"]]
    few = [row["call"] for row in made["growth"] if row["calls"] < leaks.GROWTH_CALLS]
    wrong = f"they leave something behind: {'; '.join(grown)}: fix them" if grown else ""
    wrong = wrong or (f"called too seldom: {', '.join(few)}: run the verb in full" if few else "")
    yield Check(f"leaks.json: {leaks.GROWTH_CALLS:,} calls of each public call leave nothing behind", wrong)


def of_cache(made: Any) -> Iterator[Check]:
    """Every load and every changed rule of today was measured."""
    loads, changes = {row["load"] for row in made["policies"]}, {row["change"] for row in made["rules"]}
    differing = sorted((loads ^ policies.loads(1).keys()) | (changes ^ rules.CHANGES.keys()))
    wrong = f"not both there and measured: {', '.join(differing)}: run `make cache OUT=profiling/results`"
    yield Check("cache.json: every load and every rule is measured", wrong if differing else "")


def of_instructions(made: Any) -> Iterator[Check]:
    """Every case of today has its record."""
    differing = sorted(made.keys() ^ instructions_worker.CASES.keys())
    wrong = f"not both there and recorded: {', '.join(differing)}: run `{instructions.RECORD_ANEW}`"
    yield Check("instructions.json: every case is recorded", wrong if differing else "")


OF_VERBS = {"leaks": of_leaks, "cache": of_cache, "instructions": of_instructions}
