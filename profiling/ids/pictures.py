"""The picture of the verb ``ids``, drawn from a result document alone."""

from functools import partial
from typing import Any

from matplotlib.figure import Figure

from ids.figures import OURS
from peers.targets import power
from render import charts, style

Document = dict[str, Any]
Row = dict[str, Any]


def batches(rows: list[Row]) -> Figure:
    """CPU time per draw of codes that stay over ten batches."""
    places = list(dict.fromkeys((row["kind"], row["task"], row["size"]) for row in rows))
    drawn = style.figure(7.5, 1.1 * len(places) + 0.28 * len(rows))
    heights = [sum((row["kind"], row["task"], row["size"]) == place for row in rows) for place in places]
    for axes, place in zip(drawn.subplots(len(places), 1, height_ratios=heights, squeeze=False)[:, 0], places):
        kind, task, size = place
        its = [row for row in rows if (row["kind"], row["task"], row["size"]) == place]
        ns = {row["way"]: row["ns"]["median"] for row in sorted(its, key=lambda row: row["ns"]["median"])}
        charts.dots(axes, ns, {OURS: "blue"}, charts.nanoseconds)
        axes.set_title(f"Ten batches of {power(size)}, {kind}, {task}")
    return drawn


def drawings(document: Document) -> style.Drawings:
    """The pictures of what was measured."""
    rows = [row for row in document["figures"]["times"] if row["measure"] == "stable"]
    return {"batches": partial(batches, rows)} if rows else {}
