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
    """CPU time per draw of codes that stay over ten batches of this many keys each."""
    streams: dict[str, dict[str, float]] = {}
    for row in sorted(rows, key=lambda row: row["ns"]["median"]):
        title = f"{power(row['size'])} each: {row['kind']}, {row['task']}"
        streams.setdefault(title, {})[row["way"]] = row["ns"]["median"]
    drawn = style.figure(7.5, len(streams) + 0.28 * len(rows))
    titles = sorted(streams)
    panels = drawn.subplots(len(titles), squeeze=False, height_ratios=[len(streams[title]) for title in titles])
    for axes, title in zip(panels.ravel(), titles, strict=True):
        charts.dots(axes, streams[title], {OURS: "blue"}, charts.nanoseconds)
        axes.set_title(title)
    return drawn


def drawings(document: Document) -> style.Drawings:
    """The pictures of what was measured."""
    rows = [row for row in document["figures"]["times"] if row["measure"] == "stable"]
    return {"batches": partial(batches, rows)} if rows else {}
