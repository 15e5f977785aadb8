"""The result as a table, as a picture, and in its place in the documents; all from a result document alone."""

import io
import json
import re
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from id_maps import WAYS

Document = dict[str, Any]

HERE = Path(__file__).resolve().parent
RESULT, PICTURE = HERE / "result.json", HERE / "result.svg"
PAGE = HERE.parents[1] / "docs" / "ids.md"
# What the page shows of the result lies between these.
BEGINS, ENDS = "<!-- example: ids -->", "<!-- example ends -->"

HEAD = ("the ids are in", "memory of 4 processes", "until all have answered", "ids of a request", "files")
PLAIN_WIDTH = 110  # where there is no terminal to ask
COLUMNS = 100  # of the documents
INK, FAINT, BLUE, GREY = "#1b1f24", "#c9ced6", "#0072b2", "#8b929c"
STYLE = {"font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left"}
STYLE |= {"text.color": INK, "ytick.color": INK, "axes.edgecolor": FAINT}
STYLE |= {"svg.fonttype": "none", "svg.hashsalt": "pyhmap"}  # text stays text; the same figure gives the same file


def rows(document: Document, mark: str = "") -> list[list[str]]:
    """The cells of the table, a row for each way; ``mark`` stands on both sides of what is less than with HIndex."""
    made, ours = [], numbers(document, "hindex")
    for way, figures in document["figures"].items():
        its, first = numbers(document, way), figures["first_s"]
        cells = [size(its[0]), f"{short(its[1])} s ({short(first['low'])}..{short(first['high'])})"]
        cells += ["-", "-"] if way == "none" else [f"{short(its[2])} ms", size(its[3])]
        for column in range(len(cells)):
            if way != "none" and its[column] < ours[column]:
                cells[column] = f"{mark}{cells[column]}{mark}"
        made.append([WAYS[way].title, *cells])
    return made


def numbers(document: Document, way: str) -> list[float]:
    """What the table shows of a way."""
    medians = [document["figures"][way][name]["median"] for name in ("pss_bytes", "first_s", "ids_ms")]
    return [*medians, document["build"]["bytes"][way]]


def size(count: float) -> str:
    """Bytes in MB.

    >>> size(1_234_567_890), size(1_234_567)
    ('1,235 MB', '1.2 MB')
    """
    return f"{short(count / 1e6)} MB"


def short(value: float) -> str:
    """Two digits, or all before the point.

    >>> short(0.01234), short(1.234), short(12.34), short(1234.5)
    ('0.012', '1.2', '12', '1,234')
    """
    return f"{value:,.0f}" if value >= 9.95 else f"{value:#.2g}"


def sentence(document: Document) -> str:
    """What was measured, and on what."""
    build, machine = document["build"], document["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"{document['keys']:,} synthetic travellers, {build['cities']:,} real cities, {build['visits']:,} visits: "
        f"numbered in {short(build['encode_s'])} s, ids saved in {short(build['save_s']['hindex'])} s. Each process "
        f"answers {document['requests']} requests of {document['asked']} travellers; the matrix takes "
        f"{short(document['figures']['hindex']['work_ms']['median'])} ms of CPU time for each. Times and memory are "
        f"medians; rounds of fresh processes: {document['rounds']}. {machine['cpu']}, {machine['cores']} cores, "
        f"Python {machine['python']}; {versions}."
    )


def markdown(document: Document) -> str:
    """What the page shows."""
    lines = [f"| {' | '.join(cells)} |" for cells in (HEAD, *rows(document, "**"))]
    lines.insert(1, "|" + "---|" * len(HEAD))
    return "\n".join([textwrap.fill(sentence(document), COLUMNS), "", *lines])


def picture(document: Document) -> Figure:
    """Memory, the first answer, and the ids of a request, beside one another."""
    figures = document["figures"]
    drawn = Figure(figsize=(9, 1.2 + 0.28 * len(figures)), layout="constrained")
    title = f"{document['keys']:,} ids and a matrix, in {document['processes']} processes"
    drawn.suptitle(title, x=0.01, ha="left", size=11, weight="bold")
    memory, first, of_ids = drawn.subplots(1, 3, sharey=True)
    bars(memory, "Memory of all processes", figures, "pss_bytes", 1e9, "GB")
    bars(first, "Until all have answered", figures, "first_s", 1, "s")
    with_ids = {way: its for way, its in figures.items() if way != "none"}
    bars(of_ids, "CPU time for the ids of a request", with_ids, "ids_ms", 1, "ms")
    memory.set_yticks(range(len(figures)), [WAYS[way].title for way in figures])
    memory.set_ylim(len(figures) - 0.4, -0.6)
    return drawn


def bars(axes: Axes, title: str, figures: Document, name: str, unit: float, said: str) -> None:
    """A bar with its value for each way, HIndex's in colour."""
    values = {way: its[name]["median"] / unit for way, its in figures.items()}
    for place, (way, value) in enumerate(values.items(), len(WAYS) - len(values)):
        ours = way == "hindex"
        axes.barh(place, value, 0.62, color=BLUE if ours else GREY if way != "none" else FAINT)
        at = {"xytext": (3, 0), "textcoords": "offset points", "va": "center"}
        words = {"color": BLUE if ours else INK, "weight": "bold" if ours else "normal"}
        axes.annotate(f"{short(value)} {said}", (value, place), **at, **words)
    axes.set_title(title)
    axes.set_xlim(0, 1.35 * max(values.values()))  # room for the longest value
    axes.xaxis.set_visible(False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def svg(document: Document) -> bytes:
    """The picture as a file."""
    written = io.BytesIO()
    with mpl.rc_context(STYLE):
        picture(document).savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def print_result(document: Document) -> None:
    """The table, and an answer to look at, on standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, PLAIN_WIDTH)
    table = Table(*HEAD, box=box.SIMPLE_HEAD, title="Ids beside a matrix, in four processes", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for cells in rows(document):
        table.add_row(*cells)
    answer = document["example"]
    console.print(table)
    console.print(sentence(document), markup=False)
    alike = ", ".join(filter(None, answer["alike"]))
    console.print(f"One answer: {answer['asked']} travels like {alike}, and might like {answer['city']}.", markup=False)


def write(document: Document, result: Path, picture: Path) -> None:
    """Write the result and its picture."""
    result.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    picture.write_bytes(svg(document))
    print(f"Written: {result}, {picture}")


def write_page() -> None:
    """Put the result that is kept into the page, and draw its picture again."""
    kept = json.loads(RESULT.read_text(encoding="utf-8"))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), kept), encoding="utf-8")
    PICTURE.write_bytes(svg(kept))
    print(f"Written: {PAGE}, {PICTURE}")


def shown(page: str) -> str:
    """What a page shows of a result now."""
    return between(page)[2].strip()


def filled(page: str, document: Document) -> str:
    """The page, with this result in its place."""
    before, begins, _, ends, after = between(page)
    return f"{before}{begins}\n\n{markdown(document)}\n\n{ends}{after}"


def between(page: str) -> tuple[str, ...]:
    """The page in five parts, of which the third is the result."""
    found = re.split(f"({re.escape(BEGINS)}|{re.escape(ENDS)})", page)
    if found[1::2] != [BEGINS, ENDS]:
        raise ValueError(f"{PAGE.name} must have {BEGINS} and then {ENDS} on lines of their own, once")
    return tuple(found)
