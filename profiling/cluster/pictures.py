"""The picture of the verb ``cluster``, drawn from a result document alone."""

from functools import partial
from typing import Any

from matplotlib.figure import Figure

from cluster.tables import MERGED, power
from render import charts, style

Row = dict[str, Any]
WAYS = {way: said.replace("`", "") for way, said in MERGED.items() if way != "build"}  # which gives no values
OURS = ("map", "shuffle")


def merges(rows: list[Row]) -> Figure:
    """The time to give facts a value, in a panel for each number of rows that have the values. Less is better."""
    sizes = sorted({row["rows"] for row in rows})
    least = min(row["seconds"]["median"] for row in rows if row["way"] in WAYS)
    drawn = style.figure(7.5, 1.8 * len(sizes))
    panels = drawn.subplots(len(sizes), squeeze=False).ravel()
    for axes, size in zip(panels, sizes, strict=True):
        its = {row["way"]: row["seconds"]["median"] for row in rows if row["rows"] == size}
        times = {said: its[way] for way, said in WAYS.items() if way in its}
        charts.dots(axes, times, {WAYS[way]: "blue" for way in OURS}, lambda value: f"{value:.2f} s", least)
        axes.set_title(f"{power(rows[0]['facts'])} facts, {power(size)} rows")
    most = max(axes.get_xlim()[1] for axes in panels)
    for axes in panels:
        axes.set_xlim(right=most)  # the panels are compared with one another
    return drawn


def drawings(document: dict[str, Any]) -> style.Drawings:
    """The pictures of what was measured."""
    rows = document["figures"]["merge"]
    return {"merges": partial(merges, rows)} if rows else {}
