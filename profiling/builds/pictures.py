"""The pictures of the verb ``builds`` and of the experiment ``grouping``, drawn from a result document alone."""

from functools import partial
from typing import Any

from matplotlib.figure import Figure

from render import charts, style

Document = dict[str, Any]


def variants(document: Document) -> Figure:
    """Time of each call in each variant over that of the first; a dot is a call, blue where it is faster."""
    first, *others = document["config"]["builds"]
    points = [
        (name, row["ratios"][name]["value"], 5)
        for name in others
        for row in document["figures"]
        if name in row["ratios"]
    ]
    drawn = style.figure(7.5, 1.1 + 0.32 * len(others))
    axes = drawn.subplots()
    charts.ratios(axes, points, lambda ratio: ratio > 1)
    axes.set_xlabel(f"time over that of “{first}”")
    return drawn


def groups(document: Document) -> Figure:
    """CPU time per key of batches whose keys are sorted beforehand into groups of buckets."""
    ns = {f"{row['queries']:,}, {row['what']}": row["ns"]["median"] for row in document["figures"]}
    drawn = style.figure(7.5, 0.6 + 0.3 * len(ns))
    charts.dots(drawn.subplots(), ns, {name: "orange" for name in ns if "answers" in name}, charts.nanoseconds)
    return drawn


def of_builds(document: Document) -> style.Drawings:
    """The pictures of ``builds``."""
    return {"variants": partial(variants, document)} if len(document["config"]["builds"]) > 1 else {}


def of_grouping(document: Document) -> style.Drawings:
    """The pictures of ``grouping``."""
    return {"groups": partial(groups, document)} if document["figures"] else {}
