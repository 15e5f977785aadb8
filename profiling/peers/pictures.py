"""The pictures of the verb ``peers``, drawn from a result document alone.

Owns which picture shows what. matplotlib comes with the extra ``profiling``.
"""

from functools import partial
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from render import style

Row = dict[str, Any]

# Those that people ask about in colour, the others in grey behind them.
COLOURS = {
    "pyhmap": "blue",
    "pyhmap frozen": "blue",
    "dict": "orange",
    "cykhash": "green",
    "boost": "purple",
    "Go Swiss": "red",
    "pandas": "sky",
    "np.take": "ink",
}
DASHES = {"np.take": "--", "pyhmap frozen": ":"}
PANELS = {"hit": "Look-up, found", "miss": "Look-up, not found", "build": "Build from empty"}


def chosen(rows: list[Row], operation: str) -> list[Row]:
    """The rows of one operation with random int64, by size."""
    found = [row for row in rows if (row["kind"], row["key_set"], row["operation"]) == ("int64", "random", operation)]
    return sorted(found, key=lambda row: row["size"])


def times(rows: list[Row]) -> Figure:
    """Time of an operation over the size of the map."""
    drawn = style.figure(10, 4.2)
    panels = style.panels(drawn, len(PANELS), len(PANELS), sharey=True)
    greys: dict[str, None] = {}
    for axes, (operation, title) in zip(panels, PANELS.items(), strict=True):
        points = chosen(rows, operation)
        names = dict.fromkeys(name for row in points for name in row["spreads"])
        for name in sorted(names, key=lambda name: list(COLOURS).index(name) if name in COLOURS else -1, reverse=True):
            at = [row["size"] for row in points if name in row["spreads"]]
            ns = [row["spreads"][name]["median"] for row in points if name in row["spreads"]]
            ours = name.startswith("pyhmap")
            colour, width = style.colour(COLOURS.get(name, "faint")), 2.4 if ours else 1.2
            dashes, above = DASHES.get(name, "-"), 2 + (name in COLOURS) + ours
            axes.plot(at, ns, color=colour, lw=width, ls=dashes, marker="o", ms=2.5, zorder=above, label=name)
            if name not in COLOURS:
                greys[name] = None
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(title)
        axes.set_xlabel("keys in the map (count, log)")
        axes.grid(axis="y")
        axes.yaxis.set_major_formatter(FuncFormatter(style.nanoseconds))
        axes.yaxis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel("CPU time per key (log)")
    lines = {line.get_label(): line for axes in panels for line in axes.lines}
    handles = [lines[name] for name in COLOURS if name in lines]
    drawn.legend(
        handles,
        [name for name in COLOURS if name in lines],
        loc="outside lower center",
        ncols=3 if style.narrow() else len(COLOURS),
    )
    drawn.suptitle("int64 to int64, one thread" + (f"; grey: {', '.join(sorted(greys))}" if greys else ""), fontsize=9)
    return drawn


def memory(rows: list[Row]) -> Figure:
    """Bytes per entry, of the largest size that each library was measured at."""
    points = chosen(rows, "memory")
    row = points[-1]
    sizes = sorted(row["spreads"].items(), key=lambda item: -item[1]["median"])
    drawn = style.figure(6.5, 3.6)
    axes = drawn.subplots()
    bars = axes.barh(
        [name for name, _ in sizes],
        [spread["median"] for _, spread in sizes],
        color=[style.colour(COLOURS[name] if name.startswith("pyhmap") else "faint") for name, _ in sizes],
    )
    axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.axvline(16, color=style.colour("green"), lw=0.8, ls="--")
    axes.set_xlabel("private memory (bytes per entry); dashed: 16, key and value alone")
    axes.set_ylabel("")
    axes.set_title(f"Memory of {row['size']:,} int64 keys\n(hirola, pandas, arraykit: without values)")
    return drawn


def drawings(document: dict[str, Any]) -> style.Drawings:
    """The pictures of what was measured."""
    rows = document["figures"]["rows"]
    needed = {times: "hit", memory: "memory"}
    return {draw.__name__: partial(draw, rows) for draw, operation in needed.items() if chosen(rows, operation)}
