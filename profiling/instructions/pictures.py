"""The picture of the verb ``instructions``, drawn from a result document alone."""

from functools import partial
from typing import Any

from matplotlib.figure import Figure

from render import charts, style

Document = dict[str, Any]


def operations(document: Document) -> Figure:
    """Instructions of the project's own code in each operation."""
    own = {name: counts["own"] for name, counts in document["figures"].items()}
    drawn = style.figure(8, 0.6 + 0.24 * len(own))
    charts.dots(drawn.subplots(), dict(sorted(own.items(), key=lambda item: item[1])), {}, lambda count: f"{count:.0f}")
    return drawn


def drawings(document: Document) -> style.Drawings:
    """The pictures of what was counted."""
    return {"operations": partial(operations, document)} if document["figures"] else {}
