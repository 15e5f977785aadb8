"""The pictures of the verb ``growth``: what a map does, at a glance. Drawn from a result document alone.

Owns one function per picture, from a section of the JSON to a Figure. matplotlib comes with the extra ``profiling``.
"""

import textwrap
from functools import partial
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from render import style

SLOTS = 8
GRID = 16  # rows of the bucket array side by side in the heat map
NOTHING, GONE = -1, 9  # cells behind the last row; buckets whose keys have moved away


def label(
    axes: Axes, text: str, at: tuple[float, float], colour: str, shift: tuple[int, int], ha: str = "left"
) -> None:
    """A word beside a point, so many typographic points away: plainer than a legend."""
    drawn = style.colour(colour)
    axes.annotate(text, at, shift, textcoords="offset points", color=drawn, ha=ha, va="center", fontsize=8)


def occupancy(section: dict[str, Any]) -> Figure:
    """The bucket array before a growth, and the old and the new one in the middle of it."""
    settled, growing = section["settled"], section["growing"]
    panels = [
        (f"Before: {settled['count']:,} keys in {settled['nmain']} buckets", settled["full"], settled["nmain"], None),
        (
            f"Growing, old array: nevacuate = {growing['nevacuate']}",
            [GONE if gone else full for full, gone in zip(growing["old_full"], states(growing), strict=True)],
            len(growing["evacuated"]),
            growing["nevacuate"],
        ),
        (f"Growing, new array: {growing['nmain']} buckets", growing["full"], growing["nmain"], None),
    ]
    drawn = style.figure(9.5, 3.4 if style.narrow() else 7.6)
    grid = drawn.add_gridspec(1, 3, width_ratios=[1, 1, 1])
    shades = mpl.colormaps["viridis"](np.linspace(0.12, 1, SLOTS + 1))
    colours = ListedColormap(["#0000", *shades, style.colour("faint")])
    norm = BoundaryNorm(np.arange(NOTHING - 0.5, GONE + 1), colours.N)
    tallest = max(-(-nmain // GRID) + 1 + -(-(len(full) - nmain) // GRID) for _, full, nmain, _ in panels)
    for place, (title, full, nmain, mark) in zip(grid, panels, strict=True):
        axes = drawn.add_subplot(place)
        cells = cells_of(full, nmain)
        image = axes.imshow(cells, cmap=colours, norm=norm, aspect="equal", interpolation="nearest")
        axes.set_title(textwrap.fill(title, 10) if style.narrow() else title, fontsize=8 if style.narrow() else 9)
        axes.set_anchor("N")
        axes.set_xlabel("" if style.narrow() and place.colspan.start != 1 else f"row number modulo {GRID}")
        axes.set_ylim(tallest - 0.5, -0.5)
        mains = -(-nmain // GRID)
        axes.set_yticks(
            range(0, mains, max(1, mains // 4)), [f"{GRID * i}" for i in range(0, mains, max(1, mains // 4))]
        )
        axes.set_ylabel("first row number of the line" if place.colspan.start == 0 else "")
        axes.text(-0.5, mains + 0.35, "overflow" if style.narrow() else "overflow buckets", fontsize=7, va="center")
        for spine in axes.spines.values():
            spine.set_visible(False)
        if mark is not None:
            at, red = (mark % GRID, mark // GRID), style.colour("red")
            axes.add_patch(Rectangle((at[0] - 0.5, at[1] - 0.5), 1, 1, fill=False, ec=red, lw=2))
            text, line = (GRID, at[1] + 1.5), {"arrowstyle": "-", "color": red}
            axes.annotate("nevacuate", at, text, color=red, arrowprops=line, annotation_clip=False, fontsize=8)
        if nmain == growing["nmain"]:
            half = nmain // GRID / 2 - 0.5
            axes.axhline(half, color=style.colour("ink"), lw=1)
            axes.text(GRID, half / 2, "X", va="center", fontsize=10)
            axes.text(GRID, half * 1.5 + 0.5, "Y", va="center", fontsize=10)
    bar = drawn.colorbar(image, ax=drawn.axes, orientation="horizontal", shrink=0.6, aspect=40, ticks=[*range(9), GONE])
    bar.ax.set_xticklabels([*map(str, range(9)), "evacuated"])
    bar.set_label("full slots of a bucket (of 8)")
    bar.ax.set_xlim(-0.5, GONE + 0.5)
    drawn.suptitle("The bucket array, a cell per bucket", x=0.01, ha="left", fontsize=12)
    return drawn


def states(growing: dict[str, Any]) -> list[bool]:
    """For each row of the old array whether its keys have moved: an overflow row's when it has no full slot left."""
    overflow = growing["old_full"][len(growing["evacuated"]) :]
    return [*growing["evacuated"], *(full == 0 for full in overflow)]


def cells_of(full: list[int], nmain: int) -> np.ndarray:
    """Rows of the array as lines of cells: main buckets, an empty line, overflow buckets.

    >>> cells_of([8, 3, 1], 2)[:3, :2].tolist()
    [[8, 3], [-1, -1], [1, -1]]
    """
    parts = []
    for rows in (full[:nmain], None, full[nmain:]):
        lines = 1 if rows is None else -(-len(rows) // GRID)
        part = np.full(lines * GRID, NOTHING)
        if rows:
            part[: len(rows)] = rows
        parts.append(part.reshape(lines, GRID))
    return np.concatenate(parts)


def chains(section: dict[str, Any]) -> Figure:
    """Chain lengths beside those of keys thrown at random."""
    lengths, expected = section["lengths"][1:], section["expected"][1:]
    drawn = style.figure(5.5, 3.6)
    axes = drawn.subplots()
    places = np.arange(1, len(lengths) + 1)
    axes.bar(places - 0.2, lengths, 0.4, color=style.colour("blue"), label="this map")
    axes.bar(places + 0.2, expected, 0.4, color=style.colour("orange"), label="Poisson")
    for place, (seen, wanted) in enumerate(zip(lengths, expected, strict=True), start=1):
        axes.annotate(f"{seen:,}\n{wanted:,.0f}", (place, max(seen, wanted)), ha="center", va="bottom", fontsize=7)
    axes.set_yscale("log")
    axes.set_ylim(0.5, max(lengths) * 6)
    axes.set_xticks(places)
    axes.set_xlabel("chain length (buckets)")
    axes.set_ylabel("chains (count, log)")
    axes.set_title(f"Chain lengths of {section['count']:,} keys in {section['buckets']:,} buckets")
    axes.legend()
    return drawn


def tophash(section: dict[str, Any]) -> Figure:
    """How often each tophash is there."""
    seen, expected = np.array(section["counts"]), np.array(section["expected"])
    drawn = style.figure(7, 3.4)
    axes = drawn.subplots()
    axes.bar(np.arange(256), seen, 1, color=style.colour("blue"), label="this map")
    edges, heights = np.arange(257) - 0.5, np.append(expected, expected[-1])
    axes.step(edges, heights, where="post", color=style.colour("orange"), label="expected")
    axes.annotate(
        "0 to 4 are states;\ntheir hashes count at 5 to 9",
        (9.5, expected[6] * 0.97),
        (22, expected[6] * 0.88),
        fontsize=8,
        va="top",
        arrowprops={"arrowstyle": "-", "color": style.colour("ink")},
    )
    axes.set_xlim(-1, 256)
    axes.set_xticks([0, 5, 32, 64, 96, 128, 160, 192, 224, 255])
    axes.set_xlabel("tophash (value of the byte)")
    axes.set_ylabel("keys (count)")
    style.counts(axes, "y")
    title = f"Tophashes: chi-square {section['chi2']:.0f}, {section['dof']} degrees of freedom, p = {section['p']:.2f}"
    axes.set_title(title)
    axes.legend(loc="upper right")
    return drawn


def timeline(section: list[dict[str, int]]) -> Figure:
    """How a map grows: keys per bucket, and bytes, over the keys inserted."""
    count = np.array([row["count"] for row in section])
    load = count / np.array([row["buckets"] for row in section])
    growing = np.array([row["oldbuckets"] > 0 for row in section])
    drawn = style.figure(7, 5)
    top, bottom = drawn.subplots(2, 1, sharex=True)
    top.plot(count, load, color=style.colour("blue"), lw=1.2)
    top.axhline(6.5, color=style.colour("red"), lw=0.8, ls="--")
    top.text(count[0], 6.6, "6.5: growth begins", color=style.colour("red"), fontsize=8, va="bottom")
    top.set_ylim(0, 9)
    top.set_ylabel("load (keys per bucket)")
    top.set_title("Growing from empty, one insert at a time")
    size = np.array([row["nbytes"] for row in section]) / count
    bottom.plot(count, size, color=style.colour("blue"), lw=1.2)
    for axes in (top, bottom):
        axes.fill_between(
            count, 0, 1, where=growing, transform=axes.get_xaxis_transform(), color=style.colour("sky"), alpha=0.3, lw=0
        )
    bottom.set_ylim(0, 150)
    bottom.text(count[-1], 8, "shaded: two arrays, evacuation under way", ha="right", fontsize=8)
    bottom.axhline(16, color=style.colour("green"), lw=0.8, ls="--")
    bottom.text(count[0], 17, "16: key and value alone", color=style.colour("green"), fontsize=8, va="bottom")
    bottom.set_ylabel("memory (bytes per entry)")
    bottom.set_xscale("log")
    bottom.set_xlabel("keys in the map (count, log)")
    return drawn


COLOUR_OF = {"pyhmap": "blue", "pyhmap set_many": "green", "dict": "orange", "cykhash": "green", "numba": "purple"}


def latency(section: dict[str, Any]) -> Figure:
    """The worst insert of each stretch of a growth, in each library."""
    drawn = style.figure(7.5, 4)
    axes = drawn.subplots()
    rows = section["libraries"] | {"clock alone": section["clock"]}
    # dict and pyhmap last, on top: spikes of several libraries fall on the same inserts.
    for name, row in sorted(rows.items(), key=lambda item: ("dict", "pyhmap").count(item[0])):
        at, ns = [point["insert"] for point in row["series"]], [point["ns"] for point in row["series"]]
        drawn_in = style.colour(COLOUR_OF.get(name, "faint"))
        axes.plot(at, ns, color=drawn_in, lw=0.9, drawstyle="steps-post")
    axes.text(1.02, 0.97, "worst that recurs", transform=axes.transAxes, fontsize=8, va="top")
    by_worst = sorted(rows.items(), key=lambda item: -item[1]["recurring_worst_ns"])
    for place, (name, row) in enumerate(by_worst, start=1):
        worst = float(f"{row['recurring_worst_ns']:.2g}")
        text = f"{name}: {style.nanoseconds(worst)}"
        colour = style.colour(COLOUR_OF.get(name, "ink"))
        axes.text(1.02, 0.97 - 0.075 * place, text, transform=axes.transAxes, color=colour, fontsize=9, va="top")
    axes.axhline(1e6, color=style.colour("red"), lw=0.8, ls="--")
    axes.text(1.2, 1.15e6, "1 ms", color=style.colour("red"), fontsize=8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(style.nanoseconds))
    axes.set_xlabel("number of the insert (log)")
    axes.set_ylabel("worst insert of the stretch (CPU time, log)")
    axes.set_title(f"One insert at a time, to {section['inserts']:,} keys")
    return drawn


def memory(section: dict[str, Any]) -> Figure:
    """Private memory of the process over the keys inserted."""
    drawn = style.figure(7, 3.8)
    axes = drawn.subplots()
    for name, points in section["libraries"].items():
        at, size = [point["count"] for point in points], [point["bytes"] / 2**20 for point in points]
        axes.plot(at, size, color=style.colour(COLOUR_OF[name]), lw=1.2)
        label(axes, name, (at[-1], size[-1]), COLOUR_OF[name], (5, -5 if name == "pyhmap set_many" else 5))
    axes.set_xlabel("keys in the map (count)")
    axes.set_ylabel("private memory (MiB)")
    axes.set_xlim(0, at[-1] * 1.22)
    axes.set_ylim(0)
    style.counts(axes, "x")
    axes.tick_params(axis="x", labelrotation=20)
    axes.set_title("Memory over time, growing from empty (int64 to int64)")
    return drawn


def churn(section: dict[str, Any]) -> Figure:
    """Bytes of a map whose keys come and go, over those of a fresh map."""
    drawn = style.figure(6.5, 3.6)
    axes = drawn.subplots()
    for row, colour in zip(section["loads"], ("green", "blue", "purple"), strict=False):
        at = [point["operations"] for point in row["series"]]
        size = [point["nbytes"] / row["fresh_nbytes"] for point in row["series"]]
        axes.plot(at, size, color=style.colour(colour))
        label(axes, f"{row['load']:.1f} keys per bucket", (at[-1], size[-1]), colour, (5, 0))
    axes.axhline(1.3, color=style.colour("red"), lw=0.8, ls="--")
    axes.text(0, 1.305, "1.3", color=style.colour("red"), fontsize=8, va="bottom")
    axes.set_xlim(0, row["operations"] * 1.3)
    axes.set_ylim(0.95, 1.4)
    style.counts(axes, "x")
    axes.tick_params(axis="x", labelrotation=20)
    axes.set_xlabel("inserts and deletes (count)")
    axes.set_ylabel("rows in use (times a fresh map's)")
    axes.set_title("Keys that come and go at constant count")
    return drawn


def loads(section: list[dict[str, Any]]) -> Figure:
    """Why 6.5: what a higher load saves in memory, and what it costs in rows read."""
    load, simulated = [row["load"] for row in section], [row["simulated"] for row in section]
    lines = [
        ("over a growth cycle", [row["bytes_per_entry_cycle"] for row in section], "sky", (0, 12)),
        ("at that load", [row["bytes_per_entry"] for row in simulated], "blue", (0, -12)),
        ("buckets with overflow", [100 * row["overflow_share"] for row in simulated], "orange", (-14, 0)),
        ("hits that read a second row", [100 * (row["hit_rows"] - 1) for row in simulated], "green", (0, 12)),
    ]
    drawn = style.figure(7.5, 3.6)
    left, right = style.panels(drawn, 2, 2)
    for axes, (name, values, colour, shift) in zip((left, left, right, right), lines, strict=True):
        axes.plot(load, values, color=style.colour(colour), marker="o", ms=3)
        label(axes, name, (load[-1], values[-1]), colour, shift, ha="right")
    left.set_ylabel("overhead (bytes per entry)")
    right.set_ylabel("share (%)")
    for axes in (left, right):
        axes.axvline(6.5, color=style.colour("red"), lw=0.8, ls="--")
        axes.set_xlabel("load factor (keys per bucket)")
        axes.set_ylim(0)
    label(left, "6.5", (6.5, 1), "red", (3, 0))
    drawn.suptitle("What a load factor saves, and what it costs", x=0.01, ha="left", fontsize=12)
    return drawn


def drawings(document: dict[str, Any]) -> style.Drawings:
    """The pictures of every section that was measured."""
    made: style.Drawings = {}
    for draw in (occupancy, chains, tophash, timeline, loads, latency, memory, churn):
        section = document["figures"].get(draw.__name__)
        if section and not (isinstance(section, dict) and section.get("libraries") == {}):
            made[draw.__name__] = partial(draw, section)
    return made
