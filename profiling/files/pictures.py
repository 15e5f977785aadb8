"""The picture of the verb ``files``, drawn from a result document alone."""

from functools import partial
from typing import Any

from matplotlib.figure import Figure

from files.figures import OURS
from render import charts, style

Document = dict[str, Any]


def look_ups(document: Document) -> Figure:
    """CPU time of a look-up in the file of each library, one of a batch."""
    ns = {f"{row['library']}, {row['kind']}": row["batch_ns"]["median"] for row in document["figures"]["stores"]}
    drawn = style.figure(7.5, 0.6 + 0.3 * len(ns))
    charts.dots(drawn.subplots(), ns, {name: "blue" for name in ns if name.startswith(OURS)}, charts.nanoseconds)
    return drawn


def drawings(document: Document) -> style.Drawings:
    """The pictures of what was measured."""
    return {"look_ups": partial(look_ups, document)} if document["figures"]["stores"] else {}
