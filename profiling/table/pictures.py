"""The pictures of the verb ``table``: times, shares and allocations of the arms, from a result document alone.

Owns one function per picture, from the document to a Figure. matplotlib comes with the extra ``profiling``.
"""

from functools import partial
from typing import Any

from matplotlib.figure import Figure

from render import style
from table import figures, tables

Document = dict[str, Any]
WAYS = {"py-spy": ("blue", "o"), "ablation": ("orange", "D"), "cProfile": ("purple", "s")}


def rows_of(document: Document) -> dict[str, dict[str, Any]]:
    """The rows that have figures, by measure."""
    return {row["measure"]: row for row in document["figures"] if row.get("arms")}


def times(document: Document) -> Figure:
    """CPU time of a request in each arm: every timed pass a dot, the line at the median."""
    timed = {arm: figures.per_op(document["samples"], arm) for arm in (*figures.ARMS, "before2")}
    shown = [arm for arm, blocks in timed.items() if blocks]
    drawn = style.figure(7.5, 0.9 + 0.42 * len(shown))
    axes = drawn.subplots()
    for place, arm in enumerate(shown):
        blocks = timed[arm]
        colour = style.colour({"cache": "blue", "before2": "purple"}.get(arm, "orange" if arm == "before" else "green"))
        spread = [place + 0.22 * (-1 + 2 * number / max(len(blocks) - 1, 1)) for number in range(len(blocks))]
        axes.plot([value / 1000 for value in blocks.values()], spread, "o", ms=4, alpha=0.7, color=colour)
        middle = sorted(blocks.values())[len(blocks) // 2] / 1000
        axes.plot([middle, middle], [place - 0.36, place + 0.36], color=style.colour("ink"), lw=1.5)
    names = [tables.ARM_TITLES.get(arm, "before again (null arm)") for arm in shown]
    axes.set_yticks(range(len(shown)), names)
    axes.invert_yaxis()
    axes.set_xlim(0)
    axes.set_xlabel("CPU time of a request (µs)")
    axes.grid(axis="x")
    axes.set_title("Time of a request of 40 keys")
    return drawn


def shares(document: Document) -> Figure:
    """Share of the CPU time in hashing, measured three ways, with 95 % intervals."""
    rows = rows_of(document)
    ways = [way for way in WAYS if way in rows]
    shown = [arm for arm in figures.ARMS if any(arm in rows[way]["arms"] for way in ways)]
    drawn = style.figure(7.5, 1.1 + 0.42 * len(shown))
    axes = drawn.subplots()
    for number, way in enumerate(ways):
        colour, mark = WAYS[way]
        points = [(arm, rows[way]["arms"][arm]) for arm in shown if arm in rows[way]["arms"]]
        at = [shown.index(arm) + 0.2 * (number - (len(ways) - 1) / 2) for arm, _ in points]
        values = [100 * point["value"] for _, point in points]
        ends = [[100 * (point["value"] - point["low"]) for _, point in points]]
        ends.append([100 * (point["high"] - point["value"]) for _, point in points])
        axes.errorbar(values, at, xerr=ends, fmt=mark, ms=5, color=style.colour(colour), label=way, lw=1.2)
    before, after, _ = figures.ARTICLE_SHARE
    for value, said in ((before, "before"), (after, "cache")):
        axes.axvline(value, color=style.colour("red"), lw=0.8, ls="--")
        axes.text(value + 0.6, -0.75, said, color=style.colour("red"), fontsize=8, va="center")
    axes.set_yticks(range(len(shown)), [tables.ARM_TITLES[arm] for arm in shown])
    axes.set_ylim(len(shown) - 0.5, -1.0)
    axes.set_xlim(0)
    axes.set_xlabel("share of the CPU time in hashing (%); dashed: the article's")
    axes.grid(axis="x")
    axes.set_title("Share of hashing, three ways")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return drawn


def allocations(document: Document) -> Figure:
    """Allocations of a request in each arm, beside the article's."""
    row = rows_of(document)["memray"]
    names = ["article, before", "article, cache", *(tables.ARM_TITLES[arm] for arm in row["arms"])]
    values = [*figures.ARTICLE_ALLOCATIONS[:2], *(arm["value"] for arm in row["arms"].values())]
    colours = ["red", "red", *("blue" if arm == "cache" else "green" for arm in row["arms"])]
    drawn = style.figure(7.5, 0.9 + 0.34 * len(names))
    axes = drawn.subplots()
    axes.barh(range(len(names)), values, 0.7, color=[style.colour(colour) for colour in colours])
    for place, value in enumerate(values):
        axes.annotate(f"{value:.0f}", (value, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("allocations of a request (count)")
    axes.set_title("Allocations, counted by memray")
    return drawn


def drawings(document: Document) -> style.Drawings:
    """The pictures of what was measured."""
    rows = rows_of(document)
    there = {times: "time" in rows, shares: any(way in rows for way in WAYS), allocations: "memray" in rows}
    return {draw.__name__: partial(draw, document) for draw, is_there in there.items() if is_there}
