"""The picture of the verb ``floor``, drawn from a result document alone."""

from functools import partial
from typing import Any

from matplotlib.figure import Figure

from floor.worker import HIT, READ, WORDS
from peers.targets import power
from render import charts, style

Row = dict[str, Any]
WAYS = {WORDS: "np.take, 8 bytes", READ: "np.take, 1 and 16 bytes", HIT: "a hit"}


def hits(rows: list[Row]) -> Figure:
    """CPU time per key: a hit in a frozen map, what it must read, and 8 bytes in one place."""
    drawn = style.figure(7.5, 1.5 * len(rows))
    for axes, row in zip(drawn.subplots(len(rows), squeeze=False).ravel(), rows, strict=True):
        medians = {said: row["ns"][way]["median"] for way, said in WAYS.items()}
        charts.dots(axes, medians, {WAYS[HIT]: "blue"}, charts.nanoseconds)
        axes.set_title(f"{power(row['size'])} keys")
    return drawn


def drawings(document: dict[str, Any]) -> style.Drawings:
    """The pictures of what was measured."""
    rows = document["figures"]["look_ups"]
    return {"hits": partial(hits, rows)} if rows else {}
