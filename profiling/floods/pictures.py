"""The picture of the verb ``floods``, drawn from a result document alone."""

from functools import partial
from typing import Any

from matplotlib.figure import Figure

from floods.run import LIMIT
from render import charts, style

Document = dict[str, Any]


def look_ups(document: Document) -> Figure:
    """CPU time of a look-up by get_many in a map of each flood; beyond the limit it is red."""
    ns = {row["flood"]: row["ns"]["get_many"]["median"] for row in document["figures"]}
    beyond = {row["flood"]: "red" for row in document["figures"] if row["over_random"]["get_many"]["value"] > LIMIT}
    drawn = style.figure(7.5, 0.6 + 0.3 * len(ns))
    charts.dots(drawn.subplots(), ns, beyond, charts.nanoseconds)
    return drawn


def drawings(document: Document) -> style.Drawings:
    """The pictures of what was measured."""
    return {"look_ups": partial(look_ups, document)} if document["figures"] else {}
