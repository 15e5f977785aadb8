"""What was judged: every figure beside the article's or a target of the project; and what puts a result in doubt.

Owns which figures of a result are verdicts, and which facts about a run a reader is warned of.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from fragmentation import run as fragmentation
from layout import run as layout
from render import terminal
from report import answers
from table import figures, tables

Document = dict[str, Any]
# Verdicts that need a colour: good news, bad, mixed.
GOOD = ("reproduced", "lower", "target met", "met", "same", "as Go does", "clean")
BAD = ("not reproduced", "higher", "invalid", "target missed", "missed", "DIFFERS", "measurements disagree")
MIXED = ("direction only", "~", "too few", "MORE")
MISTAKE = "UNEXPECTED"  # anywhere in a cell


class Verdict(NamedTuple):
    """What was judged, beside which figure, what was measured here, and the verdict."""

    what: str
    against: str
    measured: str
    verdict: str


def verdicts(document: Document) -> Iterator[Verdict]:
    """The verdicts of one result. A verb may put them into its file itself: ``verdicts``, a list of such quadruples."""
    made = document["figures"]
    yield from targets(made)
    if "verdicts" in document:
        yield from (Verdict(*row) for row in document["verdicts"])
    elif document["verb"] == "table":
        yield from table_verdicts(document)
    elif document["verb"] == "growth":
        for row in made.get("trigger", []):
            if row["B"] == 1:
                said = "reproduced" if row["grew_at_key"] == 13 else "not reproduced"
                yield Verdict("2 buckets grow", "at the 13th key", f"at the {row['grew_at_key']}th", said)
        latency = made.get("latency", {}).get("libraries", {})
        if "pyhmap" in latency:
            worst = {name: row["recurring_worst_ns"] / 1e6 for name, row in latency.items()}
            others = ", ".join(f"{name} {ms:,.0f} ms" for name, ms in worst.items() if name != "pyhmap")
            measured = f"{worst['pyhmap']:.2f} ms; {others}"
            yield Verdict("worst insert that recurs", "at most 1 ms", measured, target(worst["pyhmap"] < 1))
    elif document["verb"] == "fragmentation":
        worst = max((row for row in made if row["map"] == "fragmented"), key=answers.over_even, default=None)
        if worst:
            ratio = worst["single_ns_over_even"]
            said = fragmentation.against_article(ratio)
            yield Verdict("time of a fragmented map", "4.5 times (42 to 187 ns)", f"{ratio['value']:.2f} times", said)
    elif document["verb"] == "layout":
        yield from (Verdict(*row) for row in layout.verdicts(made))


def targets(made: Any) -> Iterator[Verdict]:
    """The targets of the project's own that a verb judges in its figures, as ``targets``.

    Each is an object with ``target`` or ``what``, ``most`` or ``bound`` (``at_most`` says on which side), ``measured``
    or ``value``, and ``met``, which is None where nothing was measured.
    """
    for row in made.get("targets", []) if isinstance(made, dict) else []:
        what, value = row.get("what", row.get("target", "")), row.get("value", row.get("measured"))
        bound = row.get("bound", row.get("most", 0))
        said = f"{'at most' if row.get('at_most', True) else 'at least'} {bound:g} {row.get('unit', '')}".rstrip()
        if row["met"] is None or value is None:
            yield Verdict(what, said, "", "not measured")
        else:
            yield Verdict(what, said, f"{value:,.3g}", target(row["met"]))


def target(met: bool) -> str:
    """The word for a target of the project's own."""
    return "target met" if met else "target missed"


def table_verdicts(document: Document) -> Iterator[Verdict]:
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
        yield Verdict(tables.row_title(row), article, ours, "measurements disagree" if doubted else row["verdict"])


def bracketed(change: dict[str, float]) -> str:
    """The interval of a change in brackets."""
    said = terminal.interval(change)
    return f"({said})" if said else ""


def doubts(document: Document) -> Iterator[str]:
    """What a reader must know before believing the result."""
    if document["ended_by"]:
        yield f"the run ended early ({document['ended_by']})"
    if document["mode"] == "quick":
        yield "a quick run, with fewer repetitions"
    if document["environment"].get("uncommitted_changes"):
        yield "measured with changes that were not committed"
    if document["verb"] == "table":
        if against := figures.disagreements(document["figures"]):
            yield f"the three measurements of the share of hashing disagree: {'; '.join(against)}"
        if any(row.get("verdict") == "invalid" for row in document["figures"]):
            yield "the times are invalid: the null arm differs from itself"


def words(verdict: str) -> str:
    """A verdict as it can be read in a sentence."""
    return {"~": "no change can be shown"}.get(verdict, verdict)


def css_class(cell: str) -> str:
    """The class of a cell that is a verdict; empty for any other.

    >>> css_class("target met"), css_class("5.4"), css_class("native leak\\nUNEXPECTED: clean")
    ('good', '', 'bad')
    """
    said = " ".join(cell.split())
    if MISTAKE in said or said in BAD:
        return "bad"
    return "good" if said in GOOD else "mixed" if said in MIXED else ""
