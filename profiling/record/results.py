"""Checks of every results file: it is complete and in use, its commit exists, and its figures follow from its samples.

Owns these checks, and those of single verbs. Nothing is measured.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from builds import run as builds
from cache import policies, rules
from cache import run as cache
from cluster import figures as cluster
from compare import run as compare
from core import records
from core.environment import HARNESS, git
from files import figures as files
from floods import run as floods
from floor import run as floor
from fragmentation import run as fragmentation
from gateway import figures as gateway
from growth import latency
from ids import figures as ids
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
    """What was checked; what is wrong and what to do about it; or why it could not be checked."""

    what: str
    wrong: str = ""
    skipped: str = ""


def of_growth(document: Document) -> Document:
    """The figures of ``growth`` that have samples: single inserts, and keys that come and go.

    The series of the latter are stored once, in the figures; their sample is put together again.
    """
    series = {row["load"]: row["series"] for row in document["figures"].get("churn", {}).get("loads", [])}
    samples = []
    for sample in document["samples"]:
        if sample["measure"] == "inserts":
            samples.append(sample | dict.fromkeys(latency.NOT_IN_SAMPLES))
        elif sample["measure"] == "churn" and sample["load"] in series:
            samples.append(sample | {"series": series[sample["load"]]})
    return latency.figures(samples)


# The figures of a verb from its samples. ``layout`` times nothing, and has none.
FIGURES: dict[str, Callable[[Document], Any]] = {
    "builds": lambda document: builds.rows(document["samples"], document["config"]["builds"]),
    "cache": lambda document: cache.figures(document["samples"]),
    "cluster": lambda document: cluster.figures(document["samples"]),
    "files": lambda document: files.figures(document["samples"]),
    "floor": lambda document: floor.figures(document["samples"]),
    "floods": lambda document: floods.rows(document["samples"]),
    "fragmentation": lambda document: fragmentation.rows(document["samples"]),
    "gateway": lambda document: gateway.figures(document["samples"]),
    "growth": of_growth,
    "ids": lambda document: ids.figures(document["samples"]),
    "instructions": lambda document: instructions.medians(document["samples"]),
    "leaks": lambda document: leaks.figures(document["samples"]),
    "peers": lambda document: peers.figures(document["samples"]) | {"targets": targets.judge(document["samples"])},
    "table": lambda document: table.rows(document["samples"]),
}
# Verbs whose latest run is kept.
KEPT = (*FIGURES, "layout")
# The parts of the figures of ``growth`` that have samples.
SAMPLED = ("latency", "churn")
# Words beside a figure, which may be put better without a new run.
WORDS = {"what", "why", "target", "remedy"}


def read(folder: Path) -> tuple[dict[str, Document], list[Check]]:
    """The complete results, and a check for each file of the folder and each file that is missing."""
    found, checks = {}, []
    for path in sorted({*folder.iterdir(), *(folder / f"{name}.json" for name in KEPT)}):
        what = f"{path.name}: complete result of its verb"
        try:
            document = compare.read(path)
            wrong = unlike_a_record(path.stem, document)
        except ValueError as error:
            way_out = "delete the file, or run its verb again" if path.exists() else "run its verb"
            wrong = f"{error}: {way_out} with `--out profiling/results`"
        if not wrong:
            found[path.stem] = document
        checks.append(Check(what, wrong))
    return found, checks


def unlike_a_record(name: str, document: Document) -> str:
    """Why a result is not one to keep; empty if it is."""
    rerun = f"run `{document['command']} --out profiling/results`"
    if document["schema_version"] != records.SCHEMA_VERSION:
        return f"it has schema {document['schema_version']}, and {records.SCHEMA_VERSION} is written now: {rerun}"
    if document["mode"] != "full" or document["ended_by"]:
        ended = document["ended_by"] or "complete"
        return f"it is a {document['mode']} run that ended: {ended}; only complete full runs are kept: {rerun}"
    if name != document["verb"] and not name.startswith(f"{document['verb']}-"):
        return f"it is a result of {document['verb']}: call it {document['verb']}.json or {document['verb']}-WHAT.json"
    return ""


def checks(results: dict[str, Document], texts: dict[str, str], project: Path) -> Iterator[Check]:
    """All checks of complete results. ``texts`` are the documents, each on one line."""
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
    """The stored figures are those that the samples give."""
    what = f"{name}.json: figures follow from its samples"
    rerun = f"run `{document['command']} --out profiling/results`"
    if not document["samples"]:
        return Check(what, f"it has no samples to compute figures from: {rerun}")
    stored, ignored = document["figures"], WORDS
    if document["verb"] == "growth":
        stored, ignored = {part: stored.get(part) for part in SAMPLED}, WORDS | latency.NOT_IN_SAMPLES
    computed = json.loads(json.dumps(FIGURES[document["verb"]](document)))
    found = list(differences("figures", stored, computed, ignored))
    wrong = "; ".join(f"{path} is {mine}, but the samples give {its}" for path, mine, its in found[:3])
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    return Check(what, f"{wrong}{more}: {rerun}" if found else "")


def differences(path: str, stored: Any, computed: Any, ignored: set[str]) -> Iterator[tuple[str, Any, Any]]:
    """The figures at which two values differ by more than rounding; fields with an ignored name are left out.

    >>> list(differences("figures", {"ns": [1.0, 2.0], "what": "a"}, {"ns": [1.0, 2.5], "what": "b"}, {"what"}))
    [('figures.ns[1]', 2.0, 2.5)]
    >>> list(differences("figures", [1.0], [], set()))
    [('the length of figures', 1, 0)]
    """
    if isinstance(stored, dict) and isinstance(computed, dict):
        for name in sorted((stored.keys() | computed.keys()) - ignored):
            yield from differences(f"{path}.{name}", stored.get(name), computed.get(name), ignored)
    elif isinstance(stored, list) and isinstance(computed, list):
        if len(stored) != len(computed):
            yield f"the length of {path}", len(stored), len(computed)
        for number, (mine, its) in enumerate(zip(stored, computed, strict=False)):
            yield from differences(f"{path}[{number}]", mine, its, ignored)
    elif isinstance(stored, float) and isinstance(computed, float):
        if not math.isclose(stored, computed, rel_tol=1e-9):
            yield path, stored, computed
    elif stored != computed:
        yield path, stored, computed


# --- checks of single verbs ---


def of_leaks(made: Any) -> Iterator[Check]:
    """Verdicts as expected, and no call that grew.

    A call that was added since then need not be there: it has a recipe (a test says so), and the next run measures it.
    """
    measured = {row["case"]: row for row in made["cases"]}
    wrong = "; ".join(f"{name} was not measured" for name in CASES if name not in measured)
    if not all(row[arm]["as_expected"] for row in measured.values() for arm in ARMS):
        wrong = leaks_tables.case_sentence(made["cases"])
    rerun = "run `make leaks OUT=profiling/results`"
    yield Check("leaks.json: each case has the verdict expected", f"{wrong}: {rerun}" if wrong else "")

    grown = [leaks_tables.grew_words(row) for row in made["growth"] if row["beyond"]]
    few = [row["call"] for row in made["growth"] if row["calls"] < leaks.GROWTH_CALLS]
    if grown:
        wrong = f"they leave something behind: {'; '.join(grown)}: fix them"
    elif few:
        wrong = f"called too few times: {', '.join(few)}: {rerun}"
    elif not leaks_tables.public_rows(made["growth"]):
        wrong = f"no public call was measured: {rerun}"
    else:
        wrong = ""
    yield Check(f"leaks.json: {leaks.GROWTH_CALLS:,} calls of each public call leave nothing behind", wrong)


def of_cache(made: Any) -> Iterator[Check]:
    """Every load and every change of a rule was measured."""
    loads, changes = {row["load"] for row in made["policies"]}, {row["change"] for row in made["rules"]}
    differing = sorted((loads ^ policies.loads(1).keys()) | (changes ^ rules.CHANGES.keys()))
    wrong = (
        f"in the code or in the file, but not in both: {', '.join(differing)}: run `make cache OUT=profiling/results`"
    )
    yield Check("cache.json: every load and every rule is measured", wrong if differing else "")


def of_instructions(made: Any) -> Iterator[Check]:
    """Every case is recorded."""
    differing = sorted(made.keys() ^ instructions_worker.CASES.keys())
    wrong = f"in the code or in the file, but not in both: {', '.join(differing)}: run `{instructions.RECORD_AGAIN}`"
    yield Check("instructions.json: every case is recorded", wrong if differing else "")


OF_VERBS = {"leaks": of_leaks, "cache": of_cache, "instructions": of_instructions}
