"""The picture of the verb ``fragmentation``, drawn from a result document alone."""

from functools import partial
from typing import Any

from matplotlib.figure import Figure

from render import charts, style

Document = dict[str, Any]


def look_ups(document: Document) -> Figure:
    """CPU time of a look-up by m[key] in a map that is even, fragmented, and compacted afterwards."""
    ns = {f"{row['state']}, {row['map']}": row["single_ns"]["median"] for row in document["figures"]}
    drawn = style.figure(7.5, 0.6 + 0.3 * len(ns))
    fragmented = {name: "red" for name in ns if name.endswith("fragmented")}
    charts.dots(drawn.subplots(), ns, fragmented, charts.nanoseconds)
    return drawn


def drawings(document: Document) -> style.Drawings:
    """The pictures of what was measured."""
    return {"look_ups": partial(look_ups, document)} if document["figures"] else {}
