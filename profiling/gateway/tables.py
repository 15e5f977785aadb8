"""The verb ``gateway`` as text: its tables, the article's table with verdicts, and a sentence of it."""

from typing import Any

from rich.console import Console

from gateway.figures import OURS
from render import markdown as md
from render import parts
from render.parts import Part

Document = dict[str, Any]
NONE = "-"
NAMES = {"guard": "the guard", "dict": "a dict per worker", "redis": "redis", "rego": "the guard; facts inside Rego"}
HOLDERS = {"guard": "the guard", "dict": "a dict of Python", "redis": "redis"}
PLAIN_WIDTH = 130  # of the widest table, where nobody looks at a terminal


def load(document: Document) -> Part:
    """Requests per second, how long they take, and what they cost. Bold: better than with the guard."""
    rows, shown = document["figures"]["load"], []
    ours = next((row for row in rows if row["variant"] == OURS), None)
    for row in rows:
        cells = [f"{row['per_second']['median']:,.0f}", parts.over(row["over"]) if "over" in row else NONE]
        cells += [f"{row[name]['median']:.1f} ms" for name in ("p50_ms", "p99_ms")]
        cells += [f"{row[name]['median']:,.0f} µs" for name in ("workers_cpu_us", "guard_cpu_us")]
        if ours is not None and row is not ours:
            names = ("per_second", "per_second", "p50_ms", "p99_ms", "workers_cpu_us", "guard_cpu_us")
            better = [is_better(name, row[name]["median"], ours[name]["median"]) for name in names]
            cells = [md.bold(cell, is_so) for cell, is_so in zip(cells, better, strict=True)]
        shown.append([NAMES[row["variant"]], *cells, f"{row['refused_by_mistake']:,}"])
    head = ("ids kept by", "requests/s", "over the guard", "half within", "99 of 100", "CPU, workers", "CPU, ids")
    return Part("Honest requests, by what keeps the ids", (*head, "refused"), 1, shown)


def is_better(name: str, value: float, ours: float) -> bool:
    """Whether a figure beats ours.

    >>> is_better("per_second", 2.0, 1.0), is_better("p50_ms", 2.0, 1.0)
    (True, False)
    """
    return value > ours if name == "per_second" else value < ours


def replays(document: Document) -> Part:
    """How many got through."""
    shown = []
    for row in document["figures"]["replays"]:
        slowest = row["slowest_refusal_s"]
        slow = NONE if slowest is None else f"{1000 * slowest:,.0f} ms"
        shown.append([NAMES[row["variant"]], f"{row['replayed']:,}", f"{row['accepted_again']:,}", slow])
    head = ("ids kept by", "replays", "accepted again", "slowest refusal")
    return Part("Tokens that are sent to all workers at the same time", head, 1, shown)


def changes(document: Document) -> Part:
    """Of policies, of facts: how long each step takes."""
    said = {
        "check_s": "check: compile all, run the tests, check the facts",
        "build_s": "the same, and keep it as a generation",
        "effect_s": "from the change to its effect in all workers",
        "load_s": "from a generation that is ready to its use by all",
    }
    found = document["figures"]["changes"]
    shown = [
        [text, f"{found[name]['spread']['median']:.2f} s", f"{found[name]['longest']:.2f} s"]
        for name, text in said.items()
        if name in found
    ]
    return Part("A change of policy", ("", "median", "longest"), 1, shown)


def decisions(document: Document) -> Part:
    """A policy that is told the facts beside one that has them."""
    names = {"guard": "told what the maps have", "rego": "as Rego's data"}
    shown = [
        [
            names.get(row["variant"], row["variant"]),
            f"{row['clients']:,}",
            f"{row['compile_s']:.2f} s",
            f"{1000 * row['load_s']:.1f} ms",
            f"{row['decide_us']:,.0f} µs",
        ]
        for row in document["figures"]["decisions"]
    ]
    head = ("facts", "clients", "compile and test", "load, in each worker", "look up and decide")
    return Part("Facts outside of Rego, and inside", head, 1, shown)


def memory(document: Document) -> Part:
    """Private bytes for an id."""
    shown = []
    for row in document["figures"]["memory"]:
        whole = f"{row['ids'] * row['bytes_per_id'] / 2**20:,.0f} MB"
        shown.append([HOLDERS[row["holder"]], f"{row['ids']:,}", f"{row['bytes_per_id']:.1f}", whole])
    return Part("Private memory of ids that are known", ("", "ids", "bytes an id", "together"), 1, shown)


def trials(document: Document) -> Part:
    """What is promised, tried."""
    shown = [
        [row["title"], f"{row['times']:,}", f"{row['requests']:,}", f"{len(row['wrong']):,}"]
        for row in document["figures"]["trials"]
    ]
    return Part("What is promised, tried", ("", "times", "requests", "went wrong"), 1, shown)


def beside_article(document: Document) -> Part:
    """The article's figures, ours, and a verdict on each."""
    head = ("what", "the article", "here", "verdict")
    return Part("Beside the article (5)", head, 4, [list(row) for row in document["verdicts"]])


PARTS = (load, replays, decisions, changes, memory, trials, beside_article)


def show(console: Console, document: Document) -> None:
    """Print the result."""
    parts.show_all(console, document, (part(document) for part in PARTS), notes(document), PLAIN_WIDTH)


def notes(document: Document) -> list[str]:
    """What a reader must know to judge the tables."""
    lines = [
        "Callers, gateway and the service behind share the machine. CPU: of the workers, and of the process that keeps "
        "the ids, for each request. A dict per worker accepts each replay once in every worker.",
        "Facts inside Rego: clients, tenants and routes; the limits stay in their map.",
    ]
    return lines + parts.left_out(document)
