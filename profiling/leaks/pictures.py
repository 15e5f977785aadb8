"""The pictures of the verb ``leaks``, from a result document alone: memory over the rounds, pauses over the size.

Owns one function per picture, from the document's figures to a Figure. matplotlib comes with the extra ``profiling``.
"""

import math
from functools import partial
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from render import style

COLOURS = {
    "nothing": ("ink", "x"),
    "dict": ("orange", "s"),
    "dict of tuples": ("red", "^"),
    "dict of lists": ("purple", "v"),
    "HMap": ("blue", "o"),
    "HMap of records": ("sky", "D"),
}
ACROSS = 3  # panels in a row


def rounds(figures: dict[str, Any]) -> Figure:
    """Memory that stays after each round of calls, leaking and fixed: a leak is a slope, not a level."""
    rows = [row for row in figures["cases"] if "leaking" in row and "fixed" in row]
    drawn = style.figure(9.5, 2.1 * -(-len(rows) // ACROSS))
    panels = style.panels(drawn, len(rows), ACROSS)
    for axes, row in zip(panels, rows, strict=True):
        for arm, colour, mark in (("leaking", "red", "o"), ("fixed", "blue", "s")):
            held = grown(row[arm])
            axes.plot(range(len(held)), held, marker=mark, ms=3.5, lw=1.2, color=style.colour(colour), label=arm)
        axes.set_title(f"{row['case']}\n{row['leaking']['verdict']}", fontsize=8)
        axes.set_xticks(range(len(row["leaking"]["traced"])))
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, -10), max(high, 500))  # a flat line looks flat
        axes.tick_params(labelsize=7)
        axes.set_ylabel("kB more than\nbefore round 1" if axes.get_subplotspec().is_first_col() else "", fontsize=7)
        axes.set_xlabel("rounds" if axes.get_subplotspec().is_last_row() else "", fontsize=7)
    panels[0].legend(fontsize=7, loc="upper left")
    return drawn


def grown(form: dict[str, Any]) -> list[float]:
    """What is traced after each round beyond the first reading, in kB."""
    first = form["traced"][0]
    return [(value - first) / 1e3 for value in form["traced"]]


def collector(figures: dict[str, Any]) -> Figure:
    """What one full collection takes over the number of entries alive: the first that meets them, and later ones."""
    rows = figures["collector"]
    drawn = style.figure(9.5, 4.4)
    first, later = style.panels(drawn, 2, 2, sharey=True)
    for axes, figure, title in (
        (first, "first", "First full collection after building"),
        (later, "later", "Later ones"),
    ):
        for name in dict.fromkeys(row["container"] for row in rows):
            own = [row for row in rows if row["container"] == name]
            colour, mark = COLOURS.get(name, ("green", "."))
            sizes = [row["entries"] for row in own]
            middle = [row[figure]["median"] for row in own]
            ends = [[row[figure]["median"] - row[figure]["q1"] for row in own]]
            ends.append([row[figure]["q3"] - row[figure]["median"] for row in own])
            shown = style.colour(colour)
            axes.errorbar(sizes, middle, yerr=ends, marker=mark, ms=5, lw=1.2, color=shown, label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("entries alive (count, log)")
        axes.set_title(title)
        axes.grid(axis="y")
    first.set_ylabel("CPU time (log)")
    ends = [row[figure]["median"] for row in rows for figure in ("first", "later")]
    first.set_ylim(10 ** math.floor(math.log10(min(ends))), 10 ** math.ceil(math.log10(max(ends))))
    first.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.nanoseconds(round(value * 1e9))))
    first.yaxis.set_minor_formatter(NullFormatter())
    drawn.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=2 if style.narrow() else 6)
    return drawn


def drawings(document: dict[str, Any]) -> style.Drawings:
    """The pictures of what was measured."""
    figures = document["figures"]
    needed = {rounds: "cases", collector: "collector"}
    return {draw.__name__: partial(draw, figures) for draw, section in needed.items() if figures[section]}
